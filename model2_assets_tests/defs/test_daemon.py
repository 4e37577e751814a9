"""Nights of a real daemon: what it requests, in which order, and what is on disk."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from model2_assets.defs.nightly import NIGHT, NIGHTLY
from model2_assets.market_data import synthetic_panel
from model2_assets_tests.defs.daemon import DaemonHome, DaemonRun, runs_of, wait_until
from model2_assets_tests.defs.gate_bench import HERE, QUICK_CONFIG
from model2_assets_tests.defs.graphql import reexecute_run
from model2_assets_tests.defs.small_region import NO_DRAWINGS
from model2_assets_tests.ui.server import served

pytestmark = pytest.mark.end_to_end

PREPARATION = ("cv_splits", "features", "labels")
SKIPPED = "is over; current and skipped: labels, features, cv_splits; 21d|ridge; leaderboard"
PATIENCE = 400.0  # seconds, for a machine that is busy


@dataclass(frozen=True)
class Nights:
    """A region of one horizon and model, read from a file."""

    home: DaemonHome
    instance: dg.DagsterInstance
    bars: Path

    def configure(self, *, cron: str) -> None:
        region: Any = {
            "market_data": {"source": "parquet", "path": str(self.bars)},
            "labels": {"horizons": [21]},
            "features": {"builder": "model2_assets_tests.defs.plugged_in:momentum_features"},
        }
        self.home.configure(
            {
                "regions": {"us": region},
                "models": {"xgboost": None},
                "reports": NO_DRAWINGS,
                "schedule": {"cron": cron, "timezone": "UTC", "look_every_seconds": 1},
            }
        )

    def write_bars(self, *, seed: int) -> None:
        temporary = self.bars.with_suffix(".tmp")
        synthetic_panel(n_instruments=12, n_dates=460, seed=seed).to_parquet(temporary)
        temporary.replace(self.bars)

    def runs(self) -> list[DaemonRun]:
        return runs_of(self.instance)

    def runs_with(self, asset: str) -> list[DaemonRun]:
        return [run for run in self.runs() if asset in run.assets]


@pytest.fixture
def nights(tmp_path: Path) -> Iterator[Nights]:
    home = DaemonHome(tmp_path / "home")
    home.folder.mkdir()
    bars = tmp_path / "bars.parquet"
    with home.instance() as instance:
        nights = Nights(home, instance, bars)
        nights.configure(cron="* * * * *")
        nights.write_bars(seed=11)
        home.switch_everything_on()
        yield nights


def test_nights_by_the_schedule_of_a_real_daemon(nights: Nights) -> None:
    with nights.home.daemon():
        wait_until(
            lambda: SKIPPED in nights.home.log,
            seconds=PATIENCE,
            what="a night makes everything, and a later one skips it",
        )
    check_nights_by_the_schedule(nights)


@pytest.mark.services
def test_night_begun_by_the_file_with_what_is_killed_before_in_and_after_it(nights: Nights) -> None:
    test_nights_by_the_schedule_of_a_real_daemon(nights)
    nights.configure(cron="0 0 1 1 *")
    killed = kill_a_retrain(nights)
    before = len(nights.runs())
    looked = nights.home.log.count("unchanged")
    with nights.home.daemon() as daemon:
        wait_until(
            lambda: nights.home.log.count("unchanged") > looked,
            seconds=PATIENCE,
            what="a look at the unchanged file",
        )
        nights.write_bars(seed=12)
        wait_until(
            lambda: len(nights.runs_with("labels")) == 2,
            seconds=PATIENCE,
            what="a change of the file is followed by the labels",
        )
        prepared = nights.runs_with("labels")[1].run_id
        wait_until(
            lambda: bool(process_of(nights.instance, prepared)),
            seconds=PATIENCE,
            what="the process of the run",
        )
        os.kill(process_of(nights.instance, prepared), signal.SIGKILL)
        wait_until(
            lambda: status_of(nights.instance, prepared) == dg.DagsterRunStatus.FAILURE,
            seconds=PATIENCE,
            what="a killed run of the daemon is found",
        )
        wait_until(
            lambda: "what follows preparation is held back" in nights.home.log,
            seconds=PATIENCE,
            what="a tick says that nothing follows the killed run",
        )
        os.kill(daemon, signal.SIGKILL)
    started, followed = nights.runs()[before:]
    assert started.assets == ("market_data",)
    assert started.status == dg.DagsterRunStatus.SUCCESS
    assert started.tags[NIGHTLY] == "us"
    assert followed.assets == PREPARATION
    assert followed.tags[NIGHT] == started.tags[NIGHT]
    # The run of the killed command held the only slot until the daemon closed it.
    assert status_of(nights.instance, killed) == dg.DagsterRunStatus.FAILURE
    check_next_night_makes_what_was_lost(nights)


def check_next_night_makes_what_was_lost(nights: Nights) -> None:
    """Look at the night after, begun by a file that changed while no daemon was there."""
    nights.write_bars(seed=13)
    before, said = len(nights.runs()), nights.home.log.count("is over")
    with nights.home.daemon():
        wait_until(
            lambda: nights.home.log.count("is over") > said,
            seconds=PATIENCE,
            what="the night after makes everything",
        )
    runs = nights.runs()[before:]
    assert {run.status for run in runs} == {dg.DagsterRunStatus.SUCCESS}
    first, prepared, trained, compared = runs
    assert (first.assets, prepared.assets) == (("market_data",), PREPARATION)
    assert trained.partition == "21d|ridge"
    assert "leaderboard" in compared.assets
    assert len({run.tags[NIGHT] for run in runs}) == 1


@pytest.mark.services
def test_night_goes_on_once_a_failed_partition_is_reexecuted(tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    broken.touch()
    begins = datetime.now(UTC) + timedelta(minutes=2)  # later than the server has started
    cron = f"{begins.minute} {begins.hour} * * *"
    ridge = {
        "trainer": f"{HERE}:MendableTrainer",
        "overrides": {"10d": {"broken_while": str(broken)}},
    }
    home = DaemonHome(tmp_path / "home")
    home.configure(
        {
            **QUICK_CONFIG,
            "models": {"ridge": ridge, "xgboost": None},
            "schedule": {"cron": cron, "timezone": "UTC", "look_every_seconds": 1},
        }
    )
    home.switch_everything_on()
    log = home.folder / "dev.log"

    def said(text: str) -> bool:
        return text in log.read_text(encoding="utf-8")

    with served(home) as url, home.instance() as instance:
        wait_until(
            lambda: said("what follows training is held back: 10d|ridge: fitted_models is missing"),
            seconds=PATIENCE,
            what="a failed partition holds back the comparison",
        )
        (failed,) = (run for run in runs_of(instance) if run.status == dg.DagsterRunStatus.FAILURE)
        broken.unlink()
        again = reexecute_run(url, failed.run_id)
        wait_until(
            lambda: any("leaderboard" in run.assets and run.is_over for run in runs_of(instance)),
            seconds=PATIENCE,
            what="the comparison follows the partition that was re-executed",
        )
        last, compared = runs_of(instance)[-2:]
    assert (last.run_id, last.partition) == (again, "10d|ridge")
    assert {run.status for run in (last, compared)} == {dg.DagsterRunStatus.SUCCESS}
    # A run that is re-executed belongs to the night of the failed one.
    assert failed.tags[NIGHT] == last.tags[NIGHT] == compared.tags[NIGHT]
    assert last.tags[NIGHTLY] == "us"


def kill_a_retrain(nights: Nights) -> str:
    """Kill a ``model2 retrain`` in its midst and return its run, which shows as started."""
    command = [sys.executable, "-m", "model2_assets.cli.main", "retrain"]
    seen = {run.run_id for run in nights.runs()}

    def begun() -> list[str]:
        return [
            run.run_id
            for run in nights.runs()
            if run.run_id not in seen and run.status == dg.DagsterRunStatus.STARTED
        ]

    process = subprocess.Popen(
        command,
        env=nights.home.environment,
        cwd=nights.home.folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_until(lambda: bool(begun()), seconds=PATIENCE, what="a run of the command")
    finally:
        process.kill()
        process.wait(timeout=10)
    (run_id,) = begun()
    return run_id


def process_of(instance: dg.DagsterInstance, run_id: str) -> int:
    """Return the process that executes a run; 0 before it does."""
    for entry in instance.all_logs(run_id):
        found = re.search(r"Executing steps in process \(pid: (\d+)\)", entry.message)
        if found is not None:
            return int(found.group(1))
    return 0


def status_of(instance: dg.DagsterInstance, run_id: str) -> dg.DagsterRunStatus:
    run = instance.get_run_by_id(run_id)
    assert run is not None
    return run.status


def check_nights_by_the_schedule(nights: Nights) -> None:
    runs = [run for run in nights.runs() if run.is_over]
    assert {run.status for run in runs} == {dg.DagsterRunStatus.SUCCESS}
    # A tick in the midst of a night has the market data made once more, and goes on with it.
    first, *again = [run for run in runs if run.assets == ("market_data",)]
    assert again
    prepared, trained, compared = [run for run in runs if run.assets != ("market_data",)]
    assert prepared.assets == PREPARATION
    assert trained.partition == "21d|ridge"
    assert {"fitted_models", "oof_predictions", "cv_scores"} <= set(trained.assets)
    assert "leaderboard" in compared.assets
    assert first.ended <= prepared.started <= prepared.ended <= trained.started
    assert trained.ended <= compared.started
    assert again[-1].started >= compared.ended
    in_turn = sorted(runs, key=lambda run: run.started)
    assert all(one.ended <= other.started for one, other in pairwise(in_turn))
    for path in ("market_data.parquet", "oof_predictions/21d/ridge.parquet", "leaderboard.parquet"):
        assert (nights.home.data / "us" / path).is_file()
    stored = dg.AssetCheckKey(dg.AssetKey(["us", "leaderboard"]), "stored")
    storage = nights.instance.event_log_storage
    assert storage.get_asset_check_execution_history(stored, limit=1)
