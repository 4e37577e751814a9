"""Inference for means of daily values whose labels overlap."""

from dataclasses import dataclass
from math import e, nan, sqrt

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr, ndtri, stdtrit

from model2_assets.config.partition import horizon_days
from model2_assets.errors import Model2Error

LAG_OVERLAPS = 2
"""Lag of standard errors, in overlaps of labels. With one, Bartlett weights see two thirds of
the variance that overlapping adds, and a 5% test rejects 9 to 15% of worthless forecasts;
with two, 6 to 13% (8,000 dates at 21 days to 1,200 at 63); more do not help short histories."""


@dataclass(frozen=True)
class MeanInference:
    """A mean with its Newey-West standard error; NaN where values do not suffice.

    `t_statistic` is their ratio, `n_dates` counts the values that are not missing, `n_effective`
    the independent dates that would give the same standard error.
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
    W. K. Newey and K. D. West (Econometrica 55(3), 1987) with Bartlett weights,

    .. math::

        \hat V = \frac{1}{T - 1} \Bigl[ \hat\gamma_0
            + 2 \sum_{l=1}^{L} \Bigl(1 - \frac{l}{L + 1}\Bigr) \hat\gamma_l \Bigr],
        \qquad \hat\gamma_l = \frac{1}{T} \sum_t e_t e_{t-l},

    with deviations :math:`e_t` from the mean. Dividing by T - 1 rather than T makes lag 0
    the ordinary t-statistic. A missing date keeps its place and adds nothing to the sums,
    so lags stay distances in dates: the amplitude modulated estimator of D. D. Datta and W. Du
    (International Finance Discussion Papers 1060, 2012).

    Parameters
    ----------
    series : Series or array-like of shape (n_dates,), float
        Daily values in the order of dates; NaN where there is none.
    lag : int
        Dates over which to look for correlation: horizon - 1 at least, and better twice that,
        since the weights of the largest lags are small. Model2Error is raised below 0.

    Returns
    -------
    MeanInference
        With T no greater than ``lag + 1`` (at most one independent window), or without
        variation, there is no t-statistic.

    Examples
    --------
    >>> mean_ic_inference([0.01, 0.03, -0.01, 0.05], lag=0).t_statistic
    1.5491933384829668
    """
    require_count("lag", lag, least=0)
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


def critical_t(n_dates: int, *, lag: int, chance: float) -> float:
    """Return the t-statistic of `mean_ic_inference` that luck exceeds with a given probability.

    A Newey-West variance with `lag` L of T dates scatters as one of 1.5 T / (L + 1) degrees of
    freedom (M. B. Priestley, "Spectral Analysis and Time Series", Academic Press 1981: 3 T / M
    for a Bartlett window of M, and half of that at frequency zero), so the statistic is compared
    with Student's t, on one side.
    """
    return -float(stdtrit(1.5 * n_dates / (lag + 1), chance))


FEWEST_RETURNS = 4
"""Returns below which the kurtosis has no unbiased estimate."""


