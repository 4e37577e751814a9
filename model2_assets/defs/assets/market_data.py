"""Daily bars of every instrument, validated.

Bad rows are refused, or handled by a stated rule and counted in the metadata. Prices
are left as they came; adjusted closes, where there are any, are used by labels and
features. `in_universe` marks the members of the universe on each date.
"""

from collections.abc import Iterator
from typing import Any

import dagster as dg

from model2_assets.defs.core_call import core_call
from model2_assets.defs.publication import publish
from model2_assets.defs.region import CheckText, Region


def market_data_asset(region: Region) -> dg.AssetsDefinition:
    """Return the region's ``market_data`` asset."""

    @region.asset(
        "market_data",
        description=__doc__,
        kinds=(region.settings.market_data.source,),
        checks={"contract": CheckText("Names, types, ranges, key and order of MarketData.")},
    )
    def market_data(context: dg.AssetExecutionContext) -> Iterator[Any]:
        from model2_assets.checks import check_contract
        from model2_assets.data_version import table_digest
        from model2_assets.market_data import load_market_data
        from model2_assets.provenance import with_provenance

        with core_call(context):
            data = load_market_data(region.settings.market_data)
            version = table_digest(data.panel)
            dates = data.panel.index.get_level_values("datetime")
            yield from publish(
                context,
                region,
                with_provenance(data.panel, data_version=version, inputs={}, source=data.source),
                [check_contract(data.panel, "MarketData")],
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
