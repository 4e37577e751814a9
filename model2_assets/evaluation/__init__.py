"""Scores of out-of-fold predictions, inference for overlapping labels, and pictures."""

from model2_assets.evaluation._cumulative_spread import cumulative_quantile_spread
from model2_assets.evaluation._decile_spread import decile_spread
from model2_assets.evaluation._deflated_sharpe import (
    deflated_sharpe_ratio,
    expected_maximum_sharpe,
)
from model2_assets.evaluation._fold_timeline import plot_fold_timeline
from model2_assets.evaluation._ic_distribution import IcDistribution, ic_distribution
from model2_assets.evaluation._label_overlap import label_overlap_days
from model2_assets.evaluation._metrics import daily_ic
from model2_assets.evaluation._monthly_ic import monthly_mean_ic
from model2_assets.evaluation._newey_west import MeanInference, mean_ic_inference
from model2_assets.evaluation._normal_quantiles import normal_quantiles
from model2_assets.evaluation._oof_correlation import OOFCorrelation, oof_rank_correlation
from model2_assets.evaluation._overfitting import (
    BacktestOverfitting,
    probability_of_backtest_overfitting,
)
from model2_assets.evaluation._periods import PeriodMeans, mean_by_period
from model2_assets.evaluation._population_stability import (
    PopulationStability,
    population_stability,
    stretch_stability,
)
from model2_assets.evaluation._quantile_returns import (
    mean_quantile_returns,
    quantile_returns,
)
from model2_assets.evaluation._rank_autocorrelation import rank_autocorrelation
from model2_assets.evaluation._rank_ic_changes import rank_ic_changes
from model2_assets.evaluation._score_distribution import (
    has_several_paths,
    plot_score_distribution,
)
from model2_assets.evaluation._scores import (
    HISTORY_METRICS,
    LAG_OVERLAPS,
    SCOPES,
    SCORE_METRICS,
    score_predictions,
)
from model2_assets.evaluation._turnover import top_quantile_turnover
from model2_assets.evaluation.horizon_overfitting import (
    HorizonOverfitting,
    overfitting_by_horizon,
)
from model2_assets.evaluation.leaderboard import (
    compare_partitions,
    folds_of,
    leaderboard_version,
)
from model2_assets.evaluation.partition_scores import (
    describe_scores,
    score_partition,
    wide_scores,
)

__all__ = [
    "HISTORY_METRICS",
    "LAG_OVERLAPS",
    "SCOPES",
    "SCORE_METRICS",
    "BacktestOverfitting",
    "HorizonOverfitting",
    "IcDistribution",
    "MeanInference",
    "OOFCorrelation",
    "PeriodMeans",
    "PopulationStability",
    "compare_partitions",
    "cumulative_quantile_spread",
    "daily_ic",
    "decile_spread",
    "deflated_sharpe_ratio",
    "describe_scores",
    "expected_maximum_sharpe",
    "folds_of",
    "has_several_paths",
    "ic_distribution",
    "label_overlap_days",
    "leaderboard_version",
    "mean_by_period",
    "mean_ic_inference",
    "mean_quantile_returns",
    "monthly_mean_ic",
    "normal_quantiles",
    "oof_rank_correlation",
    "overfitting_by_horizon",
    "plot_fold_timeline",
    "plot_score_distribution",
    "population_stability",
    "probability_of_backtest_overfitting",
    "quantile_returns",
    "rank_autocorrelation",
    "rank_ic_changes",
    "score_partition",
    "score_predictions",
    "stretch_stability",
    "top_quantile_turnover",
    "wide_scores",
]
