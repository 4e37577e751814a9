"""Scores of one horizon and model, as the contract CVScores wants them."""

import pandas as pd

from model2_assets.evaluation._scores import score_predictions
from model2_assets.provenance import INPUTS, data_versions_of, facts_of, require_made_from


def score_partition(
    oof: pd.DataFrame, labels: pd.DataFrame, *, horizon: str, model: str, execution_lag_days: int
) -> pd.DataFrame:
    """Score the out-of-fold predictions of one horizon and model.

    Parameters
    ----------
    oof : DataFrame of shape (n_rows, 2)
        Stored out-of-fold predictions, with their provenance.
    labels : DataFrame of shape (n_labels, 3 * n_horizons)
        Stored labels, with their provenance.
    horizon, model : str
        Such as ``21d`` and ``ridge``.
    execution_lag_days : int
        Trading bars from signal to entry.

    Returns
    -------
    DataFrame of shape (n_scores, 6)
        Columns of CVScores: ``model``, ``horizon``, ``scope``, ``fold_id`` (Int16),
        ``metric``, ``value``.

    Raises
    ------
    StoreError
        If the predictions were made from other labels.
    """
    require_made_from(
        "oof_predictions", facts_of(oof).get(INPUTS, {}), data_versions_of(labels=labels)
    )
    overlap = int(horizon.removesuffix("d")) - 1 + execution_lag_days
    scores = score_predictions(oof, labels[f"label_{horizon}"], overlap_days=overlap)
    scores.insert(0, "horizon", horizon)
    scores.insert(0, "model", model)
    return scores.astype({"fold_id": "Int16", "model": "str", "horizon": "str"})


def wide_scores(scores: pd.DataFrame) -> pd.DataFrame:
    """Return one row per fold and one for all rows, a column per metric."""
    scope = scores["fold_id"].astype("str").where(scores["scope"] == "fold", "all")
    wide = scores.assign(fold=scope).pivot_table(
        index="fold", columns="metric", values="value", sort=False, dropna=False
    )
    return wide[list(dict.fromkeys(scores["metric"]))].reset_index()


def describe_scores(scores: pd.DataFrame) -> list[str]:
    """Return one line of text per fold, and one for all rows."""
    return [
        f"{'all folds' if row.fold == 'all' else f'fold {row.fold}'}: rank IC {row.rank_ic:.4f}, "
        f"IC {row.ic:.4f}, ICIR {row.icir:.3f}, R² {row.r2:.4f}, RMSE {row.rmse:,.0f} bps, "
        f"MAE {row.mae:,.0f} bps, hit rate {row.hit_rate:.3f}, {row.samples:,.0f} samples"
        for row in wide_scores(scores).itertuples()
    ]
