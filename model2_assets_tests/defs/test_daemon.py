"""Nights of a real daemon: what it requests, in which order, and what is on disk."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from model2_assets.defs.automation import STARTED_BY
from model2_assets.market_data import synthetic_panel
from model2_assets_tests.defs.daemon import DaemonHome, DaemonRun, runs_of, wait_until

pytestmark = pytest.mark.end_to_end

PREPARATION = ("cv_splits", "features", "labels")
PATIENCE = 400.0  # seconds, for a machine that is busy


@dataclass(frozen=True)
class Nights:
    """A region of one horizon and model, read from a file."""

    home: DaemonHome
    instance: dg.DagsterInstance
    bars: Path

    def configure(self, *, cron: str) -> None:
        market_data: Any = {"source": "parquet", "path": str(self.bars)}
        self.home.configure(
            {
                "regions": {"us": {"market_data": market_data, "labels": {"horizons": [21]}}},
                "models": {"xgboost": None},
                "checks": {"null_control_permutations": 20},
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


def test_nights_of_a_real_daemon(nights: Nights) -> None:
    with nights.home.daemon():
        wait_until(
            lambda: "us/leaderboard is current: skipped" in nights.home.log,
            seconds=PATIENCE,
            what="a night makes everything, and a later one skips it",
        )
    check_nights_by_the_schedule(nights)

    nights.configure(cron="0 0 1 1 *")
    before = len(nights.runs())
    looked = nights.home.log.count("waits for a change") + nights.home.log.count("unchanged")
    with nights.home.daemon():
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
    started, prepared = nights.runs()[before:]
    assert started.assets == ("market_data",)
    assert STARTED_BY in started.tags
    assert prepared.assets == PREPARATION


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
    for skipped in ("us/labels", "us/oof_predictions of 21d|ridge"):
        assert f"{skipped} is current: skipped" in nights.home.log
    assert {"night_is_open", "inputs_are_settled", "outdated"} <= shown(nights.instance)


def shown(instance: dg.DagsterInstance) -> set[str]:
    """Return the parts of the leaderboard's condition that the UI shows, without settings."""
    storage = instance.schedule_storage
    assert storage is not None
    key = dg.AssetKey(["us", "leaderboard"])
    (record,) = storage.get_auto_materialize_asset_evaluations(key, limit=1)
    evaluation = record.get_evaluation_with_run_ids().evaluation
    return {node.condition_snapshot.name.partition("(")[0] for node in evaluation.iter_nodes()}
