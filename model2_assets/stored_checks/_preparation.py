"""Predicates of what all partitions share: market data, labels, features, splits."""

from collections.abc import Iterator
from datetime import UTC, datetime

from model2_assets.checks import (
    CheckOutcome,
    check_features_consistent,
    check_fresh,
    check_labels_consistent,
    check_lookahead_control,
    check_made_from,
    check_minimum_samples,
    check_no_label_overlap,
    check_unaltered,
)
from model2_assets.stored_checks._files import StoredFiles


def market_data_outcomes(files: StoredFiles) -> Iterator[CheckOutcome]:
    """Yield what holds of the stored market data."""
    panel = files.shared("market_data")
    yield check_unaltered(panel)
    yield check_fresh(
        panel.index.get_level_values("datetime").max().date(),
        now=datetime.now(UTC),
        timezone=files.config.schedule.timezone,
        max_age_weekdays=files.settings.market_data.max_age_weekdays,
    )


def labels_outcomes(files: StoredFiles) -> Iterator[CheckOutcome]:
    """Yield what holds of the stored labels."""
    labels, panel = files.shared("labels"), files.shared("market_data")
    yield check_unaltered(labels)
    yield check_made_from("labels", labels, market_data=panel)
    yield check_labels_consistent(
        labels,
        panel,
        horizons=files.settings.labels.horizon_keys,
        execution_lag_days=files.settings.labels.execution_lag_days,
    )


def features_outcomes(files: StoredFiles) -> Iterator[CheckOutcome]:
    """Yield what holds of the stored features; history is cut and they are computed again."""
    from model2_assets.controls import lookahead_control

    features, panel = files.shared("features"), files.shared("market_data")
    yield check_unaltered(features)
    yield check_made_from("features", features, market_data=panel)
    yield check_features_consistent(features, panel)
    yield check_lookahead_control(
        lookahead_control(
            features,
            panel,
            files.settings.features,
            n_dates=files.limits.lookahead_control_dates,
            seed=files.limits.controls_seed,
        )
    )


def cv_splits_outcomes(files: StoredFiles) -> Iterator[CheckOutcome]:
    """Yield what holds of the stored splits, counted from the stored labels."""
    from model2_assets.cross_validation import prove_no_overlap

    splits, labels = files.shared("cv_splits"), files.shared("labels")
    yield check_unaltered(splits)
    yield check_made_from("cv_splits", splits, labels=labels, features=files.shared("features"))
    yield check_no_label_overlap(prove_no_overlap(splits, labels))
    yield check_minimum_samples(
        splits, labels, min_samples=files.settings.cross_validation.min_samples
    )
