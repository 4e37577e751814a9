"""How far features, importances and distributions have moved."""

from math import nan

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from model2_assets.evaluation.ic import Values
from model2_assets.panel import date_codes, row_chunks
from model2_assets.training.base_models import main_importance_kind

EMPTY_SHARE = 1e-4
"""Share that stands for an empty bin, whose logarithm would be infinite."""


def finite(values: ArrayLike) -> Values:
    """Return the finite values as float64."""
    array = np.asarray(values, dtype=np.float64)
    return array[np.isfinite(array)]


def mean_of_pairs(matrix: Values) -> float:
    """Return the mean of the finite values above the diagonal; NaN without any."""
    values = finite(matrix[np.triu_indices(len(matrix), k=1)])
    return float(values.mean()) if len(values) else nan


def population_stability(reference: ArrayLike, current: ArrayLike, *, n_bins: int = 10) -> float:
    r"""Return the population stability index of values against a reference.

    With :math:`q_b` the share of the reference in bin b, :math:`p_b` that of the other
    values, and bins that cut the reference into equal parts (a value equal to an edge is in the bin
    below it; an empty bin counts as one in ten thousand),

    .. math:: PSI = \sum_b (p_b - q_b) \ln (p_b / q_b)

    It is the symmetric Kullback–Leibler (Jeffreys) divergence of the binned distributions.
    By convention (N. Siddiqi, "Credit Risk Scorecards", Wiley 2006) below 0.1 nothing has moved,
    from 0.25 on the shift is large. The convention takes many independent values for granted:
    from samples of n and m of the same distribution the index is about (n_bins − 1)(1/n + 1/m)
    (B. Yurdakul and J. Naranjo, Journal of Risk Model Validation 14(4), 2020), and predictions of
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
    float
        The index; NaN where either side has no value.

    Examples
    --------
    >>> reference = np.arange(100.0)
    >>> population_stability(reference, reference)
    0.0
    >>> round(population_stability(reference, reference[:50]), 3)
    3.797
    """
    before, now = finite(reference), finite(current)
    if not (before.size and now.size):
        return nan
    edges = _quantile_edges(before, n_bins)
    q, p = (
        _shares(np.bincount(np.searchsorted(edges, values), minlength=len(edges) + 1))
        for values in (before, now)
    )
    return float(_index(q, p))


def stretch_stability(
    prediction: ArrayLike, index: pd.MultiIndex, *, n_dates: int, n_bins: int = 10
) -> Values:
    """Return the stability index of every stretch of `n_dates` dates against all others.

    Neighbouring dates never spread exactly as a whole history: this is how far they usually are
    from it. A shorter remainder at the end is left out; below two stretches there is nothing.
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
    return _index(_shares(others), _shares(counts))


def _index(q: Values, p: Values) -> Values:
    """Return the index of shares p of shape (..., n_bins) against q of shape (..., n_bins)."""
    q, p = np.maximum(q, EMPTY_SHARE), np.maximum(p, EMPTY_SHARE)
    divergence: Values = np.sum((p - q) * np.log(p / q), axis=-1)
    return divergence


def _quantile_edges(values: Values, n_bins: int) -> Values:
    return np.unique(np.quantile(values, np.arange(1, n_bins) / n_bins))


def _shares(counts: NDArray[np.int64]) -> Values:
    shares: Values = counts / counts.sum(axis=-1, keepdims=True)
    return shares


def importances_by_fold(importance: pd.DataFrame, kind: str) -> pd.DataFrame:
    """Return the importance of every feature (rows) in the model of every split (columns)."""
    prefix = f"importance_{kind}_fold_"
    columns = [name for name in importance.columns if name.startswith(prefix)]
    found = importance.set_index("feature")[columns].astype(np.float64)
    found.columns = pd.Index([int(name.removeprefix(prefix)) for name in columns], name="split_id")
    return found.sort_index(axis="columns")


def fold_agreement(importance: pd.DataFrame) -> float:
    """Return the mean Spearman correlation of the importances of two fold models, by the main kind.

    Coefficients keep their sign, so that a feature whose effect turns round lowers it. Models of
    combinatorial splits share most of their train rows, which raises it.
    """
    by_fold = importances_by_fold(importance, main_importance_kind(importance))
    return mean_of_pairs(by_fold.corr(method="spearman").to_numpy(dtype=np.float64))


def feature_coverage(features: pd.DataFrame, universe: pd.MultiIndex) -> pd.DataFrame:
    """Return how complete the features of every date of the universe are.

    ``names`` int64, its members on the date; ``with_features``, the share of them that have a row
    of features; ``values``, the share of these rows' values that are there, NaN without rows.
    """
    there = [chunk.notna().to_numpy().sum(axis=1) for chunk in row_chunks(features)]
    shares = np.concatenate([np.zeros(0), *there]) / features.shape[1]
    of_rows = pd.Series(shares, index=features.index).groupby(level="datetime")
    names = pd.Series(0, index=universe).groupby(level="datetime").size()
    return pd.DataFrame(
        {
            "names": names,
            "with_features": of_rows.size().reindex(names.index, fill_value=0) / names,
            "values": of_rows.mean().reindex(names.index),
        }
    )


def missing_by_column(features: pd.DataFrame) -> NDArray[np.int64]:
    """Return how many values of each column are missing: shape (n_features,), int64."""
    missing = np.zeros(features.shape[1], dtype=np.int64)
    for chunk in row_chunks(features):
        missing += np.count_nonzero(chunk.isna().to_numpy(dtype=bool), axis=0)
    return missing


def incomplete_features(features: pd.DataFrame) -> pd.DataFrame:
    """Return features with missing values, how many, and their share of rows; most first."""
    missing = pd.Series(missing_by_column(features), index=features.columns)
    found = missing[missing > 0].rename_axis("feature").reset_index(name="missing")
    found["share"] = found["missing"] / max(len(features), 1)
    return found.sort_values(["missing", "feature"], ascending=[False, True], ignore_index=True)
