"""How much every feature matters to the fold models, with its spread over folds.

XGBoost gives gain and weight, 0 where a feature is unused; linear models give
standardized coefficients. Columns of kinds that a model does not have are null.
"""

from collections.abc import Iterator
from typing import Any

import dagster as dg

from model2_assets.defs.core_call import core_call
from model2_assets.defs.metadata import table
from model2_assets.defs.partitions import split_partition_key
from model2_assets.defs.publication import publish
from model2_assets.defs.region import CheckText, Region


def feature_importance_asset(region: Region) -> dg.AssetsDefinition:
    """Return the region's ``feature_importance`` asset."""

    @region.asset(
        "feature_importance",
        description=__doc__,
        inputs=("fitted_models",),
        partitioned=True,
        kinds=("pandas",),
        checks={
            "contract": CheckText("Names, types, ranges and key of FeatureImportance."),
            "every_feature": CheckText("A row for every feature that the models were given."),
        },
    )
    def feature_importance(context: dg.AssetExecutionContext, fitted_models: Any) -> Iterator[Any]:
        from model2_assets.charts import TOP_FEATURES, importance_pictures
        from model2_assets.checks import check_contract, check_every_feature
        from model2_assets.data_version import table_digest
        from model2_assets.evaluation import fold_agreement
        from model2_assets.provenance import with_provenance
        from model2_assets.training import aggregate_importances, top_importances

        horizon, model = split_partition_key(context.partition_key)
        with core_call(context):
            importance = aggregate_importances(list(fitted_models))
            version = table_digest(importance)
            manifest = fitted_models.manifest
            marked = with_provenance(
                importance,
                data_version=version,
                inputs={"fitted_models": manifest.data_version},
                horizon=horizon,
                model=model,
                libraries=dict(manifest.library_versions),
            )
            top = top_importances(importance, TOP_FEATURES)
            context.log.info(f"top {len(top)} features:\n{top.to_string(index=False)}")
            yield from publish(
                context,
                region,
                marked,
                [
                    check_contract(importance, "FeatureImportance"),
                    check_every_feature(importance, manifest.feature_names),
                ],
                data_version=version,
                metadata={
                    "dagster/row_count": len(importance),
                    "mean_rank_correlation_of_folds": fold_agreement(importance),
                    "top_features": table(top),
                },
                pictures=lambda: importance_pictures(importance),
            )

    return feature_importance
