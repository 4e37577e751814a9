"""Prices of one instrument before and after, that are the same up to a factor."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

MIN_BARS = 5
"""Bars that have to share a factor: fewer may be single values put right."""

RELATIVE = 1e-6
"""Largest relative difference of two factors that single-precision prices explain."""

_MAX_DECIMALS = 6


@dataclass(frozen=True)
class Rescaling:
    """Prices multiplied by a factor that is constant on stretches of dates.

    Attributes
    ----------
    factor : float
        New price over old price in the earliest stretch.
    n_bars : int
        Bars, the earliest first, whose price changed.
    """

    factor: float
    n_bars: int


def find_rescaling(old: Floats, new: Floats, *, in_steps: bool) -> Rescaling | None:
    """Return by what prices were rescaled, if that is all that happened to them.

    Parameters
    ----------
    old, new : ndarray of shape (n_bars,), float64
        Prices of the same bars in two versions of history, the earliest first.
    in_steps : bool
        False: one factor, from the first bar on; the latest bars may be as they were, which is
        how a split shows. True: any number of factors, each nearer to 1 than the one before,
        which is how dividends show in adjusted closes: each scales all bars before its date.

    Returns
    -------
    Rescaling or None
        None where a price changed by itself. A factor has to hold for `MIN_BARS` bars, and to
        `RELATIVE`; one that holds for all bars may deviate by the rounding of the prices.
    """
    ratio = new / old
    if len(old) < MIN_BARS or not np.isfinite(ratio).all():
        return None
    whole = float(np.median(ratio))
    moved = abs(whole - 1) > RELATIVE
    if moved and bool((np.abs(new - whole * old) <= _rounding(new) + whole * _rounding(old)).all()):
        return Rescaling(factor=whole, n_bars=len(old))
    starts, factors = _stretches(ratio)
    if starts is None:
        return None
    lengths = np.diff([*starts, len(ratio)])
    if (lengths[:-1] < MIN_BARS).any() or not _nears_one(factors):
        return None
    is_unchanged = abs(factors[-1] - 1) <= RELATIVE
    if not in_steps and not (len(factors) == 2 and is_unchanged):
        return None
    n_bars = int(starts[-1]) if is_unchanged else len(ratio)
    return Rescaling(factor=float(factors[0]), n_bars=n_bars)


def _stretches(ratio: Floats) -> tuple[NDArray[np.intp] | None, Floats]:
    """Return where the ratio takes a new value, and its values; None where it drifts."""
    jumps = np.abs(ratio[1:] / ratio[:-1] - 1) > RELATIVE
    starts = np.concatenate([[0], np.flatnonzero(jumps) + 1]).astype(np.intp)
    factors = ratio[starts]
    own = np.repeat(factors, np.diff([*starts, len(ratio)]))
    if bool((np.abs(ratio / own - 1) > RELATIVE).any()):
        return None, factors
    return starts, factors


def _nears_one(factors: Floats) -> bool:
    sizes = np.log(factors)
    is_one_sided = bool((sizes >= -RELATIVE).all() or (sizes <= RELATIVE).all())
    return is_one_sided and bool((np.diff(np.abs(sizes)) < 0).all())


def _rounding(prices: Floats) -> Floats:
    """Return by how much prices may deviate from the truth: half a unit of their last decimal."""
    for decimals in range(_MAX_DECIMALS):
        if np.allclose(prices, np.round(prices, decimals), rtol=1e-12, atol=0):
            return np.full(len(prices), 0.5 * 10.0**-decimals)
    return RELATIVE * np.abs(prices)
