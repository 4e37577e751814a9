"""Runs that failed without a failed step: killed, or never started. No hook sees them."""

import logging

import dagster as dg

from model2_assets.config import AlertsConfig
from model2_assets.defs.alerts._channels import send_everywhere
from model2_assets.defs.alerts._message import Alert
from model2_assets.defs.partitions import PARTITION_TAG


def lost_runs_sensor(config: AlertsConfig) -> dg.SensorDefinition:
    """Return the sensor that tells of runs which ended without saying why.

    Parameters
    ----------
    config : AlertsConfig
        Where to send it.

    Returns
    -------
    SensorDefinition
        On by default: it only tells.
    """

    @dg.run_failure_sensor(
        name="lost_runs",
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Tells of runs that were killed or never started.",
    )
    def lost_runs(context: dg.RunFailureSensorContext) -> None:
        if context.get_step_failure_events():
            return
        run = context.dagster_run
        partition = run.tags.get(PARTITION_TAG)
        assets = ", ".join(sorted(key.to_user_string() for key in run.asset_selection or ()))
        where = f" of {partition}" if partition else ""
        text = f"run of {assets or run.job_name}{where} was lost: {context.failure_event.message}"
        context.log.error(text)
        alerts = [Alert(logging.ERROR, text)]
        send_everywhere(config, alerts, run_id=run.run_id, log=context.log)

    return lost_runs
