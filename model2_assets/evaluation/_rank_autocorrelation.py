"""How much of a date's ranking is left some dates later."""

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from model2_assets.errors import Model2Error
from model2_assets.evaluation._metrics import correlate_dates
from model2_assets.panel import date_codes, instrument_codes


def rank_autocorrelation(prediction: ArrayLike, index: pd.MultiIndex, *, lag: int) -> pd.Series:
    """Return the Spearman correlation of each date's predictions with those `lag` dates before.

    It is taken over the instruments that have a prediction on both dates, and ranks them among
    themselves. One means that the ranking stood still. Out-of-fold predictions of neighbouring
    folds come from different models, so dates just after a fold's first are low by that too.

    Parameters
    ----------
    prediction : array-like of shape (n_rows,), float
        In the order of `index`; rows that are not finite are left out.
    index : MultiIndex of shape (n_rows,)
        Levels ``(instrument, datetime)``, in any row order; an instrument is there at most
        once a date.
    lag : int
        Distance in dates of `index`, 1 or more.

    Returns
    -------
    Series of shape (n_dates,), float64
        Indexed by ``datetime``, ascending. NaN on the first `lag` dates, with fewer than 3
        common instruments, and where one side is constant.

    Raises
    ------
    Model2Error
        If `lag` is not a whole number of at least 1.

    Examples
    --------
    >>> index = pd.MultiIndex.from_product(
    ...     [["A", "B", "C"], pd.to_datetime(["2024-01-02", "2024-01-03"])],
    ...     names=["instrument", "datetime"],
    ... )
    >>> rank_autocorrelation([1.0, 3.0, 2.0, 2.0, 3.0, 1.0], index, lag=1).tolist()
    [nan, -1.0]
    """
    if isinstance(lag, bool) or not isinstance(lag, int | np.integer) or lag < 1:
        raise Model2Error(f"lag must be a number of dates, 1 or more, got {lag!r}")
    dates, instruments = date_codes(index), instrument_codes(index)
    wide = np.full((len(dates.values), len(instruments.values)), np.nan)
    wide[dates.codes, instruments.codes] = np.asarray(prediction, dtype=np.float64)
    now, before = wide[lag:], wide[:-lag]
    common = np.isfinite(now) & np.isfinite(before)
    counts = common.sum(axis=1).astype(np.int64)
    correlation = np.full(len(wide), np.nan)
    if len(counts):
        correlation[lag:] = correlate_dates(now[common], before[common], counts)[1]
    return pd.Series(
        correlation,
        index=pd.DatetimeIndex(dates.values, name="datetime"),
        name="rank_autocorrelation",
    )
