"""Whether the fold models agree on which features matter."""

from math import nan

import numpy as np
import pandas as pd

_MAIN_KINDS = ("gain", "coefficient", "weight")
"""Kinds by which features are ranked: the first that a model has."""


def main_importance_kind(importance: pd.DataFrame) -> str:
    """Return the kind of importance by which a table of importances is ranked.

    Parameters
    ----------
    importance : DataFrame of shape (n_features, n_columns)
        Columns ``importance_{kind}``, as `model2_assets.training.aggregate_importances`
        returns them.

    Returns
    -------
    str
        ``gain``, else ``coefficient``, else ``weight``: the first that is not all missing.
    """
    for kind in _MAIN_KINDS:
        if importance[f"importance_{kind}"].notna().any():
            return kind
    return _MAIN_KINDS[0]


def importances_by_fold(importance: pd.DataFrame, kind: str) -> pd.DataFrame:
    """Return the importance of every feature in the model of every split.

    Parameters
    ----------
    importance : DataFrame of shape (n_features, n_columns)
        Columns ``feature`` and ``importance_{kind}_fold_{split_id}``.
    kind : str
        ``gain``, ``coefficient`` or ``weight``.

    Returns
    -------
    DataFrame of shape (n_features, n_splits), float64
        Indexed by ``feature``, in the order of the table; columns are split ids, ascending.
    """
    prefix = f"importance_{kind}_fold_"
    columns = [name for name in importance.columns if name.startswith(prefix)]
    found = importance.set_index("feature")[columns].astype(np.float64)
    found.columns = pd.Index([int(name.removeprefix(prefix)) for name in columns], name="split_id")
    return found.sort_index(axis="columns")


def importance_stability(by_fold: pd.DataFrame) -> pd.DataFrame:
    """Return the rank correlation of the importances of every two fold models.

    Parameters
    ----------
    by_fold : DataFrame of shape (n_features, n_splits), float
        As `importances_by_fold` returns it. Coefficients keep their sign, so that a feature
        whose effect turns round lowers the correlation.

    Returns
    -------
    DataFrame of shape (n_splits, n_splits), float64
        Spearman correlations, ties sharing their average rank; NaN where a model's
        importances are all equal. Models of combinatorial splits share most of their train
        rows, which raises their correlation.
    """
    return by_fold.corr(method="spearman")


def fold_agreement(importance: pd.DataFrame) -> float:
    """Return the mean rank correlation of the importances of two different fold models.

    Parameters
    ----------
    importance : DataFrame of shape (n_features, n_columns)
        As `model2_assets.training.aggregate_importances` returns it.

    Returns
    -------
    float
        Mean of `importance_stability` over all pairs, by the main kind of importance; NaN
        with fewer than two models.
    """
    by_fold = importances_by_fold(importance, main_importance_kind(importance))
    values = importance_stability(by_fold).to_numpy(dtype=np.float64)
    pairs = values[np.triu_indices(len(values), k=1)]
    pairs = pairs[np.isfinite(pairs)]
    return float(pairs.mean()) if len(pairs) else nan
