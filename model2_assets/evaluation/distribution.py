"""How values are distributed: overall, over periods of the calendar, beside a normal one."""

from dataclasses import dataclass
from math import nan

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtri

Values = NDArray[np.float64]


def finite(values: ArrayLike) -> Values:
    """Return the finite values as float64."""
    array = np.asarray(values, dtype=np.float64)
    return array[np.isfinite(array)]


def mean_of_pairs(matrix: Values) -> float:
    """Return the mean of the finite values above the diagonal; NaN without any."""
    values = matrix[np.triu_indices(len(matrix), k=1)]
    values = values[np.isfinite(values)]
    return float(values.mean()) if len(values) else nan


@dataclass(frozen=True, eq=False)
class Histogram:
    """Counts (int64) of values in bins of equal width, and of finite values outside the edges."""

    edges: Values
    counts: NDArray[np.int64]
    beyond: int

    @property
    def shares(self) -> Values:
        """Share of all finite values in each bin; zeros where there is none."""
        total = int(self.counts.sum()) + self.beyond
        return self.counts / max(total, 1)


def histogram(values: ArrayLike, *, reach: float, n_bins: int = 100) -> Histogram:
    """Count finite values in bins from ``-reach`` to ``reach``."""
    known = finite(values)
    counts, edges = np.histogram(known, bins=n_bins, range=(-reach, reach))
    return Histogram(edges, counts.astype(np.int64), len(known) - int(counts.sum()))


def reach_of(values: ArrayLike, *, tail: float = 0.001) -> float:
    """Return how far from zero all but a share of the values lie; 1.0 without any size."""
    sizes = np.abs(finite(values))
    return float(np.quantile(sizes, 1 - tail)) or 1.0 if len(sizes) else 1.0


MOST_PERIODS = 150
"""Periods of which a picture 900 pixels wide shows each."""

_UNITS = {"daily": "D", "weekly": "W", "monthly": "M", "quarterly": "Q", "annual": "Y"}


def mean_by_period(values: pd.Series, *, most: int = MOST_PERIODS) -> tuple[str, pd.Series]:
    """Return the mean of daily values over the shortest periods that are few enough, and these.

    Years are as long as it gets; periods without a value are left out.
    """
    values = values.dropna()
    dates = pd.DatetimeIndex(values.index)
    units = {unit: dates.to_period(frequency) for unit, frequency in _UNITS.items()}
    unit = next((unit for unit, periods in units.items() if _span(periods) <= most), "annual")
    return unit, values.groupby(units[unit]).mean().astype(np.float64)


def _span(periods: pd.PeriodIndex) -> int:
    """Return the number of periods from the first to the last."""
    return int((periods[-1] - periods[0]).n) + 1 if len(periods) else 0


def monthly_mean_ic(daily: pd.Series) -> pd.DataFrame:
    """Return the mean of daily values in every month, years by months; NaN without a value."""
    known = daily.dropna()
    dates = pd.DatetimeIndex(known.index)
    calendar = {"year": dates.year, "month": dates.month}
    wide = pd.DataFrame({**calendar, "mean": known.to_numpy(dtype="float64")}).pivot_table(
        index="year", columns="month", values="mean", aggfunc="mean"
    )
    first, last = (dates.year.min(), dates.year.max()) if len(known) else (0, -1)
    return wide.reindex(
        index=pd.RangeIndex(first, last + 1, name="year"),
        columns=pd.RangeIndex(1, 13, name="month"),
    ).astype("float64")


@dataclass(frozen=True)
class IcDistribution:
    """Moments of daily values; NaN where they are undefined.

    The deviation has ddof 1; skewness and excess kurtosis are the plain sample moments, both 0
    for a normal distribution.
    """

    n_dates: int
    standard_deviation: float
    positive_share: float
    skewness: float
    excess_kurtosis: float


def ic_distribution(daily: ArrayLike) -> IcDistribution:
    """Return the moments of daily information coefficients; NaN is left out."""
    known = finite(daily)
    varies = len(known) > 1 and known.min() < known.max()
    return IcDistribution(
        n_dates=len(known),
        standard_deviation=float(known.std(ddof=1)) if len(known) > 1 else nan,
        positive_share=float(np.mean(known > 0)) if len(known) else nan,
        skewness=_moment(known, 3) if varies else nan,
        excess_kurtosis=_moment(known, 4) - 3 if varies else nan,
    )


def _moment(values: Values, power: int) -> float:
    """Return a standardized central moment."""
    deviations = values - values.mean()
    variance = np.mean(deviations**2)
    return float(np.mean(deviations**power) / variance ** (power / 2))


def normal_quantiles(values: ArrayLike, *, most_points: int = 200) -> pd.DataFrame:
    """Return ordered values, standardized, beside the normal quantiles of their ranks.

    The quantiles are those of Filliben's medians of uniform order statistics ("The Probability
    Plot Correlation Coefficient Test for Normality", Technometrics 17(1), 1975). Long series are
    thinned to the points nearest to an even grid of normal quantiles, so both tails stay whole.
    Empty without at least two different values.
    """
    known = finite(values)
    if len(known) < 2 or known.min() == known.max():
        return pd.DataFrame({"normal": [], "value": []}, dtype="float64")
    place = np.arange(1, len(known) + 1)
    medians = (place - 0.3175) / (len(known) + 0.365)
    medians[-1] = 0.5 ** (1 / len(known))
    medians[0] = 1 - medians[-1]
    normal, ordered = ndtri(medians), np.sort(known)
    grid = np.linspace(normal[0], normal[-1], most_points)
    nearest = np.searchsorted((normal[:-1] + normal[1:]) / 2, grid)
    kept = np.unique(nearest) if len(known) > most_points else np.arange(len(known))
    value = (ordered - known.mean()) / known.std(ddof=1)
    return pd.DataFrame({"normal": normal[kept], "value": value[kept]})
