"""Daily values over periods of the calendar, long enough to be looked at together."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

MOST_PERIODS = 150
"""Periods of which a picture 900 pixels wide shows each."""

_UNITS = {"daily": "D", "weekly": "W", "monthly": "M", "quarterly": "Q", "annual": "Y"}


@dataclass(frozen=True, eq=False)
class PeriodMeans:
    """Means over periods of the calendar.

    Attributes
    ----------
    unit : {"daily", "weekly", "monthly", "quarterly", "annual"}
        How long a period is.
    means : Series of shape (n_periods,), float64
        Indexed by period, ascending; periods without a value are left out.
    """

    unit: str
    means: pd.Series


def mean_by_period(values: pd.Series, *, most: int = MOST_PERIODS) -> PeriodMeans:
    """Return the mean of daily values over the shortest periods that are few enough.

    Parameters
    ----------
    values : Series of shape (n_dates,), float
        Indexed by date, ascending; NaN are left out.
    most : int, default 150
        Periods from the first date to the last, at most; years are as long as it gets.

    Returns
    -------
    PeriodMeans
        The periods and the means of their dates.

    Examples
    --------
    >>> dates = pd.to_datetime(["2024-01-02", "2024-01-31", "2024-02-01"])
    >>> found = mean_by_period(pd.Series([0.1, 0.3, 0.5], index=dates), most=2)
    >>> found.unit, found.means.round(3).tolist()
    ('monthly', [0.2, 0.5])
    """
    values = values.dropna()
    dates = pd.DatetimeIndex(values.index)
    units = {unit: dates.to_period(frequency) for unit, frequency in _UNITS.items()}
    unit = next((unit for unit, periods in units.items() if _span(periods) <= most), "annual")
    return PeriodMeans(unit, values.groupby(units[unit]).mean().astype(np.float64))


def _span(periods: pd.PeriodIndex) -> int:
    """Return the number of periods from the first to the last."""
    return int((periods[-1] - periods[0]).n) + 1 if len(periods) else 0
