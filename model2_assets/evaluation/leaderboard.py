"""Every model and horizon of a region, side by side."""

from collections.abc import Mapping
from datetime import UTC, datetime
from math import nan
from typing import TYPE_CHECKING, Any

import pandas as pd

from model2_assets.data_version import table_digest
from model2_assets.evaluation._rank_ic_changes import rank_ic_changes
from model2_assets.evaluation._turnover import top_quantile_turnover
from model2_assets.evaluation.horizon_overfitting import HorizonOverfitting
from model2_assets.provenance import data_version_of, facts_of

if TYPE_CHECKING:
    from model2_assets.training import Manifest

COSTS = ("seconds", "peak_rss_bytes")
"""Columns that differ from run to run: they are no part of the data version."""

HISTORY = ("rank_ic_change", "trained_at")
"""Columns that depend on when partitions and leaderboards were made: no part of it either."""


def compare_partitions(
    *,
    scores: Mapping[str, pd.DataFrame],
    oof: Mapping[str, pd.DataFrame],
    manifests: Mapping[str, "Manifest"],
    overfitting: Mapping[str, HorizonOverfitting],
    trained_at: Mapping[str, datetime | None] | None = None,
    previous: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Put the partitions of a region in one table.

    Parameters
    ----------
    scores : mapping of str to DataFrame
        Scores by partition key, such as ``21d|ridge``.
    oof : mapping of str to DataFrame
        Out-of-fold predictions by partition key, with their provenance.
    manifests : mapping of str to Manifest
        Manifests of the fold models by partition key.
    overfitting : mapping of str to HorizonOverfitting
        By horizon, from `overfitting_by_horizon`.
    trained_at : mapping of str to datetime or None, optional
        When the fold models of each partition were made, with a time zone; a partition that is
        not among them, or None, has no time in the table.
    previous : DataFrame of shape (n_previous, n_columns), optional
        The leaderboard before this one, for the change of rank IC.

    Returns
    -------
    DataFrame of shape (n_partitions, 25)
        Columns of the contract Leaderboard, best rank IC first within a horizon; only
        partitions that have all three inputs.
    """
    times = trained_at or {}
    keys = [key for key in scores if key in oof and key in manifests]
    rows = [
        _row(scores[key], oof[key], manifests[key])
        | {
            "pbo": overfitting[manifests[key].horizon].pbo,
            "trained_at": _naive_utc(times.get(key)),
            "rank_ic_change": nan,
        }
        for key in keys
    ]
    board = pd.DataFrame(rows, columns=list(_TYPES)).astype(_TYPES)
    days = board["horizon"].str.removesuffix("d").astype("int64")
    ordered = (
        board.assign(_days=days)
        .sort_values(["_days", "rank_ic", "model"], ascending=[True, False, True])
        .drop(columns="_days")
        .reset_index(drop=True)
    )
    changes = rank_ic_changes(ordered, previous)
    return ordered.assign(rank_ic_change=changes["rank_ic_change"])


def folds_of(oof: Mapping[str, pd.DataFrame]) -> dict[str, int]:
    """Return how many folds the splits of each partition have, from their provenance."""
    return {key: int(facts_of(frame)["n_folds"]) for key, frame in oof.items()}


def leaderboard_version(board: pd.DataFrame) -> str:
    """Digest a leaderboard, leaving out time, memory and what changed since the last one."""
    return table_digest(board.drop(columns=[*COSTS, *HISTORY]))


_TYPES = {
    "horizon": "str",
    "model": "str",
    "rank_ic": "float64",
    "rank_ic_se": "float64",
    "rank_ic_t": "float64",
    "rank_ic_change": "float64",
    "n_effective": "float64",
    "rank_ic_path_min": "float64",
    "rank_ic_path_median": "float64",
    "rank_ic_path_max": "float64",
    "icir": "float64",
    "r2": "float64",
    "mse": "float64",
    "decile_spread_bps": "float64",
    "top_quantile_turnover": "float64",
    "deflated_sharpe": "float64",
    "pbo": "float64",
    "coverage": "float64",
    "largest_prediction": "float64",
    "determinism_difference": "float64",
    "models_bytes": "float64",
    "seconds": "float64",
    "peak_rss_bytes": "float64",
    "data_version": "str",
    "trained_at": "datetime64[us]",
}


_OVERALL = (
    "rank_ic",
    "rank_ic_se",
    "rank_ic_t",
    "n_effective",
    "icir",
    "r2",
    "mse",
    "decile_spread_bps",
    "deflated_sharpe",
)


def _row(scores: pd.DataFrame, oof: pd.DataFrame, manifest: "Manifest") -> dict[str, Any]:
    overall = scores[scores["scope"] == "all"].set_index("metric")["value"]
    of_paths = scores[(scores["scope"] == "path") & (scores["metric"] == "rank_ic")]["value"]
    facts = facts_of(oof)
    index = oof.index
    assert isinstance(index, pd.MultiIndex)
    return {
        "horizon": manifest.horizon,
        "model": manifest.model,
        **{name: overall[name] for name in _OVERALL},
        "top_quantile_turnover": top_quantile_turnover(oof["prediction"], index).mean(),
        "rank_ic_path_min": of_paths.min(),
        "rank_ic_path_median": of_paths.median(),
        "rank_ic_path_max": of_paths.max(),
        "coverage": len(oof) / facts["rows_tested"],
        "largest_prediction": oof["prediction"].abs().max(),
        "determinism_difference": facts["determinism_difference_bps"],
        "models_bytes": manifest.total_bytes,
        "seconds": manifest.seconds,
        "peak_rss_bytes": manifest.peak_rss_bytes,
        "data_version": data_version_of(oof),
    }


def _naive_utc(moment: datetime | None) -> datetime | None:
    return None if moment is None else moment.astimezone(UTC).replace(tzinfo=None)
