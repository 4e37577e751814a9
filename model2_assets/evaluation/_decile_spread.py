"""What the highest ranked names of a date earn over the lowest ranked."""

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from model2_assets.evaluation._date_blocks import (
    Values,
    chunks_of_dates,
    filled_cells,
    lay_out,
)
from model2_assets.panel import date_codes, instrument_codes

MOST_QUANTILES = 10
"""Quantiles of a date with enough names: deciles."""

NAMES_A_QUANTILE = 5
"""Names that a quantile needs; a date with fewer than twice as many has no spread."""


def decile_spread(prediction: ArrayLike, label: ArrayLike, index: pd.MultiIndex) -> pd.Series:
    """Return the mean label of each date's top quantile less that of its bottom quantile.

    A date of n names has q = min(10, n // 5) quantiles: deciles from 50 names on, halves of
    10. The top and the bottom quantile both have n // q names, so the spread changes sign
    with the predictions. It is gross of all costs, and of labels as they are: winsorized ones
    give a smaller spread than could be earned.

    Parameters
    ----------
    prediction, label : array-like of shape (n_rows,), float
        In the order of `index`, label in bps. Rows where either is not finite are left out.
    index : MultiIndex of shape (n_rows,)
        Levels ``(instrument, datetime)``, in any row order. Equal predictions of a date rank
        in the order of their instruments' names.

    Returns
    -------
    Series of shape (n_dates,), float64
        In bps, indexed by ``datetime``, ascending. NaN on dates of fewer than 10 names, and
        where all predictions are equal: there, names alone would rank.

    Examples
    --------
    >>> index = pd.MultiIndex.from_product(
    ...     [list("ABCDEFGHIJ"), pd.to_datetime(["2024-01-02"])], names=["instrument", "datetime"]
    ... )
    >>> decile_spread(range(10), [0.0] * 5 + [30.0] * 5, index).tolist()
    [30.0]
    """
    dates = date_codes(index)
    x = np.asarray(prediction, dtype=np.float64)
    y = np.asarray(label, dtype=np.float64)
    order = np.lexsort((instrument_codes(index).codes, dates.codes))
    order = order[(np.isfinite(x) & np.isfinite(y))[order]]
    counts = np.bincount(dates.codes[order], minlength=len(dates.values)).astype(np.int64)
    return pd.Series(
        spread_dates(x[order], y[order], counts),
        index=pd.DatetimeIndex(dates.values, name="datetime"),
        name="decile_spread",
    )


def spread_dates(prediction: Values, label: Values, counts: NDArray[np.int64]) -> Values:
    """Return the spread of every date, as `decile_spread`.

    Parameters
    ----------
    prediction, label : ndarray of shape (n_rows,), float64
        Finite values, date after date, and by instrument within a date.
    counts : ndarray of shape (n_dates,), int64
        Rows of every date.

    Returns
    -------
    ndarray of shape (n_dates,), float64
        In the label's unit.
    """
    spread = np.full(len(counts), np.nan)
    for dates, names, rows in chunks_of_dates(counts):
        filled = filled_cells(names)
        x, y = lay_out(prediction[rows], filled), lay_out(label[rows], filled)
        order = np.argsort(x, axis=1, kind="stable")
        ranked = np.take_along_axis(x, order, axis=1)
        quantiles = np.minimum(MOST_QUANTILES, names // NAMES_A_QUANTILE)
        size = names // np.maximum(quantiles, 1)
        varies = ranked[:, 0] < ranked[np.arange(len(names)), np.maximum(names, 1) - 1]
        defined = (quantiles >= 2) & varies
        place = np.arange(filled.shape[1])[np.newaxis, :]
        sorted_labels = np.where(filled, np.take_along_axis(y, order, axis=1), 0.0)
        bottom = (place < size[:, np.newaxis]) * sorted_labels
        top = (place >= (names - size)[:, np.newaxis]) * sorted_labels
        difference = top.sum(axis=1) - bottom.sum(axis=1)
        chunk = np.full(len(names), np.nan)
        spread[dates] = np.divide(difference, size, out=chunk, where=defined)
    return spread
