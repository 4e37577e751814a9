"""Scores of out-of-fold predictions, inference for overlapping labels, and pictures."""

from model2_assets.evaluation._fold_timeline import plot_fold_timeline
from model2_assets.evaluation._metrics import daily_ic
from model2_assets.evaluation._newey_west import MeanInference, mean_ic_inference
from model2_assets.evaluation._scores import INFERENCE_METRICS, SCORE_METRICS, score_predictions
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
    "INFERENCE_METRICS",
    "SCORE_METRICS",
    "MeanInference",
    "compare_partitions",
    "daily_ic",
    "describe_scores",
    "folds_of",
    "leaderboard_version",
    "mean_ic_inference",
    "plot_fold_timeline",
    "score_partition",
    "score_predictions",
    "wide_scores",
]
