"""When an asset of the nightly retrain is due."""

from typing import Any

import dagster as dg

from model2_assets.config import ScheduleConfig


def nightly_condition(schedule: ScheduleConfig) -> dg.AutomationCondition[Any]:
    """Return the condition that renews an asset once a night, after its inputs.

    An input whose blocking check failed is not built upon: within a run Dagster sees to
    that, between runs this condition does.

    Parameters
    ----------
    schedule : ScheduleConfig
        Cron expression and time zone.

    Returns
    -------
    AutomationCondition
        For every asset of a region.
    """
    return (
        dg.AutomationCondition.on_cron(schedule.cron, schedule.timezone)
        & dg.AutomationCondition.all_deps_blocking_checks_passed()
    )
