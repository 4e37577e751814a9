"""What a second-layer model trains on: the out-of-fold predictions of all models and horizons.

A column for every model and horizon beside the labels of their rows, the dates at which these
end, and the fold of each row. Every row that any model predicts is there once; a value is
missing where the row has no label of that horizon. A stacker holds out whole folds and purges
its train rows by `label_end`.

The purge of the base models guarantees, with `longest_horizon`, that no prediction of a row
comes from a model that saw a label overlapping the row's longest window; with `per_horizon`,
only the window of the same horizon, so that columns of different horizons must not be stacked
side by side. Neither makes the stacker's own score unbiased: the predictions of its train
rows come from models that saw its test labels. For that, train it on `nested_oof`
(`cross_validation.nested`) and score it here, or predict by walk-forward.
"""

from collections.abc import Iterator
from typing import Any

import dagster as dg

from model2_assets.defs.core_call import core_call
from model2_assets.defs.publication import publish
from model2_assets.defs.region import CheckText, Region


def stacking_frame_asset(region: Region) -> dg.AssetsDefinition:
    """Return the region's ``stacking_frame`` asset."""
    purge = region.settings.cross_validation.purge

    @region.asset(
        "stacking_frame",
        description=f"{__doc__}\nThis region is configured with `purge: {purge}`.\n",
        inputs=("labels", "cv_splits", "oof_predictions"),
        kinds=("pandas",),
        checks={
            "contract": CheckText("Names, types, key and order of StackingFrame."),
            "complete": CheckText(
                "Every prediction and every label is in its own row, each row once; compared by "
                "position and by a table of dates and instruments, not by the join's keys."
            ),
            "same_inputs": CheckText(
                "All columns were made from the labels, features and splits at hand."
            ),
            "columns": CheckText("Every model and horizon has its column.", blocking=False),
            "side_by_side": CheckText(
                "Columns of all horizons may be stacked side by side: splits are purged with "
                "the longest label of a row.",
                blocking=False,
            ),
        },
    )
    def stacking_frame(
        context: dg.AssetExecutionContext, labels: Any, cv_splits: Any, oof_predictions: Any
    ) -> Iterator[Any]:
        from model2_assets.checks import check_stacking_frame
        from model2_assets.provenance import data_version_of, facts_of
        from model2_assets.stacking import base_columns, make_stacking_frame

        with core_call(context):
            frame = make_stacking_frame(
                oof_predictions,
                labels=labels,
                cv_splits=cv_splits,
                partitions=region.partition_keys,
                region=region.name,
            )
            outcomes = check_stacking_frame(
                frame,
                oof_predictions,
                labels=labels,
                cv_splits=cv_splits,
                partitions=region.partition_keys,
            )
            facts = facts_of(frame)
            yield from publish(
                context,
                region,
                frame,
                outcomes,
                data_version=data_version_of(frame),
                metadata={
                    "dagster/row_count": len(frame),
                    "columns": len(base_columns(frame)),
                    "missing_columns": len(facts["missing_columns"]),
                    **{
                        name: value
                        for outcome in outcomes
                        for name, value in outcome.values.items()
                        if name.startswith("rows_without_")
                    },
                    "purge": facts["purge"],
                    "guarantee": facts["guarantee"],
                    "not_guaranteed": facts["not_guaranteed"],
                },
            )

    return stacking_frame
