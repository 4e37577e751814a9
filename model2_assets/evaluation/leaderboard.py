"""Every model and horizon of a region, side by side."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from math import nan
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from model2_assets.config.partition import horizon_days
from model2_assets.contracts import load_contract
from model2_assets.evaluation.ic import (
    MIN_NAMES,
    Chunk,
    Grid,
    Ints,
    Values,
    average_ranks,
    chunks_of_dates,
)
from model2_assets.evaluation.metrics import METRICS, MISSING, Shown, metrics_of
from model2_assets.evaluation.overfitting import HorizonOverfitting
from model2_assets.evaluation.quantiles import top_quantile_turnover
from model2_assets.evaluation.scores import overall_scores, rank_ics
from model2_assets.evaluation.stability import mean_of_pairs
from model2_assets.storage.data_version import data_version_of, facts_of, table_digest

if TYPE_CHECKING:
    from model2_assets.storage.models import Manifest

COSTS = ("seconds", "peak_rss_bytes")
"""Columns that differ from run to run: they are no part of the data version."""

HISTORY = ("rank_ic_change", "trained_at")
"""Columns that depend on when partitions and leaderboards were made: no part of it either."""

_TYPES = {"string": "str", "double": "float64", "timestamp[us]": "datetime64[us]"}


def compare_partitions(
    *,
    scores: Mapping[str, pd.DataFrame],
    oof: Mapping[str, pd.DataFrame],
    manifests: Mapping[str, "Manifest"],
    overfitting: Mapping[str, HorizonOverfitting],
    trained_at: Mapping[str, datetime | None] | None = None,
    previous: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Return the leaderboard of the partitions that have scores, predictions and models.

    Arguments are by partition key, `overfitting` by horizon; times have a time zone. Rows keep
    the contract Leaderboard, best rank IC first within a horizon; the change is that since
    `previous`, the leaderboard before.
    """
    times = trained_at or {}
    rows = [
        _row(scores[key], oof[key], manifests[key])
        | {
            "pbo": overfitting[manifests[key].horizon].pbo,
            "trained_at": _naive_utc(times.get(key)),
            "rank_ic_change": nan,
        }
        for key in scores
        if key in oof and key in manifests
    ]
    columns = load_contract("Leaderboard").columns
    types = {column.name: _TYPES[column.arrow_type] for column in columns}
    board = pd.DataFrame(rows, columns=list(types)).astype(types)
    ordered = board.sort_values(
        ["horizon", "rank_ic", "model"],
        ascending=[True, False, True],
        key=lambda column: column.map(horizon_days) if column.name == "horizon" else column,
        ignore_index=True,
    )
    changes = rank_ic_changes(ordered, previous)
    return ordered.assign(rank_ic_change=changes["rank_ic_change"])


