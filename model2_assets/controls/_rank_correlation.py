"""Rank correlations of many predictions of one date."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

MIN_NAMES = 3
"""Fewest names of a date with a correlation: two always correlate by plus or minus one."""


def rank_correlations(predictions: Floats, label_ranks: Floats) -> Floats:
    """Correlate the ranks of predictions with the ranks of labels, row by row.

    Labels are ranked once by the caller and only permuted after, so that one sort a row is
    enough.

    Parameters
    ----------
    predictions : ndarray of shape (n_permutations, n_names), float64
        Predictions of one date; any unit.
    label_ranks : ndarray of shape (n_permutations, n_names), float64
        Ranks of the labels that these names have, ties sharing their average.

    Returns
    -------
    ndarray of shape (n_permutations,), float64
        Spearman's correlation; NaN below 3 names or with a constant side.
    """
    n_names = predictions.shape[1]
    if n_names < MIN_NAMES:
        return np.full(len(predictions), np.nan)
    order = np.argsort(predictions, axis=1)
    ordered = np.take_along_axis(predictions, order, axis=1)
    centered = label_ranks - label_ranks.mean(axis=1, keepdims=True)
    ranks = np.arange(n_names) - (n_names - 1) / 2
    products = np.take_along_axis(centered, order, axis=1) @ ranks
    squares = np.full(len(predictions), ranks @ ranks)
    tied = (ordered[:, 1:] == ordered[:, :-1]).any(axis=1)
    if tied.any():
        products[tied], squares[tied] = _with_ties(predictions[tied], centered[tied])
    scale = np.sqrt(squares * np.einsum("ij,ij->i", centered, centered))
    correlations = np.full(len(predictions), np.nan)
    np.divide(products, scale, out=correlations, where=scale > 0)
    return correlations


def _with_ties(predictions: Floats, centered: Floats) -> tuple[Floats, Floats]:
    from scipy.stats import rankdata

    ranks = rankdata(predictions, axis=1)
    ranks -= ranks.mean(axis=1, keepdims=True)
    return np.einsum("ij,ij->i", ranks, centered), np.einsum("ij,ij->i", ranks, ranks)
