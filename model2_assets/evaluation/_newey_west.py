"""Inference for a mean of daily values whose labels overlap."""

from dataclasses import dataclass
from math import nan, sqrt

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from model2_assets.errors import Model2Error


@dataclass(frozen=True)
class MeanInference:
    """A mean with its standard error.

    Attributes
    ----------
    mean : float
        Mean of the values; NaN without any.
    standard_error : float
        Newey-West standard error of the mean; NaN where the values do not suffice.
    t_statistic : float
        ``mean / standard_error``; NaN where that is undefined.
    n_dates : int
        Number of values that are not missing.
    n_effective : float
        Number of independent dates that would give the same standard error.
    """

    mean: float
    standard_error: float
    t_statistic: float
    n_dates: int
    n_effective: float


def mean_ic_inference(series: pd.Series | ArrayLike, *, lag: int) -> MeanInference:
    r"""Return the mean of daily information coefficients and its t-statistic.

    Labels of neighbouring dates share returns, so their coefficients are correlated and the
    ordinary t-statistic is too large by several times. The variance of the mean is that of
    Newey and West [1]_ with Bartlett weights,

    .. math::

        \hat V = \frac{1}{T - 1} \Bigl[ \hat\gamma_0
            + 2 \sum_{l=1}^{L} \Bigl(1 - \frac{l}{L + 1}\Bigr) \hat\gamma_l \Bigr],
        \qquad \hat\gamma_l = \frac{1}{T} \sum_t e_t e_{t-l},

    with deviations :math:`e_t` from the mean. Dividing by T - 1 rather than T makes lag 0
    the ordinary t-statistic. A missing date keeps its place and adds nothing to the sums,
    so lags stay distances in dates [2]_.

    Parameters
    ----------
    series : Series or array-like of shape (n_dates,), float
        Daily values in the order of dates; NaN where there is none.
    lag : int
        Dates over which to look for correlation: horizon - 1 at least, and better twice that,
        since the weights of the largest lags are small.

    Returns
    -------
    MeanInference
        With T no greater than ``lag + 1`` (at most one independent window), or without
        variation, there is no t-statistic.

    Raises
    ------
    Model2Error
        If `lag` is negative or not an integer.

    References
    ----------
    .. [1] W. K. Newey and K. D. West, "A Simple, Positive Semi-Definite, Heteroskedasticity
       and Autocorrelation Consistent Covariance Matrix", Econometrica 55(3), 1987.
    .. [2] D. D. Datta and W. Du, "Nonparametric HAC Estimation for Time Series Data with
       Missing Observations", International Finance Discussion Papers 1060, 2012: the
       amplitude modulated estimator.

    Examples
    --------
    >>> mean_ic_inference([0.01, 0.03, -0.01, 0.05], lag=0).t_statistic
    1.5491933384829668
    """
    if isinstance(lag, bool) or not isinstance(lag, int | np.integer) or lag < 0:
        raise Model2Error(f"lag must be a number of dates, 0 or more, got {lag!r}")
    values = np.asarray(series, dtype=np.float64)
    present = np.isfinite(values)
    n_dates = int(present.sum())
    if n_dates == 0:
        return MeanInference(nan, nan, nan, 0, nan)
    mean = float(values[present].mean())
    if n_dates <= lag + 1 or values[present].min() == values[present].max():
        return MeanInference(mean, nan, nan, n_dates, nan)
    deviations = np.where(present, values - mean, 0.0)
    own_variance = float(deviations @ deviations) / n_dates
    long_run_variance = own_variance + _weighted_autocovariances(deviations, int(lag)) / n_dates
    if not long_run_variance > 0:
        return MeanInference(mean, nan, nan, n_dates, nan)
    standard_error = sqrt(long_run_variance / (n_dates - 1))
    return MeanInference(
        mean=mean,
        standard_error=standard_error,
        t_statistic=mean / standard_error,
        n_dates=n_dates,
        n_effective=n_dates * own_variance / long_run_variance,
    )


def _weighted_autocovariances(deviations: NDArray[np.float64], lag: int) -> float:
    """Return twice the Bartlett-weighted sum of lagged products, lags 1 to `lag`."""
    return 2 * sum(
        (1 - step / (lag + 1)) * float(deviations[step:] @ deviations[:-step])
        for step in range(1, min(lag, len(deviations) - 1) + 1)
    )
