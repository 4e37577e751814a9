"""How values are distributed, overall and over periods."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from model2_assets.cross_validation import Role


@dataclass(frozen=True, eq=False)
class Histogram:
    """Counts of values in bins of equal width.

    Attributes
    ----------
    edges : ndarray of shape (n_bins + 1,), float64
        Ascending, symmetric about zero, in the values' unit.
    counts : ndarray of shape (n_bins,), int64
        Values in each bin; the last bin includes its upper edge.
    beyond : int
        Finite values outside the edges.
    """

    edges: NDArray[np.float64]
    counts: NDArray[np.int64]
    beyond: int

    @property
    def shares(self) -> NDArray[np.float64]:
        """Share of all finite values in each bin; zeros where there is none."""
        total = int(self.counts.sum()) + self.beyond
        return self.counts / max(total, 1)


def histogram(values: ArrayLike, *, reach: float, n_bins: int = 100) -> Histogram:
    """Count values in bins from ``-reach`` to ``reach``.

    Parameters
    ----------
    values : array-like, float
        Those that are not finite are left out.
    reach : float
        Where bins end, in the values' unit; above 0.
    n_bins : int, default 100
        Bins of equal width; an even number has an edge at zero.

    Returns
    -------
    Histogram
        The counts.

    Examples
    --------
    >>> histogram([-1.5, 0.5, 1.0, 7.0], reach=2, n_bins=4).counts.tolist()
    [1, 0, 1, 1]
    """
    numbers = np.asarray(values, dtype=np.float64)
    numbers = numbers[np.isfinite(numbers)]
    counts, edges = np.histogram(numbers, bins=n_bins, range=(-reach, reach))
    return Histogram(edges, counts.astype(np.int64), len(numbers) - int(counts.sum()))


def reach_of(values: ArrayLike, *, tail: float = 0.001) -> float:
    """Return how far from zero all but a share of the values lie; 1.0 without any size.

    Parameters
    ----------
    values : array-like, float
        Those that are not finite are left out.
    tail : float, default 0.001
        Share of the values that may lie beyond.

    Returns
    -------
    float
        In the values' unit.
    """
    numbers = np.abs(np.asarray(values, dtype=np.float64))
    numbers = numbers[np.isfinite(numbers)]
    return float(np.quantile(numbers, 1 - tail)) or 1.0 if len(numbers) else 1.0


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


def most_frequent_roles(
    roles: NDArray[np.int8], codes: NDArray[np.int64], n_dates: int
) -> NDArray[np.int8]:
    """Return the role of most rows of every date.

    Parameters
    ----------
    roles : ndarray of shape (n_rows,), int8
        `Role` of every row in one split.
    codes : ndarray of shape (n_rows,), int64
        Position of every row's date.
    n_dates : int
        How many dates there are.

    Returns
    -------
    ndarray of shape (n_dates,), int8
        The role of smallest number among those with as many rows.
    """
    counts = np.bincount(codes * len(Role) + roles, minlength=n_dates * len(Role))
    most: NDArray[np.int8] = counts.reshape(n_dates, len(Role)).argmax(axis=1).astype(np.int8)
    return most