def _row(scores: pd.DataFrame, oof: pd.DataFrame, manifest: "Manifest") -> dict[str, Any]:
    of_paths, facts, index = rank_ics(scores, "path"), facts_of(oof), oof.index
    assert isinstance(index, pd.MultiIndex)
    return {
        "horizon": manifest.horizon,
        "model": manifest.model,
        **overall_scores(scores),
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


def rank_ic_changes(board: pd.DataFrame, previous: pd.DataFrame | None) -> pd.DataFrame:
    """Compare a leaderboard with the one before, in the order of `board`.

    Beside rank ICs (NaN where not known) stands ``predictions_changed``: whether the predictions'
    data version differs, missing for a partition that the previous leaderboard does not have.
    """
    key, compared = ["horizon", "model"], ["rank_ic", "rank_ic_se", "data_version"]
    earlier = board.iloc[:0] if previous is None else previous
    both = board[key + compared].merge(
        earlier[key + compared], how="left", on=key, suffixes=("", "_before")
    )
    version = both["data_version_before"]
    differs = (both["data_version"] != version).astype("boolean")
    both["rank_ic_change"] = both["rank_ic"] - both["rank_ic_before"]
    both["predictions_changed"] = differs.mask(version.isna())
    return both.drop(columns=["data_version", "data_version_before", "rank_ic_se_before"])


def folds_of(oof: Mapping[str, pd.DataFrame]) -> dict[str, int]:
    """Return how many folds the splits of each partition have, from their provenance."""
    return {key: int(facts_of(frame)["n_folds"]) for key, frame in oof.items()}


def leaderboard_version(board: pd.DataFrame) -> str:
    """Digest a leaderboard, leaving out time, memory and what changed since the last one."""
    return table_digest(board.drop(columns=[*COSTS, *HISTORY]))


def has_path_range(board: pd.DataFrame) -> bool:
    """Tell whether any partition of a leaderboard has several paths that differ."""
    return bool((board["rank_ic_path_min"] < board["rank_ic_path_max"]).any())


def readable_board(board: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Return a leaderboard for people, as tables that are narrow enough for a page.

    ``scores``, ``making`` and ``details`` have horizon, model and the rounded metrics of that
    table; ``making`` also the data version (8 digits) and when the models were made.
    """
    tables: dict[str, pd.DataFrame] = {
        table: _figures(board, table) for table in ("scores", "making", "details")
    }
    tables["making"]["version"] = board["data_version"].str[:8]
    tables["making"]["trained UTC"] = times_of(board, "%Y-%m-%d %H:%M")
    return tables


def _figures(board: pd.DataFrame, table: Shown) -> pd.DataFrame:
    metrics = metrics_of(table, several_paths=has_path_range(board))
    named = {metric.numeric_heading: metric.numbers(board[metric.name]) for metric in metrics}
    return pd.DataFrame({"horizon": board["horizon"], "model": board["model"], **named})


def times_of(board: pd.DataFrame, form: str) -> list[str]:
    """Return when the models were made in a form of ``strftime``, a dash where not known."""
    return [MISSING if pd.isna(moment) else moment.strftime(form) for moment in board["trained_at"]]


def readable_changes(changes: pd.DataFrame) -> pd.DataFrame:
    """Return `rank_ic_changes` for people, with the change in standard errors."""
    rank_ic, error = METRICS["rank_ic"], METRICS["rank_ic_se"]
    shown = {
        f"{rank_ic.heading} before": rank_ic.numbers(changes["rank_ic_before"]),
        rank_ic.heading: rank_ic.numbers(changes["rank_ic"]),
        "change": rank_ic.numbers(changes["rank_ic_change"]),
        error.heading: error.numbers(changes["rank_ic_se"]),
        "change / error": (changes["rank_ic_change"] / changes["rank_ic_se"]).round(2),
        "predictions": changes["predictions_changed"].map({True: "new", False: "the same"}),
    }
    return changes[["horizon", "model"]].assign(**shown)


def numbers_of_partitions(board: pd.DataFrame) -> dict[str, float]:
    """Return the numbers that Dagster plots over time, such as ``rank_ic_21d_ridge``.

    Sizes are in 10^6 bytes; undefined numbers are left out.
    """
    numbers = {
        "rank_ic": board["rank_ic"],
        "icir": board["icir"],
        "rmse_bps": np.sqrt(board["mse"]),
        "coverage": board["coverage"],
        "seconds": board["seconds"],
        "peak_rss_mb": board["peak_rss_bytes"] / 1e6,
        "models_mb": board["models_bytes"] / 1e6,
    }
    partitions = board["horizon"] + "_" + board["model"]
    return {
        f"{name}_{partition}": float(value)
        for name, column in numbers.items()
        for partition, value in zip(partitions, column, strict=True)
        if np.isfinite(value)
    }


def by_model_and_horizon(board: pd.DataFrame, figure: str) -> pd.DataFrame:
    """Return a column as models (by name) by horizons (shortest first), NaN where missing."""
    wide = board.pivot_table(figure, "model", "horizon", aggfunc="first", dropna=False)
    horizons: list[str] = sorted(set(board["horizon"]), key=horizon_days)
    return wide[horizons]


@dataclass(frozen=True, eq=False)
class OOFCorrelation:
    """Correlations between the out-of-fold columns of partitions.

    `matrix` has partition keys as rows and columns, and NaN where no date has a correlation;
    `n_rows` and `n_dates` are those that all partitions have.
    """

    matrix: pd.DataFrame
    n_rows: int
    n_dates: int

    @property
    def mean_between(self) -> float:
        """Mean correlation of different partitions; NaN with fewer than two."""
        return mean_of_pairs(self.matrix.to_numpy())


def oof_rank_correlation(oof: Mapping[str, pd.DataFrame]) -> OOFCorrelation:
    """Correlate the out-of-fold columns of partitions with each other.

    The figure is the mean over dates of the Spearman correlation across the names of a date,
    on the rows that all partitions have. A stack of them is judged by how it ranks the names of
    a date, so what its columns add to each other is seen within dates; pooled over dates, a
    common drift of the predictions would pass for agreement.

    Parameters
    ----------
    oof : mapping of str to DataFrame
        Out-of-fold predictions by partition key, indexed by ``(instrument, datetime)``, each in
        any row order and without repeated rows; column ``prediction``, finite.

    Returns
    -------
    OOFCorrelation
        A date counts for a pair where it has at least 3 common names and neither column is
        constant.

    Examples
    --------
    >>> from model2_assets.panel import panel_index
    >>> index = panel_index(list("ABC"), ["2024-01-02"] * 3)
    >>> columns = {"21d|ridge": [1.0, 2.0, 3.0], "21d|xgboost": [1.0, 3.0, 2.0]}
    >>> oof = {key: pd.DataFrame({"prediction": x}, index=index) for key, x in columns.items()}
    >>> round(oof_rank_correlation(oof).mean_between, 6)
    0.5
    """
    if not oof:
        return OOFCorrelation(pd.DataFrame(dtype=np.float64), n_rows=0, n_dates=0)
    columns, counts = _common_rows(list(oof.values()))
    matrix = pd.DataFrame(_mean_over_dates(columns, counts), index=list(oof), columns=list(oof))
    return OOFCorrelation(matrix, n_rows=len(columns[0]), n_dates=int(np.count_nonzero(counts)))


def _common_rows(frames: Sequence[pd.DataFrame]) -> tuple[list[Values], Ints]:
    """Return each frame's predictions on the rows of all, date after date, and rows a date."""
    indexes = [index for frame in frames if isinstance(index := frame.index, pd.MultiIndex)]
    grid = Grid.of(*indexes)
    wide = [
        grid.wide(frame["prediction"], grid.cells(index))
        for frame, index in zip(frames, indexes, strict=True)
    ]
    common = np.all(np.isfinite(wide), axis=0)
    return [column[common] for column in wide], common.sum(axis=1)


def _mean_over_dates(columns: Sequence[Values], counts: Ints) -> Values:
    total = np.zeros((len(columns), len(columns)))
    dates = np.zeros_like(total)
    for chunk in chunks_of_dates(counts):
        units = np.stack([_unit_ranks(column, chunk) for column in columns], axis=1)
        enough = (chunk.names >= MIN_NAMES)[:, np.newaxis]
        varies = (np.einsum("dkn,dkn->dk", units, units) > 0) & enough
        units *= varies[:, :, np.newaxis]
        total += np.matmul(units, units.transpose(0, 2, 1)).sum(axis=0)
        dates += varies.astype(np.float64).T @ varies.astype(np.float64)
    mean = np.full_like(total, np.nan)
    np.divide(total, dates, out=mean, where=dates > 0)
    return np.clip(mean, -1.0, 1.0, out=mean)


def _unit_ranks(column: Values, chunk: Chunk) -> Values:
    """Return the centered ranks of each date, scaled to length one; zeros where they are equal."""
    middle = (chunk.names[:, np.newaxis] - 1) / 2
    centered = np.where(chunk.filled, average_ranks(chunk.lay_out(column)) - middle, 0.0)
    length = np.sqrt(np.einsum("ij,ij->i", centered, centered))[:, np.newaxis]
    return centered / np.where(length > 0, length, 1.0)
