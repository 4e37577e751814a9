"""Per-date information coefficients, for all dates of a panel at once."""

from collections.abc import Iterator

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from model2_assets.panel import date_codes

MIN_NAMES = 3
"""Fewest names of a date with a correlation: two always correlate by plus or minus one."""

_CHUNK_CELLS = 1 << 18
"""Cells of a dates by names array that fit a core's cache (2 MiB of float64)."""

Wide = NDArray[np.float64]


def daily_ic(prediction: ArrayLike, label: ArrayLike, index: pd.MultiIndex) -> pd.DataFrame:
    """Correlate predictions with labels across the instruments of every date.

    Rows are laid out as dates by names a chunk of dates at a time, so sorting stays in cache
    and nothing is called per date.

    Parameters
    ----------
    prediction, label : array-like of shape (n_rows,), float
        In the order of `index`; bps, though the unit does not matter. Rows where either is
        not finite are left out.
    index : MultiIndex of shape (n_rows,)
        Levels ``(instrument, datetime)``, in any row order.

    Returns
    -------
    DataFrame of shape (n_dates, 3)
        Indexed by ``datetime``, ascending. ``ic``: Pearson correlation; ``rank_ic``:
        Spearman correlation, ties sharing their average rank; ``n`` int64: names. Both
        correlations are NaN on dates with fewer than 3 names or with a constant side.

    Examples
    --------
    >>> index = pd.MultiIndex.from_product(
    ...     [["A", "B", "C"], pd.to_datetime(["2024-01-02"])], names=["instrument", "datetime"]
    ... )
    >>> daily_ic([1.0, 2.0, 3.0], [10.0, 20.0, 90.0], index)["rank_ic"].tolist()
    [1.0]
    """
    dates = date_codes(index)
    x = np.asarray(prediction, dtype=np.float64)
    y = np.asarray(label, dtype=np.float64)
    usable = np.isfinite(x) & np.isfinite(y)
    codes, x, y = _by_date(dates.codes, x, y, usable)
    counts = np.bincount(codes, minlength=len(dates.values))
    ic, rank_ic = np.full((2, len(counts)), np.nan)
    for chunk, names, rows in _chunks(counts):
        filled = np.arange(names.max())[np.newaxis, :] < names[:, np.newaxis]
        a, b = _spread(x[rows], filled), _spread(y[rows], filled)
        ic[chunk] = _correlate(a, b, filled)
        rank_ic[chunk] = _correlate(_average_ranks(a), _average_ranks(b), filled)
    return pd.DataFrame(
        {"ic": ic, "rank_ic": rank_ic, "n": counts.astype(np.int64)},
        index=pd.DatetimeIndex(dates.values, name="datetime"),
    )


def _by_date(
    codes: NDArray[np.int64], x: Wide, y: Wide, usable: NDArray[np.bool_]
) -> tuple[NDArray[np.int64], Wide, Wide]:
    if not usable.all():
        codes, x, y = codes[usable], x[usable], y[usable]
    if np.any(codes[1:] < codes[:-1]):
        order = np.argsort(codes, kind="stable")
        codes, x, y = codes[order], x[order], y[order]
    return codes, x, y


def _chunks(counts: NDArray[np.int64]) -> Iterator[tuple[slice, NDArray[np.int64], slice]]:
    """Yield runs of dates, their numbers of names, and their rows."""
    step = max(1, _CHUNK_CELLS // max(int(counts.max(initial=0)), 1))
    last_row = np.concatenate([[0], np.cumsum(counts)])
    for first in range(0, len(counts), step):
        stop = min(first + step, len(counts))
        if last_row[stop] > last_row[first]:
            yield slice(first, stop), counts[first:stop], slice(last_row[first], last_row[stop])


def _spread(values: Wide, filled: NDArray[np.bool_]) -> Wide:
    wide = np.full(filled.shape, np.nan)
    wide[filled] = values
    return wide


def _average_ranks(wide: Wide) -> Wide:
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


def _correlate(a: Wide, b: Wide, filled: NDArray[np.bool_]) -> NDArray[np.float64]:
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
    wide: Wide, filled: NDArray[np.bool_], counts: NDArray[np.int64]
) -> tuple[Wide, NDArray[np.bool_]]:
    """Center each row and scale it to 1 at most, so that no square overflows or vanishes."""
    low = np.where(filled, wide, np.inf).min(axis=1)
    high = np.where(filled, wide, -np.inf).max(axis=1)
    varies = high > low
    scaled = np.where(filled, wide, 0.0) / _largest(np.maximum(abs(low), abs(high)), varies)
    mean = scaled.sum(axis=1) / np.maximum(counts, 1)
    centered = np.where(filled, scaled - mean[:, np.newaxis], 0.0)
    return centered / _largest(np.abs(centered).max(axis=1), varies), varies


def _largest(magnitude: NDArray[np.float64], varies: NDArray[np.bool_]) -> Wide:
    return np.where(varies & (magnitude > 0), magnitude, 1.0)[:, np.newaxis]
