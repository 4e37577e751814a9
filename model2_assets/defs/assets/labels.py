"""Forward returns and labels of every horizon, in basis points.

A signal known at the close of a date trades at the close `execution_lag_days` own bars
later and is held for the horizon's number of own bars. The label is the forward return
in excess of the date's equal-weight mean, winsorized per date; each step can be
switched off. `label_end_*` is the last date that the label looks at, which the
cross-validation splits purge by.
"""

from collections.abc import Iterator
from typing import Any

import dagster as dg

from model2_assets.defs.core_call import core_call
from model2_assets.defs.metadata import label_summary
from model2_assets.defs.publication import publish
from model2_assets.defs.region import CheckText, Region


def labels_asset(region: Region) -> dg.AssetsDefinition:
    """Return the region's ``labels`` asset."""

    @region.asset(
        "labels",
        description=__doc__,
        inputs=("market_data",),
        kinds=("pandas",),
        checks={
            "contract": CheckText("Names, types, ranges, key and order of Labels."),
            "consistent": CheckText(
                "Every horizon, rows of the universe only, a label end exactly where "
                "there is a label, and no earlier than the bar at which the position ends."
            ),
        },
    )
    def labels(context: dg.AssetExecutionContext, market_data: Any) -> Iterator[Any]:
        from model2_assets.builders import make_labels
        from model2_assets.charts import label_pictures
        from model2_assets.checks import check_contract, check_labels_consistent
        from model2_assets.data_version import table_digest
        from model2_assets.provenance import data_versions_of, with_provenance

        horizons = region.settings.labels.horizon_keys
        with core_call(context):
            table = make_labels(market_data, region.settings.labels)
            version = table_digest(table)
            inputs = data_versions_of(market_data=market_data)
            yield from publish(
                context,
                region,
                with_provenance(table, data_version=version, inputs=inputs),
                [
                    check_contract(table, "Labels"),
                    check_labels_consistent(
                        table,
                        market_data,
                        horizons=horizons,
                        execution_lag_days=region.settings.labels.execution_lag_days,
                    ),
                ],
                data_version=version,
                metadata={
                    "dagster/row_count": len(table),
                    "summary": label_summary(table, horizons),
                    **table.attrs.get("counts", {}),
                },
                pictures=lambda: label_pictures(table, horizons),
            )

    return labels
