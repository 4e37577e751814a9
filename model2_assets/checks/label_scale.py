"""How large predictions may be, judged by the scale of the labels that they forecast."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, log, log10, sqrt

import numpy as np
import pandas as pd

BELIEVABLE_CORRELATION = 0.10
"""Correlation with the labels above which a leak is suspected: daily panels give 0.01 to 0.05."""

_ABSURD_BPS = 1e12
"""Labels from there on are faults of prices, and have no squares that add up."""


@dataclass(frozen=True)
class LabelScale:
    r"""Mean and standard deviation of one horizon's labels, and what follows for predictions.

    A calibrated forecast :math:`f` of the label :math:`y`, one with :math:`E[y \mid f] = f`, has
    :math:`\mathrm{cov}(f, y) = \mathrm{var}(f)`. So its standard deviation is
    :math:`\rho\,\sigma_y`, with :math:`\rho` its correlation with the labels and
    :math:`\sigma_y` their standard deviation, and its mean is theirs. Of n predictions that are
    normally distributed, however dependent, the largest is, in absolute value, on average at most

    .. math:: |\mu_y| + \rho\,\sigma_y \sqrt{2 \ln 2n}

    A limit *fits* the labels if a calibrated forecaster of every correlation that is to be
    believed, up to `BELIEVABLE_CORRELATION`, keeps it. Bolder forecasts are a fault of the model;
    a limit that does not fit is not for this market.

    Attributes
    ----------
    horizon : str
        Such as ``21d``.
    std_bps, mean_bps : float
        Standard deviation and mean of all labels, bps.
    n_rows : int
        Number of labels.

    References
    ----------
    Boucheron, S., Lugosi, G. & Massart, P. (2013), Concentration Inequalities, theorem 2.5.
    """

    horizon: str
    std_bps: float
    mean_bps: float
    n_rows: int

    @classmethod
    def of(cls, labels: pd.DataFrame, horizon: str) -> "LabelScale":
        """Return the scale of the labels of a horizon, 0 where a builder of one's own has none."""
        column = labels.filter(items=[f"label_{horizon}"]).select_dtypes("number")
        values = column.to_numpy(dtype=np.float64)
        known = values[np.abs(values) < _ABSURD_BPS]
        known = known if len(known) else np.zeros(1)
        return cls(horizon, float(known.std()), float(known.mean()), len(known))

    def largest_correlation(self, limit_bps: float) -> float:
        """Return the largest correlation of a calibrated forecaster that keeps a limit in bps.

        Examples
        --------
        >>> round(LabelScale("63d", std_bps=5000, mean_bps=0, n_rows=30_000)
        ...       .largest_correlation(1000), 3)
        0.043
        """
        room, unit = limit_bps - abs(self.mean_bps), self.std_bps * sqrt(2 * log(2 * self.n_rows))
        return min(max(room / unit, 0.0), 1.0) if unit else float(room >= 0)

    def fits(self, limit_bps: float) -> bool:
        """Return whether every believable forecaster keeps a limit in bps."""
        return self.largest_correlation(limit_bps) >= BELIEVABLE_CORRELATION

    @property
    def fitting_limit_bps(self) -> int:
        """One standard deviation beyond the mean, rounded up to two digits, bps.

        A fifth or a quarter is what a good forecaster needs, so that one who is a little too bold
        keeps it as well; the default of 1,000 bps is about as much for 63 days of large American
        stocks.
        """
        exact = max(abs(self.mean_bps) + self.std_bps, 10.0)
        unit: int = 10 ** (int(log10(exact)) - 1)
        return ceil(exact / unit) * unit

    def describe(self, limit_bps: float) -> str:
        """Say in words what the scale means for a limit in bps."""
        correlation, is_low = self.largest_correlation(limit_bps), not self.fits(limit_bps)
        believable = f", where {BELIEVABLE_CORRELATION:.2f} can be believed" if is_low else ""
        return (
            f"labels of {self.horizon} have a standard deviation of {self.std_bps:,.0f} bps, so a "
            f"calibrated forecaster keeps {limit_bps:,.0f} bps{' only' if is_low else ''} up to a "
            f"correlation of {correlation:.2f} with them{believable}"
        )


def widest_labels(labels: pd.DataFrame, horizons: Sequence[str]) -> LabelScale:
    """Return the scale of the horizon that needs the largest limit; all of them share it."""
    scales = (LabelScale.of(labels, horizon) for horizon in horizons)
    return max(scales, key=lambda scale: scale.fitting_limit_bps)
