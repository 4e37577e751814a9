"""One fitted model per cross-validation split, stored with a manifest.

Imputation, scaling and the model itself are fitted on the train rows of each split and
on nothing else. `manifest.json` names every file with its hash, the parameters, the
features in order, library versions and the data versions that the models were made from.
"""

from collections.abc import Iterator
from typing import Any

import dagster as dg

from model2_assets.defs.core_call import core_call
from model2_assets.defs.partitions import split_partition_key
from model2_assets.defs.publication import publish
from model2_assets.defs.region import CheckText, Region


def fitted_models_asset(region: Region) -> dg.AssetsDefinition:
    """Return the region's ``fitted_models`` asset."""

    @region.asset(
        "fitted_models",
        description=__doc__,
        inputs=("labels", "features", "cv_splits"),
        pool="training",
        partitioned=True,
        kinds=("scikitlearn", "xgboost"),
        checks={"complete": CheckText("A fitted model for every split.")},
    )
    def fitted_models(
        context: dg.AssetExecutionContext, labels: Any, features: Any, cv_splits: Any
    ) -> Iterator[Any]:
        from model2_assets.checks import check_models_complete
        from model2_assets.training import ModelRegistry, fit_models

        horizon, model = split_partition_key(context.partition_key)
        checkpoints = region.checkpoints(context)
        with core_call(context):
            fitted = fit_models(
                ModelRegistry.from_config(region.config, region.name),
                features=features,
                labels=labels,
                cv_splits=cv_splits,
                horizon=horizon,
                model=model,
                region=region.name,
                execution=region.config.execution,
                execution_lag_days=region.settings.labels.execution_lag_days,
                checkpoints=checkpoints,
            )
            with checkpoints.until_published():
                yield from publish(
                    context,
                    region,
                    fitted,
                    [check_models_complete(fitted)],
                    data_version=fitted.data_version,
                    metadata={
                        "models": len(fitted.models),
                        "folds_reused": fitted.n_reused,
                        "fit_seconds": fitted.provenance.seconds,
                        "fit_peak_rss_mb": fitted.provenance.peak_rss_bytes / 1e6,
                        "parameters": dg.MetadataValue.json(dict(fitted.provenance.params)),
                        "sample_weights": fitted.provenance.sample_weights,
                    },
                )

    return fitted_models
