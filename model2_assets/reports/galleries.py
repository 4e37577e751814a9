"""The pictures that belong to each table of the graph: PNG by title, 900 pixels wide."""

from collections.abc import Sequence

import pandas as pd

from model2_assets.evaluation.scores import has_several_paths
from model2_assets.evaluation.stability import feature_coverage
from model2_assets.reports import data_charts
from model2_assets.reports.canvas import png
from model2_assets.reports.tear_sheet import (
    PartitionStatistics,
    calibration_chart,
    fold_chart,
    importance_charts,
    prediction_chart,
    quantile_chart,
    rank_ic_chart,
    score_distribution_chart,
)

Gallery = dict[str, bytes]


def label_pictures(labels: pd.DataFrame, horizons: Sequence[str]) -> Gallery:
    """Return the distribution of every horizon's label."""
    draw = data_charts.draw_label_distribution
    return {
        f"Distribution of the {horizon} label": png(draw, labels[f"label_{horizon}"])
        for horizon in horizons
    }


def feature_pictures(features: pd.DataFrame, universe: pd.MultiIndex) -> Gallery:
    """Return how complete the features of the universe's members are over time."""
    coverage = feature_coverage(features, universe)
    return {"Feature coverage over time": png(data_charts.draw_feature_coverage, coverage)}


def split_pictures(splits: pd.DataFrame) -> Gallery:
    """Return what every date does in every split."""
    height_px = data_charts.fold_timeline_height(splits)
    return {"Fold timeline": png(data_charts.draw_fold_timeline, splits, height_px=height_px)}


def prediction_pictures(oof: pd.DataFrame, *, limit_bps: float) -> Gallery:
    """Return the distribution of the predictions against their limits, bps."""
    chart = prediction_chart(oof, limit_bps)
    return {chart.title: chart.png}


def score_pictures(
    oof: pd.DataFrame,
    labels: pd.DataFrame,
    scores: pd.DataFrame,
    *,
    horizon: str,
    execution_lag_days: int,
) -> Gallery:
    """Return how good the predictions of one horizon and model were, as the tear sheet does."""
    found = PartitionStatistics(oof, labels, horizon, execution_lag_days)
    charts = {chart.title: chart for chart in (rank_ic_chart(found), fold_chart(found))}
    charts["Returns by quantile of prediction"] = quantile_chart(found)
    charts["Realized label against prediction"] = calibration_chart(found)
    if has_several_paths(scores):
        charts["Scores of splits and paths"] = score_distribution_chart(scores)
    return {title: chart.png for title, chart in charts.items()}


def importance_pictures(importance: pd.DataFrame) -> Gallery:
    """Return the most important features, and whether several fold models agree on them."""
    features, agreement = importance_charts(importance)
    gallery = {f"Top {len(features.data)} features": features.png}
    if len(agreement.data) > 1:
        gallery["Rank correlation of importances between folds"] = agreement.png
    return gallery
