"""The shape of a distribution of daily information coefficients."""

from dataclasses import dataclass
from math import nan

import numpy as np
from numpy.typing import ArrayLike


@dataclass(frozen=True)
class IcDistribution:
    """Moments of daily values.

    Attributes
    ----------
    n_dates : int
        Values that are not missing.
    standard_deviation : float
        With ddof 1; NaN below two values.
    positive_share : float
        Share of values above zero; NaN without any.
    skewness : float
        Third standardized moment; 0 for a normal distribution, NaN without variation.
    excess_kurtosis : float
        Fourth standardized moment less 3; 0 for a normal distribution, NaN without variation.
    """

    n_dates: int
    standard_deviation: float
    positive_share: float
    skewness: float
    excess_kurtosis: float


def ic_distribution(daily: ArrayLike) -> IcDistribution:
    """Return the moments of daily information coefficients.

    Parameters
    ----------
    daily : array-like of shape (n_dates,), float
        NaN is left out.

    Returns
    -------
    IcDistribution
        Skewness and kurtosis are the plain sample moments, as `scipy.stats.skew` and
        `scipy.stats.kurtosis` give them.

    Examples
    --------
    >>> ic_distribution([0.5, -0.5, 0.25, 0.75]).positive_share
    0.75
    """
    from scipy.stats import kurtosis, skew

    known = np.asarray(daily, dtype=np.float64)
    known = known[np.isfinite(known)]
    varies = len(known) > 1 and known.min() < known.max()
    return IcDistribution(
        n_dates=len(known),
        standard_deviation=float(known.std(ddof=1)) if len(known) > 1 else nan,
        positive_share=float(np.mean(known > 0)) if len(known) else nan,
        skewness=float(skew(known)) if varies else nan,
        excess_kurtosis=float(kurtosis(known)) if varies else nan,
    )
