"""Every model and horizon of a region, side by side."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import pandas as pd

from model2_assets.data_version import table_digest
from model2_assets.provenance import data_version_of, facts_of

if TYPE_CHECKING:
    from model2_assets.training import Manifest

COSTS = ("seconds", "peak_rss_bytes")
"""Columns that differ from run to run: they are no part of the data version."""


def compare_partitions(
    *,
    scores: Mapping[str, pd.DataFrame],
    oof: Mapping[str, pd.DataFrame],
    manifests: Mapping[str, "Manifest"],
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

    Returns
    -------
    DataFrame of shape (n_partitions, 14)
        Columns of the contract Leaderboard, best rank IC first within a horizon; only
        partitions that have all three inputs.
    """
    keys = [key for key in scores if key in oof and key in manifests]
    rows = [_row(scores[key], oof[key], manifests[key]) for key in keys]
    board = pd.DataFrame(rows, columns=list(_TYPES)).astype(_TYPES)
    days = board["horizon"].str.removesuffix("d").astype("int64")
    return (
        board.assign(_days=days)
        .sort_values(["_days", "rank_ic", "model"], ascending=[True, False, True])
        .drop(columns="_days")
        .reset_index(drop=True)
    )


def folds_of(oof: Mapping[str, pd.DataFrame]) -> dict[str, int]:
    """Return how many folds the splits of each partition have, from their provenance."""
    return {key: int(facts_of(frame)["n_folds"]) for key, frame in oof.items()}


def leaderboard_version(board: pd.DataFrame) -> str:
    """Digest a leaderboard, leaving out time and memory."""
    return table_digest(board.drop(columns=list(COSTS)))


_TYPES = {
    "horizon": "str",
    "model": "str",
    "rank_ic": "float64",
    "rank_ic_t": "float64",
    "icir": "float64",
    "r2": "float64",
    "mse": "float64",
    "coverage": "float64",
    "largest_prediction": "float64",
    "determinism_difference": "float64",
    "models_bytes": "float64",
    "seconds": "float64",
    "peak_rss_bytes": "float64",
    "data_version": "str",
}


def _row(scores: pd.DataFrame, oof: pd.DataFrame, manifest: "Manifest") -> dict[str, Any]:
    overall = scores[scores["scope"] == "all"].set_index("metric")["value"]
    facts = facts_of(oof)
    return {
        "horizon": manifest.horizon,
        "model": manifest.model,
        **{name: overall[name] for name in ("rank_ic", "rank_ic_t", "icir", "r2", "mse")},
        "coverage": len(oof) / facts["rows_with_label"],
        "largest_prediction": oof["prediction"].abs().max(),
        "determinism_difference": facts["determinism_difference_bps"],
        "models_bytes": manifest.total_bytes,
        "seconds": manifest.seconds,
        "peak_rss_bytes": manifest.peak_rss_bytes,
        "data_version": data_version_of(oof),
    }
