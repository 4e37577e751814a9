"""Nested out-of-fold predictions in basis points: what a stacked model may train on.

For every outer fold, the rows of its train set, each predicted by a model that saw neither
the outer fold nor the row's own fold and was purged around both. A model stacked on these
columns, trained on the lines of one outer fold and scored on `oof_predictions` of that
fold, does not know the labels that it is scored on, so its score is unbiased. What it
does not give: the nested models train on one fold less than those that predict the outer
fold, and like all cross-validation they train on the future; neither is a backtest.
"""

from collections.abc import Iterator
from typing import Any

import dagster as dg

from model2_assets.defs.publication import publish
from model2_assets.defs.region import CheckText, Region
from model2_assets.defs.steps import core_call

_NESTED_OOF = """Nested out-of-fold predictions in basis points: what a stacked model may train on.

For every outer fold, the rows of its train set, each predicted by a model that saw neither
the outer fold nor the row's own fold and was purged around both. A model stacked on these
columns, trained on the lines of one outer fold and scored on `oof_predictions` of that
fold, does not know the labels that it is scored on, so its score is unbiased. What it
does not give: the nested models train on one fold less than those that predict the outer
fold, and like all cross-validation they train on the future; neither is a backtest.
"""


def nested_oof_asset(region: Region) -> dg.AssetsDefinition:
    """Return the region's ``nested_oof`` asset."""
    limits = region.config.checks

    @region.asset(
        "nested_oof",
        description=_NESTED_OOF,
        inputs=("labels", "features", "cv_splits"),
        pool="training",
        partitioned=True,
        kinds=("scikitlearn", "xgboost"),
        checks={
            "contract": CheckText("Names, types, key and order of NestedOOF."),
            "finite": CheckText("Every prediction is a finite number."),
            "range": CheckText(f"Within ±{limits.prediction_bps:g} bps, without any clipping."),
            "nested_coverage": CheckText("Every train row of every outer fold, exactly once."),
            "no_label_overlap": CheckText(
                "No train row of a nested model has a label interval that touches one of the "
                "two folds it leaves out; counted from the labels by an interval sweep."
            ),
        },
    )
    def nested_oof(
        context: dg.AssetExecutionContext, labels: Any, features: Any, cv_splits: Any
    ) -> Iterator[Any]:
        from model2_assets.checks import check_nested
        from model2_assets.training import Tables, make_nested

        checkpoints = region.checkpoints(context)
        with core_call(context):
            made = make_nested(
                region.task(context),
                Tables(features, labels, cv_splits),
                region.settings.cross_validation,
                region.config.execution,
                checkpoints=checkpoints,
            )
            with checkpoints.until_published():
                yield from publish(
                    context,
                    region,
                    made.nested,
                    check_nested(made, limits=limits),
                    data_version=made.data_version,
                    metadata={
                        "dagster/row_count": len(made.nested),
                        "outer_folds": len(made.expected),
                        "models": made.n_models,
                        "folds_reused": made.n_reused,
                        "fit_seconds": made.seconds,
                    },
                )

    return nested_oof
