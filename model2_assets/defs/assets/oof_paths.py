"""Every out-of-fold prediction in basis points: one for each split that tests a row.

`oof_predictions` holds the mean of a row's predictions, here are all of them, with the
split and the path that each belongs to. A path is one complete history, put together
from one prediction of every row. With one test group at a time there is a single path, the
out-of-fold predictions themselves. The spread over a row's predictions says how much the
train rows matter; the splits share most of these, so it is no standard error.
"""

from collections.abc import Iterator
from typing import Any

import dagster as dg

from model2_assets.defs.core_call import core_call
from model2_assets.defs.publication import publish
from model2_assets.defs.region import CheckText, Region


def oof_paths_asset(region: Region) -> dg.AssetsDefinition:
    """Return the region's ``oof_paths`` asset."""
    limits = region.config.checks

    @region.asset(
        "oof_paths",
        description=__doc__,
        inputs=("labels", "features", "cv_splits", "fitted_models", "oof_predictions"),
        pool="training",
        partitioned=True,
        kinds=("pandas",),
        checks={
            "contract": CheckText("Names, types, ranges, key and order of OOFPaths."),
            "finite": CheckText("Every prediction is a finite number."),
            "range": CheckText(f"Within ±{limits.prediction_bps:g} bps, without any clipping."),
            "predictions_per_row": CheckText("Every row has one prediction on every path."),
            "paths_complete": CheckText(
                "Every path has every row once, from the split that the splitter puts there."
            ),
            "mean_is_oof": CheckText(
                "The mean of a row's predictions is what oof_predictions holds, to the bit."
            ),
        },
    )
    def oof_paths(
        context: dg.AssetExecutionContext,
        labels: Any,
        features: Any,
        cv_splits: Any,
        fitted_models: Any,
        oof_predictions: Any,
    ) -> Iterator[Any]:
        from model2_assets.checks import check_paths
        from model2_assets.provenance import facts_of
        from model2_assets.training import make_paths

        with core_call(context):
            made = make_paths(
                fitted_models,
                oof_predictions,
                features=features,
                labels=labels,
                cv_splits=cv_splits,
                config=region.settings.cross_validation,
            )
            facts = facts_of(made.paths)
            spread = made.paths["prediction_std"].dropna()
            yield from publish(
                context,
                region,
                made.paths,
                check_paths(made, limits=limits),
                data_version=made.data_version,
                metadata={
                    "dagster/row_count": len(made.paths),
                    "splits": facts["n_splits"],
                    "paths": facts["n_paths"],
                    **({"mean_prediction_std_bps": float(spread.mean())} if len(spread) else {}),
                },
            )

    return oof_paths
