"""Nights of a real daemon, each with a day more of market data."""

from collections.abc import Iterator

import dagster as dg

from model2_assets_tests.defs.daemon import DaemonHome, runs_of, wait_until
from model2_assets_tests.long_run.figures import Figures, take_figures
from model2_assets_tests.long_run.region import GrowingRegion

EVERY_MINUTE = "* * * * *"
PATIENCE_S = 900.0


class NightsHome(DaemonHome):
    """The home of a growing region."""

    region: GrowingRegion

    def __init__(self, region: GrowingRegion) -> None:
        super().__init__(region.folders.home)
        object.__setattr__(self, "region", region)

    @property
    def environment(self) -> dict[str, str]:
        return {**super().environment, **self.region.environment}


def watch_nights(region: GrowingRegion, nights: int, *, pictures: bool = True) -> Iterator[Figures]:
    """Let the daemon retrain a region, with a day more each night.

    A night ends with the leaderboard; the next day is added then, and a later tick of the
    schedule, which ticks every minute, begins the next night.

    Yields
    ------
    Figures
        Of the daemon's process, after each night.
    """
    region.prepare(cron=EVERY_MINUTE, pictures=pictures)
    region.add_a_day(0)
    home = NightsHome(region)
    home.switch_everything_on()
    with home.instance() as instance, home.daemon() as pid:
        for night in range(nights):
            wait_until(
                lambda done=night: _ended_nights(instance) > done,
                seconds=PATIENCE_S,
                what=f"night {night + 1} ends with a leaderboard; see {home.folder}/daemon.log",
            )
            yield take_figures(pid, region.folders)
            region.add_a_day(night + 1)


def _ended_nights(instance: dg.DagsterInstance) -> int:
    runs = [run for run in runs_of(instance) if run.is_over]
    failed = [run for run in runs if run.status != dg.DagsterRunStatus.SUCCESS]
    if failed:
        raise AssertionError(f"run {failed[0].run_id} ended as {failed[0].status.value}")
    return sum("leaderboard" in run.assets for run in runs)
