"""The model that trades: one for each horizon and model, refitted on all labelled rows.

Trainer, parameters, seed and weights of rows are those of the fold models. It is made only
from out-of-fold predictions that passed their checks and belong to the stored fold models,
features and labels, so what failed its validation never trades. Nothing is held out: its
score is that of the fold models. `manifest.json` says that it is a final model, how many
rows it was trained on, their first and last date, and when their labels end.
"""

from collections.abc import Iterator
from typing import Any

import dagster as dg

from model2_assets.defs.core_call import core_call
from model2_assets.defs.publication import publish
from model2_assets.defs.region import CheckText, Region


def final_models_asset(region: Region) -> dg.AssetsDefinition:
    """Return the region's ``final_models`` asset."""

    @region.asset(
        "final_models",
        description=__doc__,
        inputs=("labels", "features", "fitted_models", "oof_predictions"),
        pool="training",
        partitioned=True,
        kinds=("scikitlearn", "xgboost"),
        checks={
            "complete": CheckText(
                "One model, trained on every row with features and a label; the rows are found "
                "once more by a join of the two tables."
            )
        },
    )
    def final_models(
        context: dg.AssetExecutionContext,
        labels: Any,
        features: Any,
        fitted_models: Any,
        oof_predictions: Any,
    ) -> Iterator[Any]:
        from dataclasses import asdict

        from model2_assets.checks import check_final_complete
        from model2_assets.training import ModelRegistry, fit_final_model

        with core_call(context):
            fitted = fit_final_model(
                ModelRegistry.from_config(region.config, region.name),
                fitted_models.manifest,
                oof_predictions,
                features=features,
                labels=labels,
                execution=region.config.execution,
                execution_lag_days=region.settings.labels.execution_lag_days,
            )
            provenance = fitted.provenance
            assert provenance.trained_on is not None
            yield from publish(
                context,
                region,
                fitted,
                [check_final_complete(fitted, features=features, labels=labels)],
                data_version=fitted.data_version,
                metadata={
                    **asdict(provenance.trained_on),
                    "fit_seconds": provenance.seconds,
                    "fit_peak_rss_mb": provenance.peak_rss_bytes / 1e6,
                    "parameters": dg.MetadataValue.json(dict(provenance.params)),
                    "sample_weights": provenance.sample_weights,
                },
            )

    return final_models