def deflated_sharpe_ratio(returns: ArrayLike, *, n_trials: int) -> float:
    r"""Return the probability that a Sharpe ratio exceeds the best of as many lucky ones.

    The deflated Sharpe ratio of D. H. Bailey and M. López de Prado ("The Deflated Sharpe Ratio",
    Journal of Portfolio Management 40(5), 2014): the probabilistic Sharpe ratio

    .. math::

        \Phi\left( \frac{(\widehat{SR} - SR_0) \sqrt{T - 1}}
        {\sqrt{1 - \gamma_3 \widehat{SR} + \frac{\gamma_4 - 1}{4} \widehat{SR}^2}} \right)

    with skewness γ₃ and kurtosis γ₄ of the T returns, against the expected maximum of
    `n_trials` estimated Sharpe ratios whose truth is zero. Their variance is taken to be
    1 / (T - 1), the sampling variance of such a ratio: that of a handful of trials cannot be
    estimated from them, and trials that resemble each other vary less, so this errs on the safe
    side.

    Parameters
    ----------
    returns : array-like of shape (n_returns,), float
        Returns of periods that do not overlap, in any unit. Those that are not finite are
        left out.
    n_trials : int
        Models among which the best was, or could be, chosen, 1 or more.

    Returns
    -------
    float
        A probability; NaN with fewer than 4 returns, returns that do not vary, or moments so
        extreme that the approximation has no variance. Model2Error is raised for other
        `n_trials`.

    Examples
    --------
    >>> returns = [0.02, 0.01, -0.01, 0.03, 0.00, 0.02, 0.01, -0.02]
    >>> round(deflated_sharpe_ratio(returns, n_trials=1), 3)
    0.867
    >>> round(deflated_sharpe_ratio(returns, n_trials=8), 3)
    0.435
    """
    require_count("n_trials", n_trials, of="models")
    values = np.asarray(returns, dtype=np.float64)
    values = values[np.isfinite(values)]
    n = len(values)
    if n < FEWEST_RETURNS or values.min() == values.max():
        return nan
    sharpe, skewness, kurtosis = _moments(values)
    benchmark = expected_maximum_sharpe(n_trials, sharpe_variance=1 / (n - 1))
    spread = 1 - skewness * sharpe + (kurtosis - 1) / 4 * sharpe**2
    if not spread > 0:
        return nan
    return float(ndtr((sharpe - benchmark) * sqrt(n - 1) / sqrt(spread)))


def expected_maximum_sharpe(n_trials: int, *, sharpe_variance: float) -> float:
    """Return the Sharpe ratio to expect of the best of several worthless models, per period.

    Extreme value theory's approximation for independent normal trials; 0 for one trial.
    """
    if n_trials == 1:
        return 0.0
    high, higher = ndtri(1 - 1 / n_trials), ndtri(1 - 1 / (n_trials * e))
    return sqrt(sharpe_variance) * float((1 - np.euler_gamma) * high + np.euler_gamma * higher)


def require_count(name: str, value: object, *, least: int = 1, of: str = "dates") -> None:
    """Refuse what is no whole number of at least `least`."""
    whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
    if not whole or value < least:  # type: ignore[operator]
        raise Model2Error(f"{name} must be a number of {of}, {least} or more, got {value!r}")


def _moments(values: NDArray[np.float64]) -> tuple[float, float, float]:
    """Return the Sharpe ratio (ddof 0), and the unbiased skewness and kurtosis (3 if normal)."""
    n = len(values)
    mean = float(values.mean())
    scaled = values - mean
    deviation = sqrt(float(np.mean(scaled**2)))
    scaled = scaled / deviation
    skewness = float(np.mean(scaled**3)) * sqrt(n * (n - 1)) / (n - 2)
    excess = float(np.mean(scaled**4)) - 3
    kurtosis = 3 + (n - 1) / ((n - 2) * (n - 3)) * ((n + 1) * excess + 6)
    return mean / deviation, skewness, kurtosis


def label_overlap_days(horizon: str, *, execution_lag_days: int) -> int:
    """Return the largest distance, in trading days, of two dates whose labels' windows overlap.

    The wait for the entry (`execution_lag_days`, trading bars from signal to entry) counts as part
    of the window: the lag of standard errors and the gaps between blocks are on the safe side by
    it.

    >>> label_overlap_days("21d", execution_lag_days=1)
    21
    """
    return horizon_days(horizon) - 1 + execution_lag_days


def standard_error_lag(horizon: str, *, execution_lag_days: int) -> int:
    """Return the lag of standard errors of a horizon's daily values, in dates.

    >>> standard_error_lag("21d", execution_lag_days=1)
    42
    """
    return LAG_OVERLAPS * label_overlap_days(horizon, execution_lag_days=execution_lag_days)
