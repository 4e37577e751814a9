"""The hook on every asset."""

from functools import cache

import dagster as dg
from dagster._core.definitions.decorators.hook_decorator import event_list_hook

from model2_assets.config import AlertsConfig
from model2_assets.defs.alerts._channels import send_everywhere
from model2_assets.defs.alerts._message import alerts_of


@cache
def alert_hook(config: AlertsConfig) -> dg.HookDefinition:
    """Return the hook that tells of the failed checks of a step, and of its failure.

    Each is a line of the run's log, so it is on the console too; then all are sent as one
    message where the configuration names a channel. Failed checks of level warn, which fail
    no step, are told as well.

    Parameters
    ----------
    config : AlertsConfig
        Where to send it.

    Returns
    -------
    HookDefinition
        For ``hooks`` of an asset. It never fails a run: what cannot be sent is logged.
    """

    def alerts(
        context: dg.HookContext, event_list: list[dg.DagsterEvent]
    ) -> dg.HookExecutionResult:
        found = list(alerts_of(event_list))
        for alert in found:
            context.log.log(alert.level, alert.text)
        if found:
            send_everywhere(config, found, run_id=context.run_id, log=context.log)
        return dg.HookExecutionResult("alerts", is_skipped=not found)

    hook: dg.HookDefinition = event_list_hook(name="alerts")(alerts)
    return hook
