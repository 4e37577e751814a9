"""Predicates of fold models and of what is derived from them."""

from collections.abc import Iterator

from model2_assets.checks import (
    CheckOutcome,
    check_every_feature,
    check_made_from,
    check_models_current,
    check_splits_complete,
    check_stored_final_complete,
    check_unaltered,
)
from model2_assets.stored_checks._files import StoredFiles


def fitted_models_outcomes(files: StoredFiles) -> Iterator[CheckOutcome]:
    """Yield what holds of the stored fold models."""
    from model2_assets.cross_validation import split_ids
    from model2_assets.provenance import data_versions_of

    manifest, splits = files.models().manifest, files.shared("cv_splits")
    yield check_splits_complete([fold.split_id for fold in manifest.folds], split_ids(splits))
    yield check_models_current(
        "fitted_models",
        manifest.data_versions,
        data_versions_of(
            labels=files.shared("labels"), features=files.shared("features"), cv_splits=splits
        ),
    )


def feature_importance_outcomes(files: StoredFiles) -> Iterator[CheckOutcome]:
    """Yield what holds of the stored importances."""
    importance, manifest = files.own("feature_importance"), files.models().manifest
    yield check_unaltered(importance)
    yield check_made_from(
        "feature_importance", importance, versions={"fitted_models": manifest.data_version}
    )
    yield check_every_feature(importance, manifest.feature_names)


def final_models_outcomes(files: StoredFiles) -> Iterator[CheckOutcome]:
    """Yield what holds of the stored final model."""
    from model2_assets.provenance import data_versions_of

    manifest = files.models("final_models").manifest
    features, labels = files.shared("features"), files.shared("labels")
    yield check_models_current(
        "final_models",
        manifest.data_versions,
        data_versions_of(
            features=features, labels=labels, oof_predictions=files.own("oof_predictions")
        ),
    )
    yield check_stored_final_complete(manifest, features=features, labels=labels)
