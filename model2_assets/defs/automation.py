"""When an asset of the nightly retrain is due."""

from typing import Any

import dagster as dg
from dagster import _check as dg_check

from model2_assets.config import ScheduleConfig
from model2_assets.errors import ConfigError


def nightly_condition(schedule: ScheduleConfig) -> dg.AutomationCondition[Any]:
    """Return the condition that renews an asset once a night, after its inputs.

    Dagster's ``on_cron`` is content with one new partition of each input. Here every
    partition of every input has to be new since the tick, so an asset that compares
    partitions never mixes two nights: where a partition failed, it waits.

    Parameters
    ----------
    schedule : ScheduleConfig
        Cron expression and time zone.

    Returns
    -------
    AutomationCondition
        For every asset of a region.

    Raises
    ------
    ConfigError
        If Dagster does not take the expression.
    """
    try:
        tick = dg.AutomationCondition.cron_tick_passed(schedule.cron, schedule.timezone)
        on_cron = dg.AutomationCondition.on_cron(schedule.cron, schedule.timezone)
    except dg_check.CheckError as error:
        raise ConfigError(f"schedule.cron: {schedule.cron!r} is not a cron expression") from error
    renewed = dg.AutomationCondition.newly_updated().since(tick)
    due = renewed | dg.AutomationCondition.will_be_requested()
    some_input_is_old = dg.AutomationCondition.any_deps_match(~due)
    nightly = on_cron & ~some_input_is_old
    return nightly.with_label(f"nightly({schedule.cron}, {schedule.timezone})")
