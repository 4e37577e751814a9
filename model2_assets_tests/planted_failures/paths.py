"""The ways by which people and machines start a run: the command, the UI, the daemon."""

import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg

from model2_assets.config import Model2Config, load_config
from model2_assets.config.partition import Partition
from model2_assets.defs.build import build_definitions
from model2_assets.defs.retrain import execute_plan, plan_region
from model2_assets.storage import Store
from model2_assets_tests.defs.daemon import DaemonHome, wait_until
from model2_assets_tests.defs.graphql import launch_run
from model2_assets_tests.defs.small_region import built_region
from model2_assets_tests.planted_failures.catalogue import Case
from model2_assets_tests.planted_failures.field import HORIZON, configuration, packed
from model2_assets_tests.planted_failures.planting import PLANTED_VARIABLE, Plot, write_plots
from model2_assets_tests.planted_failures.trial import Trial
from model2_assets_tests.planted_failures.verdict import (
    Files,
    Verdict,
    evaluations,
    judge,
    published_files,
)
from model2_assets_tests.ui.server import served

LOCATION = "model2_assets_tests.planted_failures.location"
PATIENCE = 5400.0
"""Seconds that a run through the UI, or a night, may take on a busy machine."""
UNTIL_THE_TICK = timedelta(minutes=3)
"""How long the daemon has to look at all regions once before the night begins."""


@dataclass(frozen=True)
class PlantedHome(DaemonHome):
    """A Dagster home whose code location has the failures in it."""

    @property
    def environment(self) -> dict[str, str]:
        return {**super().environment, PLANTED_VARIABLE: str(self.folder / "planted.json")}


def by_the_command(folder: Path, cases: Sequence[Case]) -> list[Verdict]:
    """Try ``dagster asset materialize``, one process for each of the runs."""
    home, trial = _prepared(folder, cases)
    before = published_files(trial.base)
    for selection in trial.selections():
        assets = ",".join(key.to_user_string() for key in selection.assets)
        partition = ["--partition", selection.partition] if selection.partition else []
        ended = subprocess.run(
            [
                *(sys.executable, "-m", "dagster", "asset", "materialize"),
                *("-m", LOCATION, "--select", assets, *partition),
            ],
            env=home.environment,
            cwd=home.folder,
            check=False,
            capture_output=True,
        )
        print(f"dagster asset materialize: exit status {ended.returncode}", flush=True)
        assert ended.returncode != 0
    with home.instance() as instance:
        return trial.judge(instance, before)


def by_the_ui(folder: Path, cases: Sequence[Case]) -> list[Verdict]:
    """Try "Materialize selected" of the UI: a real server, and a process for each of the runs."""
    home, trial = _prepared(folder, cases)
    before = published_files(trial.base)
    with served(home) as url, home.instance() as instance:
        for selection in trial.selections():
            run_id = launch_run(
                url, LOCATION, [list(key.path) for key in selection.assets], selection.partition
            )
            wait_until(
                lambda run_id=run_id: _is_over(instance, run_id),
                seconds=PATIENCE,
                what=f"run {run_id} is over",
            )
        return trial.judge(instance, before)


def by_a_retrain(folder: Path, cases: Sequence[Case]) -> list[Verdict]:
    """Try ``model2 retrain`` of every region; each has to exit with 1."""
    home, plots, before = _retrained_home(folder, cases)
    _configure(home, cases, plots)
    for region in sorted({plot.region for plot in plots}):
        ended = subprocess.run(
            [sys.executable, "-c", _PLANTED_RETRAIN, "retrain", "--force", "--region", region],
            env=home.environment,
            cwd=home.folder,
            check=False,
            capture_output=True,
        )
        print(f"model2 retrain --region {region}: exit status {ended.returncode}", flush=True)
        assert ended.returncode == 1, ended.stderr.decode()[-2000:]
    return _judged(home, plots, before)


