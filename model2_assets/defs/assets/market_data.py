"""Daily bars of every instrument, validated.

Bad rows are refused, or handled by a stated rule and counted in the metadata. Prices
are left as they came; adjusted closes, where there are any, are used by labels and
features. `in_universe` marks the members of the universe on each date.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import dagster as dg

from model2_assets.defs.core_call import core_call
from model2_assets.defs.publication import publish
from model2_assets.defs.region import CheckText, Region

_FRESH = "How many Mondays to Fridays the last session is old."


def market_data_asset(region: Region) -> dg.AssetsDefinition:
    """Return the region's ``market_data`` asset."""
    limit = region.settings.market_data.max_age_weekdays

    @region.asset(
        "market_data",
        description=__doc__,
        kinds=(region.settings.market_data.source,),
        checks={
            "contract": CheckText("Names, types, ranges, key and order of MarketData."),
            "fresh": CheckText(_FRESH if limit is None else f"{_FRESH} Allowed are {limit}."),
            "history_unchanged": CheckText(
                "Past closes are those of the last run. A split, one factor for all past closes "
                "of an instrument, is named and allowed, and so are adjusted closes that were "
                "adjusted anew.",
                blocking=False,
            ),
        },
    )
    def market_data(context: dg.AssetExecutionContext) -> Iterator[Any]:
        from model2_assets.checks import check_contract, check_fresh, check_history_unchanged
        from model2_assets.data_version import table_digest
        from model2_assets.market_data import load_market_data
        from model2_assets.previous_result import previous_result
        from model2_assets.provenance import with_provenance

        with core_call(context):
            data = load_market_data(region.settings.market_data)
            version = table_digest(data.panel)
            dates = data.panel.index.get_level_values("datetime")
            before = previous_result(region.store, region.address(context))
            yield from publish(
                context,
                region,
                with_provenance(data.panel, data_version=version, inputs={}, source=data.source),
                [
                    check_contract(data.panel, "MarketData"),
                    check_fresh(
                        dates.max().date(),
                        now=datetime.now(UTC),
                        timezone=region.config.schedule.timezone,
                        max_age_weekdays=limit,
                    ),
                    check_history_unchanged(data.panel, before.table, problem=before.problem),
                ],
                data_version=version,
                metadata={
                    "dagster/row_count": len(data.panel),
                    "source": data.source,
                    "first_date": f"{dates.min():%Y-%m-%d}",
                    "last_date": f"{dates.max():%Y-%m-%d}",
                    **data.counts,
                },
            )

    return market_data
