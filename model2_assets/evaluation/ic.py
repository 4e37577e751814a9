"""Per-date information coefficients, for all dates of a panel at once."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from model2_assets.evaluation.inference import mean_ic_inference
from model2_assets.panel import date_codes, instrument_codes

_CHUNK_CELLS = 1 << 18
"""Cells of a dates by names array that fit a core's cache (2 MiB of float64)."""

Values = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Grid:
    """Dates by instruments, both ascending: a cell for every row, in canonical order.

    Values laid out on it have one cell more, which stands for rows outside, and is NaN.
    """

    dates: pd.DatetimeIndex
    instruments: pd.Index

    @classmethod
    def of(cls, *indexes: pd.MultiIndex) -> "Grid":
        """Return the grid that holds all rows of ``(instrument, datetime)`` indexes."""
        dates, names = (
            np.unique(np.concatenate([np.asarray(codes(index).values) for index in indexes]))
            for codes in (date_codes, instrument_codes)
        )
        return cls(pd.DatetimeIndex(dates, name="datetime"), pd.Index(names))

    def cells(self, index: pd.MultiIndex) -> Ints:
        """Return the cell of every row; -1, the last one, for rows outside."""
        places = []
        for name, values in (("datetime", self.dates), ("instrument", self.instruments)):
            level = index.names.index(name)
            # A missing value's code is -1 and picks the entry appended.
            found = np.append(values.get_indexer(index.levels[level]), -1)
            places.append(found[index.codes[level]])
        date, instrument = places
        outside = (date < 0) | (instrument < 0)
        return np.where(outside, -1, date * len(self.instruments) + instrument)

    def laid_out(self, values: ArrayLike, cells: Ints) -> Values:
        """Return values on the grid, NaN where there is none, shape (n_cells + 1,)."""
        wide = np.full(len(self.dates) * len(self.instruments) + 1, np.nan)
        wide[cells] = np.asarray(values, dtype=np.float64)
        wide[-1] = np.nan
        return wide

    def wide(self, values: ArrayLike, cells: Ints) -> Values:
        """Return values as dates by instruments, NaN where there is none."""
        return self.laid_out(values, cells)[:-1].reshape(len(self.dates), len(self.instruments))


@dataclass(frozen=True, eq=False)
class Chunk:
    """Dates few enough to be sorted in cache: their places, rows of each, and all their rows.

    `filled`, dates by names, tells which cells hold a row: the first of each date.
    """

    dates: slice
    names: Ints
    rows: slice
    filled: NDArray[np.bool_]

    def lay_out(self, values: Values) -> Values:
        """Return its part of values as dates by names, NaN where a date has no more names."""
        wide = np.full(self.filled.shape, np.nan)
        wide[self.filled] = values[self.rows]
        return wide


