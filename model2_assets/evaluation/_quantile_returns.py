"""What names earned, by the quantile of their prediction among those of the date."""

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from model2_assets.evaluation._date_blocks import Values
from model2_assets.evaluation._decile_spread import MOST_QUANTILES, NAMES_A_QUANTILE
from model2_assets.evaluation._newey_west import mean_ic_inference
from model2_assets.panel import date_codes, instrument_codes

_Ints = NDArray[np.int64]


def quantile_returns(prediction: ArrayLike, label: ArrayLike, index: pd.MultiIndex) -> pd.DataFrame:
    """Return the mean label of every quantile of the predictions, date by date.

    All dates have the same number of quantiles, q = min(10, n // 5) for the median number n
    of names a date, so that means over dates are of comparable quantiles. On a date of m
    names the lowest and the highest quantile have m // q names, and the others share those
    between as evenly as can be (of two halves, an odd name in the middle is in neither). So
    where a date's own min(10, m // 5) is q, the highest less the lowest is its
    `decile_spread`. Gross of all costs, and of labels as they are.

    Parameters
    ----------
    prediction, label : array-like of shape (n_rows,), float
        In the order of `index`, label in bps. Rows where either is not finite are left out.
    index : MultiIndex of shape (n_rows,)
        Levels ``(instrument, datetime)``, in any row order. Equal predictions of a date rank
        in the order of their instruments' names.

    Returns
    -------
    DataFrame of shape (n_dates, q), float64
        In bps, indexed by ``datetime``, ascending; columns ``1`` (lowest predictions) to
        ``q``. NaN on dates of fewer than q names, and where all predictions are equal:
        there, names alone would rank. No columns where q is below 2.

    Examples
    --------
    >>> index = pd.MultiIndex.from_product(
    ...     [list("ABCDEFGHIJ"), pd.to_datetime(["2024-01-02"])], names=["instrument", "datetime"]
    ... )
    >>> quantile_returns(range(10), [0.0] * 5 + [30.0] * 5, index).to_numpy().tolist()
    [[0.0, 30.0]]
    """
    dates = date_codes(index)
    x = np.asarray(prediction, dtype=np.float64)
    y = np.asarray(label, dtype=np.float64)
    order = np.lexsort((instrument_codes(index).codes, x, dates.codes))
    order = order[(np.isfinite(x) & np.isfinite(y))[order]]
    date, x, y = dates.codes[order], x[order], y[order]
    names = np.bincount(date, minlength=len(dates.values)).astype(np.int64)
    count = _number_of_quantiles(names)
    means = np.full((len(names), count), np.nan)
    if count and len(date):
        quantile = _quantiles(_places(names), names[date], count)
        filled = (quantile >= 0) & (_varies(date, x, names) & (names >= count))[date]
        cell = (date * count + quantile)[filled]
        sums = np.bincount(cell, weights=y[filled], minlength=means.size)
        sizes = np.bincount(cell, minlength=means.size)
        np.divide(sums, sizes, out=means.reshape(-1), where=sizes > 0)
    return pd.DataFrame(
        means,
        index=pd.DatetimeIndex(dates.values, name="datetime"),
        columns=pd.RangeIndex(1, count + 1, name="quantile"),
    )


def mean_quantile_returns(returns: pd.DataFrame, *, lag: int) -> pd.DataFrame:
    """Return the mean over dates of every quantile's label, with its standard error.

    Parameters
    ----------
    returns : DataFrame of shape (n_dates, n_quantiles), float
        As `quantile_returns` returns it, bps.
    lag : int
        Dates over which neighbouring labels are correlated; see `mean_ic_inference`.

    Returns
    -------
    DataFrame of shape (n_quantiles, 2), float64
        ``mean`` and its Newey-West ``standard_error``, bps, indexed by ``quantile``; NaN
        where undefined.
    """
    found = [mean_ic_inference(returns[name], lag=lag) for name in returns.columns]
    return pd.DataFrame(
        {
            "mean": [each.mean for each in found],
            "standard_error": [each.standard_error for each in found],
        },
        index=returns.columns,
        dtype=np.float64,
    )


def _number_of_quantiles(names: _Ints) -> int:
    named = names[names > 0]
    count = min(MOST_QUANTILES, int(np.median(named)) // NAMES_A_QUANTILE) if len(named) else 0
    return count if count >= 2 else 0


def _places(names: _Ints) -> _Ints:
    """Return the place of every row within its date, from 0."""
    first = np.repeat(np.cumsum(names) - names, names)
    return np.arange(len(first)) - first


def _quantiles(place: _Ints, names: _Ints, count: int) -> _Ints:
    """Return the quantile of every row, from 0; -1 for a name between two halves."""
    size = names // count
    between = np.maximum(names - 2 * size, 1)
    inner = 1 + (place - size) * (count - 2) // between if count > 2 else np.full_like(place, -1)
    return np.where(place < size, 0, np.where(place >= names - size, count - 1, inner))


def _varies(date: _Ints, ranked: Values, names: _Ints) -> NDArray[np.bool_]:
    """Tell for every date whether its predictions, in ascending order, differ."""
    last = np.cumsum(names) - 1
    first = last - names + 1
    varies = np.zeros(len(names), dtype=bool)
    there = np.unique(date)
    varies[there] = ranked[first[there]] < ranked[last[there]]
    return varies
