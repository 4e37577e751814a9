"""How far a distribution has moved from that of a reference."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from model2_assets.panel import date_codes

EMPTY_SHARE = 1e-4
"""Share that stands for an empty bin, whose logarithm would be infinite."""


@dataclass(frozen=True, eq=False)
class PopulationStability:
    """A population stability index and the bins behind it.

    Attributes
    ----------
    index : float
        The index; NaN where either side has no value.
    edges : ndarray of shape (n_bins - 1,), float64
        Inner edges of the bins, ascending, in the unit of the values; a value equal to an
        edge is in the bin below it.
    reference, current : ndarray of shape (n_bins,), float64
        Share of the values of each side in each bin; both add up to 1.
    """

    index: float
    edges: NDArray[np.float64]
    reference: NDArray[np.float64]
    current: NDArray[np.float64]


def population_stability(
    reference: ArrayLike, current: ArrayLike, *, n_bins: int = 10
) -> PopulationStability:
    r"""Return the population stability index of values against a reference.

    With :math:`q_b` the share of the reference in bin b, :math:`p_b` that of the other
    values, and bins that cut the reference into equal parts (deciles),

    .. math:: PSI = \sum_b (p_b - q_b) \ln (p_b / q_b)

    It is the symmetric Kullback–Leibler (Jeffreys) divergence of the binned distributions.
    By convention [1]_ below 0.1 nothing has moved, from 0.25 on the shift is large. The
    convention takes many independent values for granted: from samples of n and m of the
    same distribution the index is about (n_bins − 1)(1/n + 1/m) [2]_, and predictions of
    neighbouring dates count as far fewer than their number.

    Parameters
    ----------
    reference : array-like of shape (n_reference,), float
        Values that give the bins.
    current : array-like of shape (n_current,), float
        Values to compare with them. On both sides, values that are not finite are left out.
    n_bins : int, default 10
        Bins; fewer where quantiles of the reference coincide.

    Returns
    -------
    PopulationStability
        The index and the shares.

    References
    ----------
    .. [1] N. Siddiqi, "Credit Risk Scorecards: Developing and Implementing Intelligent
       Credit Scoring", Wiley 2006.
    .. [2] B. Yurdakul and J. Naranjo, "Statistical properties of the population stability
       index", Journal of Risk Model Validation 14(4), 2020.

    Examples
    --------
    >>> reference = np.arange(100.0)
    >>> population_stability(reference, reference).index
    0.0
    >>> round(population_stability(reference, reference[:50]).index, 3)
    3.797
    """
    before, now = _finite(reference), _finite(current)
    if not (before.size and now.size):
        nothing = np.empty(0)
        return PopulationStability(float("nan"), nothing, nothing, nothing)
    edges = _quantile_edges(before, n_bins)
    q, p = _shares(before, edges), _shares(now, edges)
    return PopulationStability(index=float(_index(q, p)), edges=edges, reference=q, current=p)


def stretch_stability(
    prediction: ArrayLike, index: pd.MultiIndex, *, n_dates: int, n_bins: int = 10
) -> NDArray[np.float64]:
    """Return the stability index of every stretch of consecutive dates against all others.

    Predictions of a few neighbouring dates never spread exactly as those of a whole history.
    This is how far they usually are from it, to compare the index of one such stretch with.

    Parameters
    ----------
    prediction : array-like of shape (n_rows,), float
        Finite values.
    index : MultiIndex of shape (n_rows,)
        Levels ``(instrument, datetime)``, in any row order.
    n_dates : int
        Dates of a stretch. Stretches follow each other without overlap from the first date
        on; a shorter remainder at the end is left out.
    n_bins : int, default 10
        Bins, cut by quantiles of all predictions.

    Returns
    -------
    ndarray of shape (n_stretches,), float64
        In order of time; empty where the history is shorter than two stretches.
    """
    values = np.asarray(prediction, dtype=np.float64)
    dates = date_codes(index)
    n_stretches = len(dates.values) // n_dates
    if n_stretches < 2:
        return np.empty(0)
    edges = _quantile_edges(values, n_bins)
    bins, n_bins_left = np.searchsorted(edges, values), len(edges) + 1
    stretch = dates.codes // n_dates
    within = stretch < n_stretches
    cells = np.bincount(
        stretch[within] * n_bins_left + bins[within], minlength=n_stretches * n_bins_left
    )
    counts = cells.reshape(n_stretches, n_bins_left)
    others = np.bincount(bins, minlength=n_bins_left) - counts
    return _index(_to_shares(others), _to_shares(counts))


def _index(q: NDArray[np.float64], p: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the index of shares p of shape (..., n_bins) against q of shape (..., n_bins)."""
    q, p = np.maximum(q, EMPTY_SHARE), np.maximum(p, EMPTY_SHARE)
    divergence: NDArray[np.float64] = np.sum((p - q) * np.log(p / q), axis=-1)
    return divergence


def _finite(values: ArrayLike) -> NDArray[np.float64]:
    array = np.asarray(values, dtype=np.float64)
    return array[np.isfinite(array)]


def _quantile_edges(values: NDArray[np.float64], n_bins: int) -> NDArray[np.float64]:
    return np.unique(np.quantile(values, np.arange(1, n_bins) / n_bins))


def _shares(values: NDArray[np.float64], edges: NDArray[np.float64]) -> NDArray[np.float64]:
    return _to_shares(np.bincount(np.searchsorted(edges, values), minlength=len(edges) + 1))


def _to_shares(counts: NDArray[np.int64]) -> NDArray[np.float64]:
    shares: NDArray[np.float64] = counts / counts.sum(axis=-1, keepdims=True)
    return shares
