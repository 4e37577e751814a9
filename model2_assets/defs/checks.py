"""Checks of what is on disk: they read it again and evaluate it afresh."""

from typing import Any

import dagster as dg

from model2_assets.defs.core_call import core_call
from model2_assets.defs.publication import check_result
from model2_assets.defs.region import Region

STORED_MODELS = "stored_models_reproduce_oof"
NULL_CONTROL = "null_control"
LOOKAHEAD_CONTROL = "lookahead_control"


def region_checks(region: Region) -> list[dg.AssetChecksDefinition]:
    """Return the checks of a region that reread what is on disk."""
    return [lookahead_check(region), null_check(region), stored_models_check(region)]


def lookahead_check(region: Region) -> dg.AssetChecksDefinition:
    """Return the check that features do not change when the future is unknown."""
    limits = region.config.checks

    @dg.asset_check(
        asset=region.key("features"),
        name=LOOKAHEAD_CONTROL,
        description=(
            f"Recomputed on history that ends at each of {limits.lookahead_control_dates} sampled "
            f"dates, features are the same to the bit, so they use nothing that comes later."
        ),
        blocking=True,
        additional_ins=region.inputs("market_data"),
    )
    def lookahead_control(
        context: dg.AssetCheckExecutionContext, features: Any, market_data: Any
    ) -> dg.AssetCheckResult:
        from model2_assets.checks import check_lookahead_control
        from model2_assets.controls import lookahead_control as control_lookahead

        with core_call(context):
            control = control_lookahead(
                features,
                market_data,
                region.settings.features,
                n_dates=limits.lookahead_control_dates,
                seed=limits.controls_seed,
            )
            return check_result(check_lookahead_control(control))

    return lookahead_control


def null_check(region: Region) -> dg.AssetChecksDefinition:
    """Return the check that labels which mean nothing are predicted no better than by chance."""
    limits = region.config.checks

    @dg.asset_check(
        asset=region.key("cv_splits"),
        name=NULL_CONTROL,
        description=(
            f"Ridge, fitted by these splits on labels permuted within each date, "
            f"{limits.null_control_permutations} times: the mean rank IC lies within three Monte "
            f"Carlo errors of zero, so no label of a test row reaches a fit."
        ),
        blocking=True,
        additional_ins=region.inputs("features", "labels"),
    )
    def null_control(
        context: dg.AssetCheckExecutionContext, cv_splits: Any, features: Any, labels: Any
    ) -> dg.AssetCheckResult:
        from model2_assets.checks import check_null_control
        from model2_assets.controls import null_control as control_null
        from model2_assets.training.fitting import assemble_current_data

        with core_call(context):
            controls = {}
            for horizon in region.settings.labels.horizon_keys:
                data, _ = assemble_current_data(
                    features=features, labels=labels, cv_splits=cv_splits, horizon=horizon
                )
                controls[horizon] = control_null(
                    data,
                    n_permutations=limits.null_control_permutations,
                    seed=limits.controls_seed,
                    n_threads=region.config.execution.n_jobs,
                )
            return check_result(check_null_control(controls))

    return null_control


def stored_models_check(region: Region) -> dg.AssetChecksDefinition:
    """Return the check that the stored fold models reproduce the stored predictions."""

    @dg.asset_check(
        asset=region.key("oof_predictions"),
        name=STORED_MODELS,
        description="The fold models on disk predict, to the bit, what is stored.",
        blocking=True,
        partitions_def=region.partitions,
        additional_ins=region.inputs("fitted_models", "labels", "features", "cv_splits"),
    )
    def stored_models_reproduce_oof(
        context: dg.AssetCheckExecutionContext,
        oof_predictions: Any,
        fitted_models: Any,
        labels: Any,
        features: Any,
        cv_splits: Any,
    ) -> dg.AssetCheckResult:
        from model2_assets.checks import check_reproduced
        from model2_assets.training import predict_stored

        with core_call(context):
            predicted, _ = predict_stored(
                fitted_models, features=features, labels=labels, cv_splits=cv_splits
            )
            return check_result(check_reproduced(oof_predictions, predicted))

    return stored_models_reproduce_oof
