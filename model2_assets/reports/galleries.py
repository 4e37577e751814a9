"""The pictures that belong to each table of the graph, by title."""

from collections.abc import Sequence
from functools import partial

import pandas as pd

from model2_assets.evaluation import (
    LAG_OVERLAPS,
    calibration,
    daily_ic,
    feature_coverage,
    fold_rank_ic,
    has_several_paths,
    importance_stability,
    importances_by_fold,
    label_overlap_days,
    main_importance_kind,
    mean_quantile_returns,
    quantile_returns,
)
from model2_assets.reports.canvas import png
from model2_assets.reports.data_charts import (
    draw_feature_coverage,
    draw_fold_timeline,
    draw_heatmap,
    draw_importances,
    draw_label_distribution,
    draw_prediction_distribution,
    fold_timeline_height,
    heatmap_height,
    importances_height,
)
from model2_assets.reports.score_charts import (
    draw_calibration,
    draw_fold_rank_ic,
    draw_quantile_returns,
    draw_rank_ic,
    draw_score_distribution,
)

TOP_FEATURES = 20

Gallery = dict[str, bytes]
"""PNG pictures, 900 pixels wide, by title."""


def label_pictures(labels: pd.DataFrame, horizons: Sequence[str]) -> Gallery:
    """Return the distribution of every horizon's label.

    Parameters
    ----------
    labels : DataFrame of shape (n_rows, 3 * n_horizons)
        The labels table.
    horizons : sequence of str
        Such as ``21d``.

    Returns
    -------
    dict of str to bytes
        A picture a horizon.
    """
    return {
        f"Distribution of the {horizon} label": png(
            partial(draw_label_distribution, label=labels[f"label_{horizon}"])
        )
        for horizon in horizons
    }


def feature_pictures(features: pd.DataFrame, universe: pd.MultiIndex) -> Gallery:
    """Return how complete the features are over time.

    Parameters
    ----------
    features : DataFrame of shape (n_rows, n_features)
        The features table.
    universe : MultiIndex of shape (n_members,)
        Every instrument on every date that it belongs to the universe.

    Returns
    -------
    dict of str to bytes
        One picture.
    """
    coverage = feature_coverage(features, universe)
    return {"Feature coverage over time": png(lambda axes: draw_feature_coverage(axes, coverage))}


def split_pictures(splits: pd.DataFrame) -> Gallery:
    """Return what every date does in every split.

    Parameters
    ----------
    splits : DataFrame of shape (n_rows, 1 + n_columns)
        The cv_splits table.

    Returns
    -------
    dict of str to bytes
        One picture.
    """
    timeline = png(
        lambda axes: draw_fold_timeline(axes, splits), height_px=fold_timeline_height(splits)
    )
    return {"Fold timeline": timeline}


def prediction_pictures(oof: pd.DataFrame, *, limit_bps: float) -> Gallery:
    """Return the distribution of the predictions against their limits.

    Parameters
    ----------
    oof : DataFrame of shape (n_rows, 2)
        Out-of-fold table: ``prediction`` in bps.
    limit_bps : float
        Largest absolute prediction allowed, bps.

    Returns
    -------
    dict of str to bytes
        One picture.
    """
    return {
        "Distribution of the predictions": png(
            lambda axes: draw_prediction_distribution(axes, oof["prediction"], limit_bps=limit_bps)
        )
    }


def score_pictures(
    oof: pd.DataFrame,
    labels: pd.DataFrame,
    scores: pd.DataFrame,
    *,
    horizon: str,
    execution_lag_days: int,
) -> Gallery:
    """Return how good the predictions of one horizon and model were.

    Parameters
    ----------
    oof : DataFrame of shape (n_rows, 2)
        Out-of-fold table: ``prediction`` (bps) and ``fold_id``, by instrument and datetime.
    labels : DataFrame of shape (n_labels, 3 * n_horizons)
        The labels table.
    scores : DataFrame of shape (n_scores, n_columns)
        The scores of these predictions.
    horizon : str
        Such as ``21d``.
    execution_lag_days : int
        Trading bars from signal to entry.

    Returns
    -------
    dict of str to bytes
        Rank IC over time, rank IC of every fold, returns of quantiles, calibration; and,
        where there are several paths, how scores scatter over splits and paths.
    """
    index = oof.index
    assert isinstance(index, pd.MultiIndex)
    lag = LAG_OVERLAPS * label_overlap_days(horizon, execution_lag_days=execution_lag_days)
    label = labels[f"label_{horizon}"].reindex(index)
    prediction = oof["prediction"]
    rank_ic = daily_ic(prediction, label, index)["rank_ic"]
    folds = fold_rank_ic(oof, label, lag=lag)
    quantiles = mean_quantile_returns(quantile_returns(prediction, label, index), lag=lag)
    calibrated = calibration(prediction, label, index, lag=lag)
    gallery = {
        "Rank IC over time": png(lambda axes: draw_rank_ic(axes, rank_ic)),
        "Rank IC of every fold": png(lambda axes: draw_fold_rank_ic(axes, folds)),
        "Returns by quantile of prediction": png(
            lambda axes: draw_quantile_returns(axes, quantiles)
        ),
        "Realized label against prediction": png(lambda axes: draw_calibration(axes, calibrated)),
    }
    if has_several_paths(scores):
        gallery["Scores of splits and paths"] = png(
            lambda axes: draw_score_distribution(axes, scores)
        )
    return gallery


def importance_pictures(importance: pd.DataFrame) -> Gallery:
    """Return the most important features, and whether the fold models agree on them.

    Parameters
    ----------
    importance : DataFrame of shape (n_features, n_columns)
        The feature_importance table.

    Returns
    -------
    dict of str to bytes
        The top features, and with several folds the rank correlations between folds.
    """
    kind = main_importance_kind(importance)
    by_fold = importances_by_fold(importance, kind)
    top = by_fold.head(TOP_FEATURES)
    gallery = {
        f"Top {len(top)} features": png(
            lambda axes: draw_importances(axes, top, kind=kind),
            height_px=importances_height(len(top)),
        )
    }
    if by_fold.shape[1] > 1:
        stability = importance_stability(by_fold)
        stability = stability.rename_axis(index="split", columns="split")
        gallery["Rank correlation of importances between folds"] = png(
            lambda axes: draw_heatmap(axes, stability, limit=1.0),
            height_px=heatmap_height(len(stability)),
        )
    return gallery
