"""Out-of-fold predictions in basis points, one for every row with features and a label.

Each is made by models that saw neither the row nor any label overlapping its longest
window, and is never clipped; where several splits test a row, it is their mean, which
flatters: one model's predictions are in `oof_paths`. A walk-forward predicts the rows of
its test groups only. None of this makes the own score of a model stacked on these columns
unbiased: the predictions of its train rows come from models that saw its test labels.
That needs nested (`cross_validation.nested`) or walk-forward out-of-fold predictions.
"""

from collections.abc import Iterator
from typing import Any

import dagster as dg

from model2_assets.defs.core_call import core_call
from model2_assets.defs.publication import publish
from model2_assets.defs.region import CheckText, Region


def oof_predictions_asset(region: Region) -> dg.AssetsDefinition:
    """Return the region's ``oof_predictions`` asset."""
    limits = region.config.checks

    @region.asset(
        "oof_predictions",
        description=__doc__,
        inputs=("labels", "features", "cv_splits", "fitted_models"),
        pool="training",
        partitioned=True,
        kinds=("pandas",),
        checks={
            "contract": CheckText("Names, types, key and order of OOFPredictions."),
            "coverage": CheckText(
                "Every row with features and a label, exactly once; under a walk-forward or a "
                "splitter of your own, every such row that is tested."
            ),
            "finite": CheckText("Every prediction is a finite number."),
            "range": CheckText(f"Within ±{limits.prediction_bps:g} bps, without any clipping."),
            "determinism": CheckText(
                "Refitting one fold from the stored inputs gives the same predictions."
            ),
            "repeatable": CheckText(
                "The stored fold models, read and asked once more, predict the same to the bit."
            ),
            "rank_ic_plausible": CheckText(
                f"A mean rank IC above {limits.rank_ic_warn:g} warns of a leak.",
                blocking=False,
            ),
            "oof_drift": CheckText(
                f"Rows that were predicted before are predicted alike: mean per-date rank "
                f"correlation of at least {limits.oof_drift_rank_correlation:g}, differences of "
                f"at most {limits.oof_drift_bps:g} bps.",
                blocking=False,
            ),
        },
    )
    def oof_predictions(
        context: dg.AssetExecutionContext,
        labels: Any,
        features: Any,
        cv_splits: Any,
        fitted_models: Any,
    ) -> Iterator[Any]:
        from model2_assets.charts import prediction_pictures
        from model2_assets.checks import check_oof_drift, check_out_of_fold
        from model2_assets.previous_result import previous_result
        from model2_assets.training import ModelRegistry, make_out_of_fold

        with core_call(context):
            made = make_out_of_fold(
                ModelRegistry.from_config(region.config, region.name),
                fitted_models,
                features=features,
                labels=labels,
                cv_splits=cv_splits,
                execution_lag_days=region.settings.labels.execution_lag_days,
                covers_history=region.settings.cross_validation.covers_history,
                n_threads=region.config.execution.n_jobs,
            )
            before = previous_result(region.store, region.address(context))
            outcomes = [
                *check_out_of_fold(made, limits=limits),
                check_oof_drift(
                    made.oof,
                    before.table,
                    min_rank_correlation=limits.oof_drift_rank_correlation,
                    max_bps=limits.oof_drift_bps,
                    problem=before.problem,
                ),
            ]
            values = {name: value for o in outcomes for name, value in o.values.items()}
            yield from publish(
                context,
                region,
                made.oof,
                outcomes,
                data_version=made.data_version,
                metadata={
                    "dagster/row_count": len(made.oof),
                    "coverage": values["coverage"],
                    "largest_bps": values["largest_bps"],
                    "determinism_difference_bps": made.determinism_difference_bps,
                    "rank_ic": values["rank_ic"],
                },
                pictures=lambda: prediction_pictures(made.oof, limit_bps=limits.prediction_bps),
            )

    return oof_predictions
