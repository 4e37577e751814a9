"""The nightly retrain of a region: off until switched on.

Every asset of the region carries a condition (`model2_assets.defs.automation`). At a tick
the market data run; then, in one run, what the models share, if that is outdated; then a
run per outdated partition; then, once all partitions are settled, what compares them. So a
comparison never mixes two nights.
"""

import dagster as dg

from model2_assets.defs.previews import accepted_previews
from model2_assets.defs.region import Region


def nightly_sensor(region: Region) -> dg.AutomationConditionSensorDefinition:
    """Return the switch of a region's nightly retrain, named ``<region>_nightly``."""
    schedule = region.config.schedule
    with accepted_previews():
        return dg.AutomationConditionSensorDefinition(
            name=nightly_name(region.name),
            target=dg.AssetSelection.groups(region.name),
            default_status=dg.DefaultSensorStatus.STOPPED,
            minimum_interval_seconds=schedule.look_every_seconds,
            use_user_code_server=True,  # Custom conditions are evaluated nowhere else.
            emit_backfills=False,  # A backfill would start its runs one look later.
            description=(
                f"Retrains region {region.name} at '{schedule.cron}' ({schedule.timezone}), in the "
                f"order of the graph: the market data, then what is outdated."
            ),
        )


def nightly_name(region: str) -> str:
    """Return the name of the switch of a region's nightly retrain."""
    return f"{region}_nightly"
