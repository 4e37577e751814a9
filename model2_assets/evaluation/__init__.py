"""Scores of out-of-fold predictions, and inference for overlapping labels."""

from model2_assets.evaluation.ic import daily_ic
from model2_assets.evaluation.inference import (
    MeanInference,
    deflated_sharpe_ratio,
    label_overlap_days,
    mean_ic_inference,
)
from model2_assets.evaluation.leaderboard import OOFCorrelation, oof_rank_correlation
from model2_assets.evaluation.metrics import METRICS, Metric
from model2_assets.evaluation.overfitting import (
    BacktestOverfitting,
    probability_of_backtest_overfitting,
)
from model2_assets.evaluation.quantiles import (
    Calibration,
    calibration,
    cumulative_quantile_spread,
    decile_spread,
    mean_quantile_returns,
    quantile_returns,
    rank_autocorrelation,
    top_quantile_turnover,
)
from model2_assets.evaluation.scores import score_predictions, wide_scores
from model2_assets.evaluation.stability import population_stability
from model2_assets.evaluation.variants import try_variants

__all__ = [
    "METRICS",
    "BacktestOverfitting",
    "Calibration",
    "MeanInference",
    "Metric",
    "OOFCorrelation",
    "calibration",
    "cumulative_quantile_spread",
    "daily_ic",
    "decile_spread",
    "deflated_sharpe_ratio",
    "label_overlap_days",
    "mean_ic_inference",
    "mean_quantile_returns",
    "oof_rank_correlation",
    "population_stability",
    "probability_of_backtest_overfitting",
    "quantile_returns",
    "rank_autocorrelation",
    "score_predictions",
    "top_quantile_turnover",
    "try_variants",
    "wide_scores",
]
