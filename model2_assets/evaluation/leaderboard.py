"""Every model and horizon of a region, side by side."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from math import nan
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from model2_assets.evaluation.ic import (
    MIN_NAMES,
    Values,
    average_ranks,
    chunks_of_dates,
    filled_cells,
    lay_out,
)
from model2_assets.evaluation.metrics import FIGURES, GROUPS, times
from model2_assets.evaluation.overfitting import HorizonOverfitting
from model2_assets.evaluation.quantiles import top_quantile_turnover
from model2_assets.storage.data_version import table_digest
from model2_assets.storage.provenance import data_version_of, facts_of

if TYPE_CHECKING:
    from model2_assets.storage.models import Manifest


CHANGE_COLUMNS = (
    "horizon",
    "model",
    "rank_ic_before",
    "rank_ic",
    "rank_ic_change",
    "rank_ic_se",
    "predictions_changed",
)


def rank_ic_changes(board: pd.DataFrame, previous: pd.DataFrame | None) -> pd.DataFrame:
    """Compare a leaderboard with the one before.

    Parameters
    ----------
    board : DataFrame of shape (n_partitions, n_columns)
        The new leaderboard: ``horizon``, ``model``, ``rank_ic``, ``rank_ic_se``,
        ``data_version``.
    previous : DataFrame of shape (n_previous, n_columns) or None
        The one before, in any row order; None where there is none.

    Returns
    -------
    DataFrame of shape (n_partitions, 7)
        In the order of `board`: ``horizon``, ``model``, ``rank_ic_before``, ``rank_ic``,
        ``rank_ic_change``, ``rank_ic_se`` (float64, NaN where not known) and
        ``predictions_changed``: whether the data version of the predictions differs, missing
        (boolean) for a partition that the previous leaderboard does not have.
    """
    key = ["horizon", "model"]
    changes = board[[*key, "rank_ic", "rank_ic_se", "data_version"]].reset_index(drop=True)
    if previous is None:
        before = pd.Series(nan, index=changes.index)
        version = pd.Series(pd.NA, index=changes.index, dtype="str")
    else:
        earlier = previous.set_index(key).reindex(pd.MultiIndex.from_frame(changes[key]))
        before = earlier["rank_ic"].reset_index(drop=True)
        version = earlier["data_version"].reset_index(drop=True)
    differs = (changes["data_version"] != version).astype("boolean")
    changes["rank_ic_before"] = before.astype("float64")
    changes["rank_ic_change"] = changes["rank_ic"] - changes["rank_ic_before"]
    changes["predictions_changed"] = differs.mask(version.isna())
    return changes[list(CHANGE_COLUMNS)]


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


Names = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class OOFCorrelation:
    """Correlations between the out-of-fold columns of partitions.

    Attributes
    ----------
    matrix : DataFrame of shape (n_partitions, n_partitions), float64
        Rows and columns are partition keys in the order given. NaN where no date has a
        correlation.
    n_rows : int
        Rows that all partitions have.
    n_dates : int
        Their dates.
    """

    matrix: pd.DataFrame
    n_rows: int
    n_dates: int

    @property
    def mean_between(self) -> float:
        """Mean correlation of different partitions; NaN with fewer than two."""
        values = self.matrix.to_numpy()
        between = values[np.triu_indices(len(values), k=1)]
        between = between[np.isfinite(between)]
        return float(between.mean()) if len(between) else nan


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
    >>> index = pd.MultiIndex.from_product(
    ...     [list("ABC"), pd.to_datetime(["2024-01-02"])], names=["instrument", "datetime"]
    ... )
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


def _common_rows(frames: Sequence[pd.DataFrame]) -> tuple[list[Values], Names]:
    """Return each frame's predictions on the rows of all, date after date, and rows a date."""
    dates, instruments = (_union(frames, name) for name in ("datetime", "instrument"))
    cells = [_cells(frame, dates, instruments) for frame in frames]
    holders = np.zeros(len(dates) * len(instruments), dtype=np.int16)
    for cell in cells:
        holders[cell] += 1
    common = np.flatnonzero(holders == len(frames))
    columns = []
    wide = np.empty(len(holders))
    for frame, cell in zip(frames, cells, strict=True):
        wide[cell] = frame["prediction"].to_numpy(np.float64)
        columns.append(wide[common])
    counts = np.bincount(common // max(len(instruments), 1), minlength=len(dates))
    return columns, counts.astype(np.int64)


def _union(frames: Sequence[pd.DataFrame], level: str) -> pd.Index:
    """Return every value of an index level, ascending; unused values of a level do no harm."""
    values = []
    for frame in frames:
        assert isinstance(frame.index, pd.MultiIndex)
        values.append(np.asarray(frame.index.levels[frame.index.names.index(level)]))
    distinct: pd.Index = pd.Index(np.unique(np.concatenate(values)))
    return distinct


def _cells(frame: pd.DataFrame, dates: pd.Index, instruments: pd.Index) -> Names:
    """Return each row's place in a table of dates by instruments."""
    index = frame.index
    assert isinstance(index, pd.MultiIndex)
    date, instrument = (index.names.index(name) for name in ("datetime", "instrument"))
    first = dates.get_indexer(pd.Index(np.asarray(index.levels[date]))) * len(instruments)
    column = instruments.get_indexer(pd.Index(np.asarray(index.levels[instrument])))
    places: Names = first[index.codes[date]] + column[index.codes[instrument]]
    return places


def _mean_over_dates(columns: Sequence[Values], counts: Names) -> Values:
    total = np.zeros((len(columns), len(columns)))
    dates = np.zeros_like(total)
    for _, names, rows in chunks_of_dates(counts):
        filled = filled_cells(names)
        ranks = [_unit_ranks(lay_out(column[rows], filled), filled) for column in columns]
        units = np.stack(ranks, axis=1)
        varies = (np.einsum("dkn,dkn->dk", units, units) > 0) & (names >= MIN_NAMES)[:, np.newaxis]
        units *= varies[:, :, np.newaxis]
        total += np.matmul(units, units.transpose(0, 2, 1)).sum(axis=0)
        dates += varies.astype(np.float64).T @ varies.astype(np.float64)
    mean = np.full_like(total, np.nan)
    np.divide(total, dates, out=mean, where=dates > 0)
    return np.clip(mean, -1.0, 1.0, out=mean)


def _unit_ranks(wide: Values, filled: NDArray[np.bool_]) -> Values:
    """Return the centered ranks of each date, scaled to length one; zeros where they are equal."""
    names = filled.sum(axis=1)[:, np.newaxis]
    centered = np.where(filled, average_ranks(wide) - (names - 1) / 2, 0.0)
    length = np.sqrt(np.einsum("ij,ij->i", centered, centered))[:, np.newaxis]
    return centered / np.where(length > 0, length, 1.0)


_VERSION_DIGITS = 8


def readable_board(board: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Return a leaderboard for people, as tables that are narrow enough for a page.

    Parameters
    ----------
    board : DataFrame of shape (n_partitions, n_columns)
        The leaderboard.

    Returns
    -------
    dict of str to DataFrame of shape (n_partitions, n_headings)
        ``scores``, ``making`` and ``details``: columns ``horizon``, ``model``, and a rounded one
        for each of `FIGURES` of that group; those of paths only where there are several.
        ``making`` also says the data version (8 digits) and when the models were made (text,
        UTC).
    """
    tables: dict[str, pd.DataFrame] = {group: _figures(board, group) for group in GROUPS}
    tables["making"]["version"] = board["data_version"].str[:_VERSION_DIGITS]
    tables["making"]["trained UTC"] = times(board["trained_at"], "%Y-%m-%d %H:%M")
    return tables


def _figures(board: pd.DataFrame, group: str) -> pd.DataFrame:
    several_paths = bool((board["rank_ic_path_min"] < board["rank_ic_path_max"]).any())
    named = {
        figure.title: figure.numbers(board)
        for figure in FIGURES
        if figure.group == group and (several_paths or not figure.of_paths)
    }
    return pd.DataFrame({"horizon": board["horizon"], "model": board["model"], **named})


def readable_changes(changes: pd.DataFrame) -> pd.DataFrame:
    """Return what became of every rank IC, for people.

    Parameters
    ----------
    changes : DataFrame of shape (n_partitions, n_columns)
        From `rank_ic_changes`.

    Returns
    -------
    DataFrame of shape (n_partitions, 7)
        Figures to four digits after the point; ``change / error`` to two.
    """
    named = {
        "rank_ic_before": "rank IC before",
        "rank_ic": "rank IC",
        "rank_ic_change": "change",
        "rank_ic_se": "std. error",
    }
    table = changes[["horizon", "model", *named]].round(4).rename(columns=named)
    ratio = (changes["rank_ic_change"] / changes["rank_ic_se"]).round(2)
    predictions = changes["predictions_changed"].map({True: "new", False: "the same"})
    return table.assign(**{"change / error": ratio, "predictions": predictions})


def numbers_of_partitions(board: pd.DataFrame) -> dict[str, float]:
    """Return the numbers of every model and horizon under names that stay.

    Parameters
    ----------
    board : DataFrame of shape (n_partitions, n_columns)
        The leaderboard.

    Returns
    -------
    dict of str to float
        Such as ``rank_ic_21d_ridge``: ``rank_ic``, ``icir``, ``rmse_bps``, ``coverage``,
        ``seconds``, ``peak_rss_mb`` and ``models_mb`` (10^6 bytes); undefined ones left out.
    """
    numbers = pd.DataFrame(
        {
            "rank_ic": board["rank_ic"],
            "icir": board["icir"],
            "rmse_bps": np.sqrt(board["mse"]),
            "coverage": board["coverage"],
            "seconds": board["seconds"],
            "peak_rss_mb": board["peak_rss_bytes"] / 1e6,
            "models_mb": board["models_bytes"] / 1e6,
        }
    )
    partitions = board["horizon"] + "_" + board["model"]
    return {
        f"{name}_{partition}": float(value)
        for name, column in numbers.items()
        for partition, value in zip(partitions, column, strict=True)
        if np.isfinite(value)
    }


def by_model_and_horizon(board: pd.DataFrame, figure: str) -> pd.DataFrame:
    """Return one figure of every model and horizon as a matrix.

    Parameters
    ----------
    board : DataFrame of shape (n_partitions, n_columns)
        The leaderboard.
    figure : str
        One of its columns of numbers, such as ``rank_ic``.

    Returns
    -------
    DataFrame of shape (n_models, n_horizons), float64
        Models by name, horizons from the shortest; NaN where a partition is missing.
    """
    horizons = sorted(set(board["horizon"]), key=lambda name: int(name.removesuffix("d")))
    wide = board.pivot_table(
        index="model", columns="horizon", values=figure, aggfunc="first", dropna=False
    )
    return wide.reindex(index=sorted(set(board["model"])), columns=horizons)
