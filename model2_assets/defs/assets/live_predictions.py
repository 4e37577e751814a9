"""Live predictions in basis points: what is traded from.

Every row with features whose horizon has not ended, predicted by the final model: the
instrument has fewer own bars after the row than execution lag and horizon together, and
still trades, as a member of the universe, on the last date of the market data. That date is
included, and is the one to trade from. Rows whose label is missing for another reason, a
long gap or a delisting, are not live. No row is both here and in `oof_predictions`.
With labels in excess of their date's mean, predictions of different dates do not compare.
"""

from collections.abc import Iterator
from typing import Any

import dagster as dg

from model2_assets.defs.core_call import core_call
from model2_assets.defs.metadata import table
from model2_assets.defs.partitions import split_partition_key
from model2_assets.defs.publication import publish
from model2_assets.defs.region import CheckText, Region


def live_predictions_asset(region: Region) -> dg.AssetsDefinition:
    """Return the region's ``live_predictions`` asset."""
    limits = region.config.checks

    @region.asset(
        "live_predictions",
        description=__doc__,
        inputs=(
            "market_data",
            "labels",
            "features",
            "final_models",
            "oof_predictions",
            "oof_paths",
        ),
        pool="training",
        partitioned=True,
        kinds=("pandas",),
        checks={
            "contract": CheckText("Names, types, key and order of LivePredictions."),
            "coverage": CheckText(
                "Every live row once and no other; they are found once more from the labels and "
                "the exit date of every row."
            ),
            "newest_date": CheckText("The last date of the market data is predicted."),
            "finite": CheckText("Every prediction is a finite number."),
            "range": CheckText(f"Within ±{limits.prediction_bps:g} bps, without any clipping."),
            "resembles_oof": CheckText(
                f"A population stability index against out-of-fold predictions above "
                f"{limits.psi_warn:g}, and above 95% of these predictions' own stretches of as "
                f"many dates, warns.",
                blocking=False,
            ),
        },
    )
    def live_predictions(
        context: dg.AssetExecutionContext,
        market_data: Any,
        labels: Any,
        features: Any,
        final_models: Any,
        oof_predictions: Any,
        oof_paths: Any,
    ) -> Iterator[Any]:
        from model2_assets.checks import check_live
        from model2_assets.provenance import facts_of
        from model2_assets.training import ModelRegistry, make_live

        horizon, _ = split_partition_key(context.partition_key)
        with core_call(context):
            made = make_live(
                ModelRegistry.from_config(region.config, region.name),
                final_models,
                market_data=market_data,
                features=features,
                labels=labels,
                oof_predictions=oof_predictions,
                oof_paths=oof_paths,
                execution_lag_days=region.settings.labels.execution_lag_days,
            )
            outcomes = check_live(
                made,
                market_data=market_data,
                labels=labels,
                features=features,
                oof_paths=oof_paths,
                horizon=horizon,
                limits=limits,
            )
            values = {name: value for o in outcomes for name, value in o.values.items()}
            facts = facts_of(made.live)
            yield from publish(
                context,
                region,
                made.live,
                outcomes,
                data_version=made.data_version,
                metadata={
                    "dagster/row_count": len(made.live),
                    "oldest_date": facts["oldest_date"],
                    "newest_date": facts["newest_date"],
                    "instruments": values["instruments"],
                    "psi": values["psi"],
                    "live_std_bps": values["live_std_bps"],
                    "oof_std_bps": values["oof_std_bps"],
                    "newest": table(made.extremes()),
                },
            )

    return live_predictions
