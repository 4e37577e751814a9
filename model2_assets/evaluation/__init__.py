"""Scores of out-of-fold predictions, and inference for overlapping labels."""

from model2_assets.evaluation._calibration import Calibration, calibration
from model2_assets.evaluation._cumulative_spread import cumulative_quantile_spread
from model2_assets.evaluation._date_roles import most_frequent_roles
from model2_assets.evaluation._decile_spread import decile_spread
from model2_assets.evaluation._deflated_sharpe import (
    deflated_sharpe_ratio,
    expected_maximum_sharpe,
)
from model2_assets.evaluation._feature_coverage import (
    feature_coverage,
    incomplete_features,
    missing_by_column,
)
from model2_assets.evaluation._fold_rank_ic import fold_rank_ic
from model2_assets.evaluation._histogram import Histogram, histogram, reach_of
from model2_assets.evaluation._ic_distribution import IcDistribution, ic_distribution
from model2_assets.evaluation._importance_stability import (
    fold_agreement,
    importance_stability,
    importances_by_fold,
    main_importance_kind,
)
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
    has_several_paths,
    score_partition,
    wide_scores,
)

__all__ = [
    "HISTORY_METRICS",
    "LAG_OVERLAPS",
    "SCOPES",
    "SCORE_METRICS",
    "BacktestOverfitting",
    "Calibration",
    "Histogram",
    "HorizonOverfitting",
    "IcDistribution",
    "MeanInference",
    "OOFCorrelation",
    "PeriodMeans",
    "PopulationStability",
    "calibration",
    "compare_partitions",
    "cumulative_quantile_spread",
    "daily_ic",
    "decile_spread",
    "deflated_sharpe_ratio",
    "describe_scores",
    "expected_maximum_sharpe",
    "feature_coverage",
    "fold_agreement",
    "fold_rank_ic",
    "folds_of",
    "has_several_paths",
    "histogram",
    "ic_distribution",
    "importance_stability",
    "importances_by_fold",
    "incomplete_features",
    "label_overlap_days",
    "leaderboard_version",
    "main_importance_kind",
    "mean_by_period",
    "mean_ic_inference",
    "mean_quantile_returns",
    "missing_by_column",
    "monthly_mean_ic",
    "most_frequent_roles",
    "normal_quantiles",
    "oof_rank_correlation",
    "overfitting_by_horizon",
    "population_stability",
    "probability_of_backtest_overfitting",
    "quantile_returns",
    "rank_autocorrelation",
    "rank_ic_changes",
    "reach_of",
    "score_partition",
    "score_predictions",
    "stretch_stability",
    "top_quantile_turnover",
    "wide_scores",
]
