"""When an asset of the nightly retrain is due."""

from typing import Any

import dagster as dg

from model2_assets.config import ScheduleConfig


def nightly_condition(schedule: ScheduleConfig) -> dg.AutomationCondition[Any]:
    """Return the condition that renews an asset once a night, after its inputs.

    Parameters
    ----------
    schedule : ScheduleConfig
        Cron expression and time zone.

    Returns
    -------
    AutomationCondition
        For every asset of a region.
    """
    return dg.AutomationCondition.on_cron(schedule.cron, schedule.timezone)
