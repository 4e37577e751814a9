"""Per-date information coefficients, for all dates of a panel at once."""

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from model2_assets.evaluation._date_blocks import (
    Values,
    average_ranks,
    chunks_of_dates,
    filled_cells,
    lay_out,
)
from model2_assets.panel import date_codes

MIN_NAMES = 3
"""Fewest names of a date with a correlation: two always correlate by plus or minus one."""


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
    counts = np.bincount(codes, minlength=len(dates.values)).astype(np.int64)
    ic, rank_ic = correlate_dates(x, y, counts)
    return pd.DataFrame(
        {"ic": ic, "rank_ic": rank_ic, "n": counts},
        index=pd.DatetimeIndex(dates.values, name="datetime"),
    )


def correlate_dates(x: Values, y: Values, counts: NDArray[np.int64]) -> tuple[Values, Values]:
    """Correlate two columns over the rows of every date.

    Parameters
    ----------
    x, y : ndarray of shape (n_rows,), float64
        Finite values, date after date.
    counts : ndarray of shape (n_dates,), int64
        Rows of every date.

    Returns
    -------
    ic, rank_ic : ndarray of shape (n_dates,), float64
        Pearson and Spearman correlations, NaN where undefined.
    """
    ic, rank_ic = np.full((2, len(counts)), np.nan)
    for dates, names, rows in chunks_of_dates(counts):
        filled = filled_cells(names)
        a, b = lay_out(x[rows], filled), lay_out(y[rows], filled)
        ic[dates] = _correlate(a, b, filled)
        rank_ic[dates] = _correlate(average_ranks(a), average_ranks(b), filled)
    return ic, rank_ic


def _by_date(
    codes: NDArray[np.int64], x: Values, y: Values, usable: NDArray[np.bool_]
) -> tuple[NDArray[np.int64], Values, Values]:
    if not usable.all():
        codes, x, y = codes[usable], x[usable], y[usable]
    if np.any(codes[1:] < codes[:-1]):
        order = np.argsort(codes, kind="stable")
        codes, x, y = codes[order], x[order], y[order]
    return codes, x, y


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
    wide: Values, filled: NDArray[np.bool_], counts: NDArray[np.int64]
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
