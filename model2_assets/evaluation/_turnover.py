"""How much of the top quantile is replaced from one date to the next."""

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from model2_assets.errors import Model2Error
from model2_assets.evaluation._date_blocks import Values, chunks_of_dates, filled_cells, lay_out
from model2_assets.evaluation._decile_spread import MOST_QUANTILES, NAMES_A_QUANTILE
from model2_assets.panel import date_codes, instrument_codes


def top_quantile_turnover(
    prediction: ArrayLike, index: pd.MultiIndex, *, period_dates: int = 1
) -> pd.Series:
    """Return the share of each date's top quantile that was not in the one before it.

    Quantiles are those of `decile_spread`: a date of n names has q = min(10, n // 5), and the
    top one has n // q names. A name that the earlier date did not have counts as new. The
    definition is that of alphalens' ``quantile_turnover`` for the highest quantile [1]_.

    Parameters
    ----------
    prediction : array-like of shape (n_rows,), float
        In the order of `index`, in any unit. Rows that are not finite are left out.
    index : MultiIndex of shape (n_rows,)
        Levels ``(instrument, datetime)``, in any row order, no row twice. Equal predictions of
        a date rank in the order of their instruments' names.
    period_dates : int, default 1
        Dates of the index between the two quantiles compared.

    Returns
    -------
    Series of shape (n_dates,), float64
        Between 0 (all names held) and 1 (all replaced), indexed by ``datetime``, ascending.
        NaN on the first `period_dates` dates, and where either date has fewer than 10 names or
        equal predictions only: there, names alone would rank.

    Raises
    ------
    Model2Error
        If `period_dates` is not a positive integer.

    References
    ----------
    .. [1] Quantopian Inc., alphalens, ``alphalens.performance.quantile_turnover``.

    Examples
    --------
    >>> index = pd.MultiIndex.from_product(
    ...     [list("ABCDEFGHIJ"), pd.to_datetime(["2024-01-02", "2024-01-03"])],
    ...     names=["instrument", "datetime"],
    ... )
    >>> first, second = range(10), [9, 1, 2, 3, 4, 5, 6, 7, 8, 0]
    >>> prediction = [value for pair in zip(first, second) for value in pair]
    >>> top_quantile_turnover(prediction, index).tolist()
    [nan, 0.2]
    """
    whole = isinstance(period_dates, int | np.integer) and not isinstance(period_dates, bool)
    if not whole or period_dates < 1:
        raise Model2Error(f"period_dates must be a number of dates, 1 or more, got {period_dates}")
    dates, instruments = date_codes(index), instrument_codes(index)
    width = len(instruments.values)
    cells = np.full(len(dates.values) * width, np.nan)
    cells[dates.codes * width + instruments.codes] = np.asarray(prediction, dtype=np.float64)
    members = _top_quantiles(cells.reshape(len(dates.values), width))
    return pd.Series(
        _replaced(members, period_dates),
        index=pd.DatetimeIndex(dates.values, name="datetime"),
        name="top_quantile_turnover",
    )


def _top_quantiles(predictions: Values) -> NDArray[np.bool_]:
    """Return who is in the top quantile of every date, shape (n_dates, n_instruments).

    A date without quantiles has no members.
    """
    members = np.zeros(predictions.shape, dtype=bool)
    finite = np.isfinite(predictions)
    rows_of_all, instrument_of_all = np.nonzero(finite)
    values = predictions[finite]
    for _, names, rows in chunks_of_dates(finite.sum(axis=1)):
        filled = filled_cells(names)
        wide = lay_out(values[rows], filled)
        order = np.argsort(wide, axis=1, kind="stable")
        ranked = np.take_along_axis(wide, order, axis=1)
        quantiles = np.minimum(MOST_QUANTILES, names // NAMES_A_QUANTILE)
        size = names // np.maximum(quantiles, 1)
        varies = ranked[:, 0] < ranked[np.arange(len(names)), np.maximum(names, 1) - 1]
        place = np.arange(filled.shape[1])[np.newaxis, :]
        top = filled & (place >= (names - size)[:, np.newaxis])
        top &= ((quantiles >= 2) & varies)[:, np.newaxis]
        of_row = np.zeros(filled.shape, dtype=bool)
        np.put_along_axis(of_row, order, top, axis=1)
        members[rows_of_all[rows], instrument_of_all[rows]] = of_row[filled]
    return members


def _replaced(members: NDArray[np.bool_], period: int) -> Values:
    sizes = members.sum(axis=1)
    turnover = np.full(len(members), np.nan)
    now, before = members[period:], members[:-period]
    defined = (sizes[period:] > 0) & (sizes[:-period] > 0)
    held = (now & before).sum(axis=1)
    size = sizes[period:][defined]
    turnover[period:][defined] = (size - held[defined]) / size
    return turnover
