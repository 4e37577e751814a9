"""Predicates of out-of-fold predictions, plain and nested, and of their scores."""

from collections.abc import Iterator

import pandas as pd

from model2_assets.checks import (
    CheckOutcome,
    check_coverage,
    check_finite,
    check_live,
    check_made_from,
    check_nested,
    check_paths,
    check_range,
    check_rank_ic_plausible,
    check_scores_current,
    check_unaltered,
    mean_rank_ic,
)
from model2_assets.stored_checks._files import StoredFiles


def oof_predictions_outcomes(files: StoredFiles) -> Iterator[CheckOutcome]:
    """Yield what holds of the stored out-of-fold predictions; nothing is refitted."""
    from model2_assets.training import assemble_roles, rows_to_predict

    oof, labels, features = (
        files.own("oof_predictions"),
        files.shared("labels"),
        files.shared("features"),
    )
    splits, scheme = files.shared("cv_splits"), files.settings.cross_validation
    yield check_unaltered(oof)
    yield check_made_from(
        "oof_predictions",
        oof,
        labels=labels,
        features=features,
        cv_splits=splits,
        versions={"fitted_models": files.models().manifest.data_version},
    )
    roles = assemble_roles(features, labels, splits, horizon=files.horizon)
    label, never_tested = rows_to_predict(
        labels[f"label_{files.horizon}"], features, roles, covers_history=scheme.covers_history
    )
    assert isinstance(label.index, pd.MultiIndex)
    yield check_coverage(oof, label.index, never_tested=never_tested)
    yield check_finite(oof)
    yield check_range(oof, limit_bps=files.limits.prediction_bps)
    yield check_rank_ic_plausible(mean_rank_ic(oof, label), limit=files.limits.rank_ic_warn)


def oof_paths_outcomes(files: StoredFiles) -> Iterator[CheckOutcome]:
    """Yield what holds of the stored predictions of every path."""
    from model2_assets.training import OutOfFoldPaths, PathPlan, assemble_roles

    paths, oof = files.own("oof_paths"), files.own("oof_predictions")
    labels, features = files.shared("labels"), files.shared("features")
    splits = files.shared("cv_splits")
    yield check_unaltered(paths)
    yield check_made_from(
        "oof_paths",
        paths,
        labels=labels,
        features=features,
        cv_splits=splits,
        oof_predictions=oof,
        versions={"fitted_models": files.models().manifest.data_version},
    )
    roles = assemble_roles(features, labels, splits, horizon=files.horizon)
    yield from check_paths(
        OutOfFoldPaths(
            paths=paths,
            oof=oof,
            expected=roles.index[roles.tested_rows],
            plan=PathPlan.of(files.settings.cross_validation),
        ),
        limits=files.limits,
    )


def nested_oof_outcomes(files: StoredFiles) -> Iterator[CheckOutcome]:
    """Yield what holds of the stored nested predictions; their splits are proved again."""
    from model2_assets.training import stored_nested

    nested = files.own("nested_oof")
    labels, features = files.shared("labels"), files.shared("features")
    splits = files.shared("cv_splits")
    yield check_unaltered(nested)
    yield check_made_from("nested_oof", nested, labels=labels, features=features, cv_splits=splits)
    candidate = stored_nested(
        nested,
        features=features,
        labels=labels,
        cv_splits=splits,
        horizon=files.horizon,
        config=files.settings.cross_validation,
    )
    yield from check_nested(candidate, limits=files.limits)


def cv_scores_outcomes(files: StoredFiles) -> Iterator[CheckOutcome]:
    """Yield what holds of the stored scores: they are those of the stored predictions."""
    from model2_assets.evaluation import score_partition

    recomputed = score_partition(
        files.own("oof_predictions"),
        files.own("oof_paths"),
        files.shared("labels"),
        horizon=files.horizon,
        model=files.model,
        execution_lag_days=files.settings.labels.execution_lag_days,
        n_trials=len(files.partitions),
    )
    yield check_scores_current(files.own("cv_scores"), recomputed)


def live_predictions_outcomes(files: StoredFiles) -> Iterator[CheckOutcome]:
    """Yield what holds of the stored live predictions."""
    from model2_assets.training import LivePredictions

    live, paths = files.own("live_predictions"), files.own("oof_paths")
    panel, labels = files.shared("market_data"), files.shared("labels")
    features = files.shared("features")
    yield check_unaltered(live)
    yield check_made_from(
        "live_predictions",
        live,
        market_data=panel,
        labels=labels,
        features=features,
        oof_predictions=files.own("oof_predictions"),
        versions={"final_models": files.models("final_models").manifest.data_version},
    )
    bars = files.settings.labels.execution_lag_days + int(files.horizon.removesuffix("d"))
    yield from check_live(
        LivePredictions(live, bars),
        market_data=panel,
        labels=labels,
        features=features,
        oof_paths=paths,
        horizon=files.horizon,
        limits=files.limits,
    )
