"""Features of every bar that has enough history, as of the close of its date.

The Alpha158 set of Qlib, computed on each instrument's own bars and normalized over
the cross-section of each date. Nothing after a row's date enters it.
"""

from collections.abc import Iterator
from typing import Any

import dagster as dg

from model2_assets.defs.core_call import core_call
from model2_assets.defs.metadata import features_left_out, missing_values
from model2_assets.defs.publication import publish
from model2_assets.defs.region import CheckText, Region


def features_asset(region: Region) -> dg.AssetsDefinition:
    """Return the region's ``features`` asset."""
    limits = region.config.checks

    @region.asset(
        "features",
        description=__doc__,
        inputs=("market_data",),
        kinds=("numba",),
        checks={
            "contract": CheckText("Names, types, key and order of Features."),
            "consistent": CheckText(
                "At least one feature and row, rows of the universe only, nothing infinite."
            ),
            "lookahead_control": CheckText(
                f"Recomputed on history that ends at each of {limits.lookahead_control_dates} "
                f"sampled dates, features are the same to the bit, so they use nothing that "
                f"comes later."
            ),
        },
    )
    def features(context: dg.AssetExecutionContext, market_data: Any) -> Iterator[Any]:
        from model2_assets.builders import make_features
        from model2_assets.charts import feature_pictures
        from model2_assets.checks import (
            check_contract,
            check_features_consistent,
            check_lookahead_control,
        )
        from model2_assets.controls import lookahead_control
        from model2_assets.data_version import table_digest
        from model2_assets.provenance import data_versions_of, with_provenance

        with core_call(context):
            table = make_features(market_data, region.settings.features)
            version = table_digest(table)
            control = lookahead_control(
                table,
                market_data,
                region.settings.features,
                n_dates=limits.lookahead_control_dates,
                seed=limits.controls_seed,
            )
            inputs = data_versions_of(market_data=market_data)
            yield from publish(
                context,
                region,
                with_provenance(table, data_version=version, inputs=inputs),
                [
                    check_contract(table, "Features"),
                    check_features_consistent(table, market_data),
                    check_lookahead_control(control),
                ],
                data_version=version,
                metadata={
                    "dagster/row_count": len(table),
                    "features": table.shape[1],
                    "incomplete_features": missing_values(table),
                    "left_out": features_left_out(table.attrs.get("left_out", {})),
                    **table.attrs.get("counts", {}),
                },
                pictures=lambda: feature_pictures(
                    table, market_data.index[market_data["in_universe"]]
                ),
            )

    return features
