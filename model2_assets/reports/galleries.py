"""The pictures that belong to each table of the graph: PNG by title, 900 pixels wide."""

from collections.abc import Sequence
from functools import partial

import pandas as pd

from model2_assets.evaluation import calibration, mean_quantile_returns
from model2_assets.evaluation.scores import has_several_paths
from model2_assets.evaluation.stability import (
    feature_coverage,
    importance_stability,
    importances_by_fold,
    main_importance_kind,
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
    RANK_IC,
    draw_calibration,
    draw_fold_rank_ic,
    draw_quantile_returns,
    draw_rank_ic,
    draw_score_distribution,
)
from model2_assets.reports.tear_sheet import TOP_FEATURES, PartitionStatistics

Gallery = dict[str, bytes]


def label_pictures(labels: pd.DataFrame, horizons: Sequence[str]) -> Gallery:
    """Return the distribution of every horizon's label."""
    return {
        f"Distribution of the {horizon} label": png(
            draw_label_distribution, labels[f"label_{horizon}"]
        )
        for horizon in horizons
    }


def feature_pictures(features: pd.DataFrame, universe: pd.MultiIndex) -> Gallery:
    """Return how complete the features of the universe's members are over time."""
    coverage = feature_coverage(features, universe)
    return {"Feature coverage over time": png(draw_feature_coverage, coverage)}


def split_pictures(splits: pd.DataFrame) -> Gallery:
    """Return what every date does in every split."""
    height = fold_timeline_height(splits)
    return {"Fold timeline": png(draw_fold_timeline, splits, height_px=height)}


def prediction_pictures(oof: pd.DataFrame, *, limit_bps: float) -> Gallery:
    """Return the distribution of the predictions against their limits, bps."""
    draw = partial(draw_prediction_distribution, limit_bps=limit_bps)
    return {"Distribution of the predictions": png(draw, oof["prediction"])}


def score_pictures(
    oof: pd.DataFrame,
    labels: pd.DataFrame,
    scores: pd.DataFrame,
    *,
    horizon: str,
    execution_lag_days: int,
) -> Gallery:
    """Return how good the predictions of one horizon and model were.

    Where there are several paths, how scores scatter over splits and paths is among them.
    """
    found = PartitionStatistics(oof, labels, horizon, execution_lag_days)
    calibrated = calibration(found.prediction, found.label, found.index, lag=found.lag)
    quantiles = mean_quantile_returns(found.quantiles, lag=found.lag)
    gallery = {
        f"{RANK_IC.title} over time": png(draw_rank_ic, found.rank_ic),
        f"{RANK_IC.title} of every fold": png(draw_fold_rank_ic, found.folds),
        "Returns by quantile of prediction": png(draw_quantile_returns, quantiles),
        "Realized label against prediction": png(draw_calibration, calibrated),
    }
    if has_several_paths(scores):
        gallery["Scores of splits and paths"] = png(draw_score_distribution, scores)
    return gallery


def importance_pictures(importance: pd.DataFrame) -> Gallery:
    """Return the most important features, and whether several fold models agree on them."""
    kind = main_importance_kind(importance)
    by_fold = importances_by_fold(importance, kind)
    top = by_fold.head(TOP_FEATURES)
    draw, height = partial(draw_importances, kind=kind), importances_height(len(top))
    gallery = {f"Top {len(top)} features": png(draw, top, height_px=height)}
    if by_fold.shape[1] > 1:
        stability = importance_stability(by_fold).rename_axis(index="split", columns="split")
        draw, height = partial(draw_heatmap, limit=1.0), heatmap_height(len(stability))
        title = "Rank correlation of importances between folds"
        gallery[title] = png(draw, stability, height_px=height)
    return gallery