def chunks_of_dates(counts: Ints) -> Iterator[Chunk]:
    """Cut dates, whose rows are contiguous, into chunks; those without rows are left out."""
    step = max(1, _CHUNK_CELLS // max(int(counts.max(initial=0)), 1))
    last_row = np.concatenate([[0], np.cumsum(counts)])
    for first in range(0, len(counts), step):
        stop = min(first + step, len(counts))
        if last_row[stop] > last_row[first]:
            names = counts[first:stop]
            filled = np.arange(names.max())[np.newaxis, :] < names[:, np.newaxis]
            yield Chunk(slice(first, stop), names, slice(last_row[first], last_row[stop]), filled)


def rows_by_date(
    prediction: ArrayLike, realized: ArrayLike, index: pd.MultiIndex
) -> tuple[Values, Values, Ints, pd.DatetimeIndex]:
    """Return rows with both sides in canonical order, how many each date has, and the dates."""
    grid = Grid.of(index)
    cells = grid.cells(index)
    x, y = grid.wide(prediction, cells), grid.wide(realized, cells)
    known = np.isfinite(x) & np.isfinite(y)
    return x[known], y[known], known.sum(axis=1), grid.dates


def average_ranks(wide: Values) -> Values:
    """Rank each row from 0, ties sharing their average; the NaN that pad a row rank last."""
    order = np.argsort(wide, axis=1)
    values = np.take_along_axis(wide, order, axis=1)
    column = np.arange(wide.shape[1])
    changes = values[:, 1:] != values[:, :-1]
    edge = np.ones((len(wide), 1), dtype=bool)
    first = np.where(np.hstack([edge, changes]), column, 0)
    last = np.where(np.hstack([changes, edge]), column, wide.shape[1])
    np.maximum.accumulate(first, axis=1, out=first)
    np.minimum.accumulate(last[:, ::-1], axis=1, out=last[:, ::-1])
    ranks = np.empty_like(wide)
    np.put_along_axis(ranks, order, (first + last) / 2, axis=1)
    return ranks


MIN_NAMES = 3
"""Fewest names of a date with a correlation: two always correlate by plus or minus one."""


def daily_ic(prediction: ArrayLike, realized: ArrayLike, index: pd.MultiIndex) -> pd.DataFrame:
    """Correlate predictions with realized returns across the instruments of every date.

    Rows are laid out as dates by names a chunk of dates at a time, so sorting stays in cache
    and nothing is called per date.

    Parameters
    ----------
    prediction, realized : array-like of shape (n_rows,), float
        In the order of `index`; bps, though the unit does not matter. Rows where either is
        not finite are left out. What was realized is given by `labels.realized_returns`:
        winsorized labels tie.
    index : MultiIndex of shape (n_rows,)
        Levels ``(instrument, datetime)``, in any row order; no row twice.

    Returns
    -------
    DataFrame of shape (n_dates, 3)
        Indexed by ``datetime``, ascending. ``ic``: Pearson correlation; ``rank_ic``:
        Spearman correlation, ties sharing their average rank; ``n`` int64: names. Both
        correlations are NaN on dates with fewer than 3 names or with a constant side.

    Examples
    --------
    >>> from model2_assets.panel import panel_index
    >>> index = panel_index(list("ABC"), ["2024-01-02"] * 3)
    >>> daily_ic([1.0, 2.0, 3.0], [10.0, 20.0, 90.0], index)["rank_ic"].tolist()
    [1.0]
    """
    x, y, counts, dates = rows_by_date(prediction, realized, index)
    ic, rank_ic = correlate_dates(x, y, counts)
    return pd.DataFrame({"ic": ic, "rank_ic": rank_ic, "n": counts}, index=dates)


def correlate_dates(x: Values, y: Values, counts: Ints) -> tuple[Values, Values]:
    """Return Pearson and Spearman correlations of every date, NaN where undefined.

    `x` and `y` are finite, date after date; `counts` are the rows of every date.
    """
    ic, rank_ic = np.full((2, len(counts)), np.nan)
    for chunk in chunks_of_dates(counts):
        a, b = chunk.lay_out(x), chunk.lay_out(y)
        ic[chunk.dates] = _correlate(a, b, chunk.filled)
        rank_ic[chunk.dates] = _correlate(average_ranks(a), average_ranks(b), chunk.filled)
    return ic, rank_ic


def _correlate(a: Values, b: Values, filled: NDArray[np.bool_]) -> Values:
    """Return the Pearson correlation of each row pair over its filled cells."""
    counts = filled.sum(axis=1)
    a, a_varies = _standardize(a, filled, counts)
    b, b_varies = _standardize(b, filled, counts)
    scale = np.sqrt(np.einsum("ij,ij->i", a, a) * np.einsum("ij,ij->i", b, b))
    defined = (counts >= MIN_NAMES) & a_varies & b_varies
    products = np.einsum("ij,ij->i", a, b)
    correlation = np.full(len(a), np.nan)
    np.divide(products, scale, out=correlation, where=defined)
    return np.clip(correlation, -1.0, 1.0, out=correlation)


def _standardize(
    wide: Values, filled: NDArray[np.bool_], counts: Ints
) -> tuple[Values, NDArray[np.bool_]]:
    """Center each row and scale it to 1 at most, so that no square overflows or vanishes."""
    low = np.where(filled, wide, np.inf).min(axis=1)
    high = np.where(filled, wide, -np.inf).max(axis=1)
    varies = high > low
    scaled = np.where(filled, wide, 0.0) / _largest(np.maximum(abs(low), abs(high)), varies)
    mean = scaled.sum(axis=1) / np.maximum(counts, 1)
    centered = np.where(filled, scaled - mean[:, np.newaxis], 0.0)
    return centered / _largest(np.abs(centered).max(axis=1), varies), varies


def _largest(magnitude: Values, varies: NDArray[np.bool_]) -> Values:
    return np.where(varies & (magnitude > 0), magnitude, 1.0)[:, np.newaxis]


def fold_rank_ic(oof: pd.DataFrame, realized: pd.Series, *, lag: int) -> pd.DataFrame:
    """Return first and last date of every fold and the `mean_ic_inference` of its daily rank IC.

    `realized` are returns in the order of `oof`.
    """
    folds = {}
    for fold, part in oof.assign(realized=realized.to_numpy()).groupby("fold_id"):
        index = part.index
        assert isinstance(index, pd.MultiIndex)
        daily = daily_ic(part["prediction"], part["realized"], index)["rank_ic"]
        first, last = daily.index[[0, -1]]
        found = asdict(mean_ic_inference(daily, lag=lag))
        folds[fold] = {"first_date": first, "last_date": last, **found}
    return pd.DataFrame.from_dict(folds, orient="index").rename_axis("fold_id")
