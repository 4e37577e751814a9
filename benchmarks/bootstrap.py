"""How sure the ratio of two mean rank ICs is."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

DRAWS, SEED = 4_000, 7


@dataclass(frozen=True)
class IcRatio:
    """Ratio of mean rank ICs, paired over dates and seeds.

    Attributes
    ----------
    ours, baseline : float
        Mean daily rank ICs.
    ratio : float
        Of the means.
    lower : float
        Lower bound of 95% confidence, one-sided.
    n_seeds : int
        Markets.
    """

    ours: float
    baseline: float
    ratio: float
    lower: float
    n_seeds: int


def ic_ratio(
    ours: Sequence[Sequence[float]],
    baseline: Sequence[Sequence[float]],
    dates: Sequence[int],
) -> IcRatio:
    """Return the ratio of two mean rank ICs with its bootstrap bound.

    Markets are drawn with replacement, and within each market its blocks of dates; both
    sides get the same draws.

    Parameters
    ----------
    ours, baseline : sequence of sequence of float
        For each market the sum of daily rank ICs of each block of dates.
    dates : sequence of int
        Dates of each market.

    Returns
    -------
    IcRatio
        The ratio of the means.

    References
    ----------
    Davison, A. C. & Hinkley, D. V. (1997), Bootstrap Methods and their Application, 3.8 and 8.2.
    """
    pairs = [np.array([a, b]) for a, b in zip(ours, baseline, strict=True)]
    total = np.sum([pair.sum(axis=1) for pair in pairs], axis=0)
    generator = np.random.default_rng(SEED)
    ratios = np.array([_draw(pairs, generator) for _ in range(DRAWS)])
    n_dates = float(sum(dates))
    return IcRatio(
        ours=float(total[0] / n_dates),
        baseline=float(total[1] / n_dates),
        ratio=float(total[0] / total[1]),
        lower=float(np.quantile(ratios, 0.05)),
        n_seeds=len(pairs),
    )


def _draw(pairs: Sequence[NDArray[np.float64]], generator: np.random.Generator) -> float:
    total = np.zeros(2)
    for market in generator.integers(0, len(pairs), len(pairs)):
        blocks = pairs[market]
        total += blocks[:, generator.integers(0, blocks.shape[1], blocks.shape[1])].sum(axis=1)
    return float(total[0] / total[1])
