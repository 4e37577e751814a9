"""A sensor that closes the runs of killed `model2 retrain` commands.

The daemon watches over its own runs (`run_monitoring` in dagster.yaml). A run of the
command is not the daemon's: killed, it would show as started for ever, hold a slot of the
queue and stop the night.
"""

import dagster as dg

from model2_assets.defs.retrain import close_dead_runs


@dg.sensor(
    name="dead_runs",
    default_status=dg.DefaultSensorStatus.RUNNING,
    minimum_interval_seconds=30,
    description="Marks runs of `model2 retrain` as failed whose process is gone.",
)
def dead_runs_sensor(context: dg.SensorEvaluationContext) -> dg.SkipReason:
    """Close the runs of killed commands."""
    closed = close_dead_runs(context.instance)
    return dg.SkipReason(f"{closed} runs of killed commands closed" if closed else "none is dead")
