"""The nightly retrain of a region: off until switched on.

Every asset of the region carries a cron condition. At a tick the market data run; each
other asset follows once all its inputs have been renewed since the tick. So the daemon
orders everything by itself: preparation in one run, a run per partition, then the
leaderboard, which waits until every partition is new and never mixes two nights.
"""

import dagster as dg

from model2_assets.defs.region import Region


def nightly_sensor(region: Region) -> dg.AutomationConditionSensorDefinition:
    """Return the switch of a region's nightly retrain, named ``<region>_nightly``."""
    return dg.AutomationConditionSensorDefinition(
        name=f"{region.name}_nightly",
        target=dg.AssetSelection.groups(region.name),
        default_status=dg.DefaultSensorStatus.STOPPED,
        description=(
            f"Retrains region {region.name} at '{region.config.schedule.cron}' "
            f"({region.config.schedule.timezone}), in the order of the graph."
        ),
    )
