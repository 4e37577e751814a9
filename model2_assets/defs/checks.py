"""Checks of what is on disk: they read it again and evaluate it afresh.

The nightly retrain requests assets only. There `oof_paths` has the same comparison in its
body: it predicts afresh by the stored models and compares with the stored predictions.
"""

from typing import Any

import dagster as dg

from model2_assets.defs.core_call import core_call
from model2_assets.defs.publication import check_result
from model2_assets.defs.region import Region

STORED_MODELS = "stored_models_reproduce_oof"


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
