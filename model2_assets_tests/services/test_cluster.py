"""Workers of a real cluster that are killed, frozen or too small, and a scheduler that dies."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from model2_assets.engines import open_engine
from model2_assets.errors import Model2Error
from model2_assets.features.build import make_features
from model2_assets.market_data import load_market_data
from model2_assets.training import Tables, Task, TrainingData, fold_models
from model2_assets.training.fold_models import lack_of_worker_memory
from model2_assets_tests.engines.cluster import Cluster, running_cluster
from model2_assets_tests.engines.region import bits, fitted, region_config, store_tables

pytestmark = pytest.mark.services

SNIFFER = """
import socket
with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.ntohs(3)) as packets:
    print("ready", flush=True)
    while True:
        if b'"task_id":"00000"' in packets.recv(65_535):
            print("seen", flush=True)
"""
"""Looks for what a worker tells the tracker of the collective."""

CONFIG = region_config(60, 600, xgboost={"params": {"n_estimators": 300}, "calibration": "none"})
WITHIN_S = 60


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> Tables:
    return store_tables(tmp_path_factory.mktemp("region") / "data", CONFIG)


@pytest.fixture(scope="module")
def expected(tables: Tables) -> dict[str, list[object]]:
    return {model: bits(fitted(CONFIG, tables, model)) for model in ("ridge", "xgboost")}


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    with running_cluster(tmp_path / "cluster") as cluster:
        yield cluster


@pytest.fixture
def together(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have every fit made by all workers."""

    def lack(task: Task, data: TrainingData, *, allowed: int | None) -> str:
        return lack_of_worker_memory(task, data, allowed=1)

    monkeypatch.setattr(fold_models, "lack_of_worker_memory", lack)


class Strike(threading.Thread):
    """Does something a little after a moment has come, and notes when."""

    def __init__(
        self, act: Callable[[], None], *, once: Callable[[], object], after: float
    ) -> None:
        super().__init__(daemon=True)
        self.act, self.once, self.after, self.at = act, once, after, 0.0
        self.start()

    def run(self) -> None:
        while not self.once():
            time.sleep(0.02)
        time.sleep(self.after)
        self.at = time.monotonic()
        self.act()


def boosting(tables: Tables) -> Callable[[], object]:
    """Return what tells whether both workers have their bins, so that trees are grown."""
    assert tables.source is not None
    working = Path(tables.source.base) / ".working"
    return lambda: len(list(working.glob("workers-*/ready-*"))) == 2


def forget_sums(tables: Tables) -> None:
    assert tables.source is not None
    for file in Path(tables.source.base).rglob("ridge_sums/*"):
        file.unlink()


@pytest.mark.parametrize("sent", [signal.SIGKILL, signal.SIGSTOP])
@pytest.mark.usefixtures("together")
def test_boosting_begins_again_without_a_worker(
    tables: Tables, expected: dict[str, list[object]], cluster: Cluster, sent: signal.Signals
) -> None:
    strike = Strike(lambda: cluster.workers[0].send_signal(sent), once=boosting(tables), after=0.5)
    made = bits(fitted(CONFIG, tables, "xgboost", execution=cluster.execution()))
    assert strike.at
    assert made == expected["xgboost"]


@pytest.mark.parametrize("sent", [signal.SIGKILL, signal.SIGSTOP])
@pytest.mark.usefixtures("together")
def test_a_lost_scheduler_is_a_sentence(
    tables: Tables, cluster: Cluster, sent: signal.Signals
) -> None:
    scheduler = cluster.scheduler
    assert scheduler is not None
    strike = Strike(lambda: scheduler.send_signal(sent), once=boosting(tables), after=0.5)
    with pytest.raises(Model2Error, match=r"the scheduler was lost .*the last good result stays"):
        fitted(CONFIG, tables, "xgboost", execution=cluster.execution())
    assert time.monotonic() - strike.at < WITHIN_S


@pytest.mark.parametrize("sent", [signal.SIGKILL, signal.SIGSTOP])
def test_sums_of_ridge_are_added_up_elsewhere(
    tables: Tables, expected: dict[str, list[object]], cluster: Cluster, sent: signal.Signals
) -> None:
    forget_sums(tables)

    def is_at_work() -> bool:
        return "Receive client connection" in cluster.log()

    strike = Strike(lambda: cluster.workers[0].send_signal(sent), once=is_at_work, after=2)
    made = bits(fitted(CONFIG, tables, "ridge", execution=cluster.execution()))
    assert strike.at
    assert made == expected["ridge"]


def test_features_are_made_elsewhere(tables: Tables, cluster: Cluster, tmp_path: Path) -> None:
    settings, scratch = CONFIG.region("us"), tmp_path / "scratch"
    scratch.mkdir()
    panel = load_market_data(settings.market_data).panel
    strike = Strike(cluster.workers[0].kill, once=(scratch / "targets.npy").exists, after=0.3)
    with open_engine(cluster.execution(), n_threads=1) as engine:
        made = make_features(panel, settings.features, scratch=scratch, run=engine.map)
    assert strike.at
    assert made.equals(tables.features)


@pytest.mark.usefixtures("together")
def test_what_workers_send_each_other_in_boosting_is_in_the_clear(
    tables: Tables, cluster: Cluster
) -> None:
    """Threat model and cluster page say so: whoever mends it mends those."""
    if not hasattr(socket, "AF_PACKET") or os.geteuid():
        pytest.skip("packets can be looked at by root on Linux alone")
    # In a process of its own: this one has other things to do.
    sniffer = subprocess.Popen([sys.executable, "-c", SNIFFER], stdout=subprocess.PIPE)
    assert sniffer.stdout is not None
    assert sniffer.stdout.readline() == b"ready\n"
    fitted(CONFIG, tables, "xgboost", execution=cluster.execution())
    sniffer.terminate()
    assert b"seen" in sniffer.stdout.read()
    sniffer.wait()
