"""Predicates of what compares the partitions."""

from collections.abc import Iterator

from model2_assets.checks import (
    CheckOutcome,
    check_board_current,
    check_same_inputs,
    check_scores_complete,
    check_stacking_frame,
    check_unaltered,
    check_within_budget,
)
from model2_assets.stored_checks._files import StoredFiles


def leaderboard_outcomes(files: StoredFiles) -> Iterator[CheckOutcome]:
    """Yield what holds of the stored leaderboard and of the partitions that it compares."""
    from model2_assets.evaluation import folds_of
    from model2_assets.provenance import data_version_of

    scores, oof = files.every("cv_scores"), files.every("oof_predictions")
    manifests = {key: found.manifest for key, found in files.every("fitted_models").items()}
    yield check_board_current(
        files.shared("leaderboard"), {key: data_version_of(table) for key, table in oof.items()}
    )
    yield check_scores_complete(
        scores,
        partitions=files.partition_keys,
        n_folds=folds_of(oof),
        n_splits={key: len(manifest.folds) for key, manifest in manifests.items()},
    )
    yield check_same_inputs(oof, models={key: kept.data_version for key, kept in manifests.items()})
    yield check_within_budget(
        sum(manifest.total_bytes for manifest in manifests.values()), budgets=files.limits
    )


def stacking_frame_outcomes(files: StoredFiles) -> Iterator[CheckOutcome]:
    """Yield what holds of the stored stacking frame, compared with the stored predictions."""
    frame = files.shared("stacking_frame")
    yield check_unaltered(frame)
    yield from check_stacking_frame(
        frame,
        files.every("oof_predictions"),
        labels=files.shared("labels"),
        cv_splits=files.shared("cv_splits"),
        partitions=files.partition_keys,
    )