def by_the_daemon(folder: Path, cases: Sequence[Case]) -> list[Verdict]:
    """Try a night of the real daemon, in which everything is outdated."""
    home, plots, before = _retrained_home(folder, cases)
    begins = datetime.now(UTC) + UNTIL_THE_TICK
    _configure(home, cases, plots, begins=begins)
    home.switch_everything_on()
    with home.daemon(), home.instance() as instance:
        wait_until(
            lambda: all(_failed_since(instance, plot, begins) for plot in plots),
            seconds=PATIENCE,
            what="every planted failure is found in a night",
        )
        for plot in plots:
            run_id = _failed_since(instance, plot, begins)
            wait_until(
                lambda run_id=run_id: _is_over(instance, run_id),
                seconds=PATIENCE,
                what=f"run {run_id} is over",
            )
    return _judged(home, plots, before)


PATHS = {
    "command": by_the_command,
    "ui": by_the_ui,
    "retrain": by_a_retrain,
    "daemon": by_the_daemon,
}
"""What tries to replace the last good result, by the name of the way."""

_PLANTED_RETRAIN = """
from model2_assets.cli.main import main
from model2_assets_tests.planted_failures.planting import plant_as_configured
plant_as_configured()
main()
"""


def _prepared(folder: Path, cases: Sequence[Case]) -> tuple[PlantedHome, Trial]:
    home = PlantedHome(folder / "home", LOCATION)
    trial = Trial.prepare(folder / "grown", home.data, cases)
    home.configure(trial.values)
    write_plots(home.folder / "planted.json", trial.plots)
    return home, trial


def _retrained_home(folder: Path, cases: Sequence[Case]) -> tuple[PlantedHome, list[Plot], Files]:
    """Return a home in which all regions have been retrained well."""
    home = PlantedHome(folder / "home", LOCATION)
    regions, _ = packed(cases, after=False)
    home.configure(configuration(regions, drawings=True))
    config = _config_of(home)
    definitions = build_definitions(config, Store(str(home.data)))
    with home.instance() as instance:
        for name in config.regions:
            chosen = [Partition(HORIZON, model) for model in config.models_of(name)]
            plan = plan_region(name, chosen)
            for run in execute_plan(definitions, instance, plan):
                assert not run.failures, run.failures
            print(f"{name}: retrained well", flush=True)
    _, plots = packed(cases, after=True)
    return home, plots, published_files(home.data)


def _configure(
    home: PlantedHome,
    cases: Sequence[Case],
    plots: list[Plot],
    *,
    begins: datetime | None = None,
) -> None:
    regions, _ = packed(cases, after=True)
    sections: dict[str, Any] = {}
    if begins is not None:
        cron = f"{begins.minute} {begins.hour} * * *"
        sections["schedule"] = {"cron": cron, "timezone": "UTC", "look_every_seconds": 5}
    home.configure(configuration(regions, drawings=True, **sections))
    write_plots(home.folder / "planted.json", plots)


def _judged(home: PlantedHome, plots: list[Plot], before: Files) -> list[Verdict]:
    config, store = _config_of(home), Store(str(home.data))
    after = published_files(home.data)
    with home.instance() as instance:
        return [
            judge(plot, built_region(plot.region, config, store), instance, before, after)
            for plot in plots
        ]


def _config_of(home: PlantedHome) -> Model2Config:
    return load_config(home.folder / "config.yaml")


def _failed_since(instance: dg.DagsterInstance, plot: Plot, begins: datetime) -> str:
    """Return the run in which a planted failure was found; empty before it was."""
    for record in evaluations(instance, plot):
        is_new = record.create_timestamp >= begins.timestamp() - 60
        if is_new and record.evaluation is not None:
            return record.run_id
    return ""


def _is_over(instance: dg.DagsterInstance, run_id: str) -> bool:
    run = instance.get_run_by_id(run_id)
    return run is not None and run.is_finished
