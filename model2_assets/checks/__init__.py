"""Predicates behind the asset checks, as plain functions that return a `CheckOutcome`."""

from model2_assets.checks._budget import check_within_budget
from model2_assets.checks._candidate import check_out_of_fold, mean_rank_ic
from model2_assets.checks._contract import check_contract
from model2_assets.checks._controls import check_lookahead_control, check_null_control
from model2_assets.checks._drift import check_oof_drift
from model2_assets.checks._freshness import check_fresh
from model2_assets.checks._history import check_history_unchanged
from model2_assets.checks._inputs import check_features_consistent, check_labels_consistent
from model2_assets.checks._leaderboard import check_partitions_current, check_rank_ic_held
from model2_assets.checks._live import (
    check_live,
    check_live_coverage,
    check_newest_date,
    check_resembles_oof,
    expected_live_rows,
)
from model2_assets.checks._models import (
    check_every_feature,
    check_final_complete,
    check_models_complete,
    check_stored_final_complete,
)
from model2_assets.checks._nested import check_nested, check_nested_coverage
from model2_assets.checks._out_of_fold import (
    check_coverage,
    check_determinism,
    check_finite,
    check_range,
    check_rank_ic_plausible,
    check_repeatable,
    check_reproduced,
)
from model2_assets.checks._outcome import CheckOutcome, failed_errors, rejections
from model2_assets.checks._paths import (
    check_mean_is_oof,
    check_paths,
    check_paths_complete,
    check_predictions_per_row,
    row_positions,
)
from model2_assets.checks._reports import (
    check_report,
    check_report_complete,
    check_report_size,
    check_self_contained,
)
from model2_assets.checks._scores import (
    check_same_inputs,
    check_scores_complete,
)
from model2_assets.checks._splits import check_minimum_samples, check_no_label_overlap
from model2_assets.checks._stacking import (
    check_columns,
    check_join_complete,
    check_one_vintage,
    check_side_by_side,
    check_stacking_frame,
)
from model2_assets.checks._stored import (
    check_board_current,
    check_made_from,
    check_models_current,
    check_recorded,
    check_scores_current,
    check_splits_complete,
    check_unaltered,
)

__all__ = [
    "CheckOutcome",
    "check_board_current",
    "check_columns",
    "check_contract",
    "check_coverage",
    "check_determinism",
    "check_every_feature",
    "check_features_consistent",
    "check_final_complete",
    "check_finite",
    "check_fresh",
    "check_history_unchanged",
    "check_join_complete",
    "check_labels_consistent",
    "check_live",
    "check_live_coverage",
    "check_lookahead_control",
    "check_made_from",
    "check_mean_is_oof",
    "check_minimum_samples",
    "check_models_complete",
    "check_models_current",
    "check_nested",
    "check_nested_coverage",
    "check_newest_date",
    "check_no_label_overlap",
    "check_null_control",
    "check_one_vintage",
    "check_oof_drift",
    "check_out_of_fold",
    "check_partitions_current",
    "check_paths",
    "check_paths_complete",
    "check_predictions_per_row",
    "check_range",
    "check_rank_ic_held",
    "check_rank_ic_plausible",
    "check_recorded",
    "check_repeatable",
    "check_report",
    "check_report_complete",
    "check_report_size",
    "check_reproduced",
    "check_resembles_oof",
    "check_same_inputs",
    "check_scores_complete",
    "check_scores_current",
    "check_self_contained",
    "check_side_by_side",
    "check_splits_complete",
    "check_stacking_frame",
    "check_stored_final_complete",
    "check_unaltered",
    "check_within_budget",
    "expected_live_rows",
    "failed_errors",
    "mean_rank_ic",
    "rejections",
    "row_positions",
]
