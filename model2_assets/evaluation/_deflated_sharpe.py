"""Whether a Sharpe ratio is more than the luck of having tried several models."""

from math import e, isfinite, nan, sqrt

import numpy as np
from numpy.typing import ArrayLike, NDArray

from model2_assets.errors import Model2Error

_EULER_GAMMA = 0.5772156649015329

FEWEST_RETURNS = 4
"""Returns below which the kurtosis has no unbiased estimate."""


def deflated_sharpe_ratio(
    returns: ArrayLike, *, n_trials: int, sharpe_variance: float | None = None
) -> float:
    r"""Return the probability that a Sharpe ratio exceeds the best of as many lucky ones.

    The deflated Sharpe ratio of Bailey and López de Prado [1]_: the probabilistic Sharpe
    ratio

    .. math::

        \Phi\left( \frac{(\widehat{SR} - SR_0) \sqrt{T - 1}}
        {\sqrt{1 - \gamma_3 \widehat{SR} + \frac{\gamma_4 - 1}{4} \widehat{SR}^2}} \right)

    with skewness γ₃ and kurtosis γ₄ of the T returns, against the expected maximum of
    `n_trials` estimated Sharpe ratios whose truth is zero (`expected_maximum_sharpe`).

    Parameters
    ----------
    returns : array-like of shape (n_returns,), float
        Returns of periods that do not overlap, in any unit. Those that are not finite are
        left out.
    n_trials : int
        Models among which the best was, or could be, chosen.
    sharpe_variance : float, optional
        Variance of the trials' Sharpe ratios, per period. Without it, 1 / (T - 1): the
        sampling variance of a Sharpe ratio whose truth is zero. That of a handful of trials
        cannot be estimated from them, and trials that resemble each other vary less, so this
        errs on the safe side.

    Returns
    -------
    float
        A probability; NaN with fewer than 4 returns, returns that do not vary, or moments so
        extreme that the approximation has no variance.

    Raises
    ------
    Model2Error
        If `n_trials` is not a positive integer, or `sharpe_variance` is negative or not
        finite.

    References
    ----------
    .. [1] D. H. Bailey and M. López de Prado, "The Deflated Sharpe Ratio: Correcting for
       Selection Bias, Backtest Overfitting and Non-Normality", Journal of Portfolio
       Management 40(5), 2014.

    Examples
    --------
    >>> returns = [0.02, 0.01, -0.01, 0.03, 0.00, 0.02, 0.01, -0.02]
    >>> round(deflated_sharpe_ratio(returns, n_trials=1), 3)
    0.867
    >>> round(deflated_sharpe_ratio(returns, n_trials=8), 3)
    0.435
    """
    from scipy.special import ndtr

    if sharpe_variance is not None and not (isfinite(sharpe_variance) and sharpe_variance >= 0):
        raise Model2Error(
            f"sharpe_variance must be a finite number, 0 or more, got {sharpe_variance!r}"
        )
    _check_trials(n_trials)
    values = np.asarray(returns, dtype=np.float64)
    values = values[np.isfinite(values)]
    n = len(values)
    if n < FEWEST_RETURNS or values.min() == values.max():
        return nan
    sharpe, skewness, kurtosis = _moments(values)
    variance = 1 / (n - 1) if sharpe_variance is None else sharpe_variance
    benchmark = expected_maximum_sharpe(n_trials, sharpe_variance=variance)
    spread = 1 - skewness * sharpe + (kurtosis - 1) / 4 * sharpe**2
    if not spread > 0:
        return nan
    return float(ndtr((sharpe - benchmark) * sqrt(n - 1) / sqrt(spread)))


def expected_maximum_sharpe(n_trials: int, *, sharpe_variance: float) -> float:
    """Return the Sharpe ratio to expect of the best of several worthless models.

    Parameters
    ----------
    n_trials : int
        Models tried.
    sharpe_variance : float
        Variance of their estimated Sharpe ratios, per period.

    Returns
    -------
    float
        Per period; 0 for one trial. Extreme value theory's approximation for independent
        normal trials.

    Raises
    ------
    Model2Error
        If `n_trials` is not a positive integer.

    Examples
    --------
    >>> round(expected_maximum_sharpe(4, sharpe_variance=1.0), 3)
    1.052
    """
    from scipy.special import ndtri

    _check_trials(n_trials)
    if n_trials == 1:
        return 0.0
    high, higher = ndtri(1 - 1 / n_trials), ndtri(1 - 1 / (n_trials * e))
    return sqrt(sharpe_variance) * float((1 - _EULER_GAMMA) * high + _EULER_GAMMA * higher)


def _check_trials(n_trials: int) -> None:
    whole = isinstance(n_trials, int | np.integer) and not isinstance(n_trials, bool)
    if not whole or n_trials < 1:
        raise Model2Error(f"n_trials must be a number of models, 1 or more, got {n_trials!r}")


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
