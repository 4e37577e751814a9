"""Failed checks and steps, told as they happen: logged, and sent where that is configured."""

from model2_assets.defs.alerts._channels import open_channels
from model2_assets.defs.alerts._hook import alert_hook
from model2_assets.defs.alerts._lost_runs import lost_runs_sensor
from model2_assets.defs.alerts._message import Alert

__all__ = ["Alert", "alert_hook", "lost_runs_sensor", "open_channels"]
