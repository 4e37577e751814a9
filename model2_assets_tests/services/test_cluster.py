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

from model2_assets.engines import Engine, open_engine
from model2_assets.engines.dask import DaskEngine
from model2_assets.errors import EngineError, Model2Error, TrainingError
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

    def require_end(self, what: object) -> None:
        """Require that it has struck, and that not too much time has passed since."""
        assert self.at
        seconds = time.monotonic() - self.at
        print(f"{what}: over {seconds:.1f} s after")
        assert seconds < WITHIN_S


def boosting(tables: Tables) -> Callable[[], object]:
    """Return what tells whether both workers have their bins, so that trees are grown."""
    assert tables.source is not None
    working = Path(tables.source.base) / ".working"
    return lambda: len(list(working.glob("workers-*/ready-*"))) == 2


def strike_at_work(engine: Engine, sent: signal.Signals, n_workers: int = 1) -> Strike:
    """Send a signal to a worker that has a task, or to others too."""
    assert isinstance(engine, DaskEngine)
    client = engine._client
    processes = client.run(os.getpid)

    def at_work() -> list[int]:
        return [processes[worker] for worker, tasks in client.processing().items() if tasks]

    def strike() -> None:
        first = at_work()[0]
        for process in sorted(processes.values(), key=lambda each: each != first)[:n_workers]:
            os.kill(process, sent)

    return Strike(strike, once=at_work, after=0)


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
    strike.require_end(f"a worker, {sent.name} in boosting together")
    assert made == expected["xgboost"]


@pytest.mark.parametrize("sent", [signal.SIGKILL, signal.SIGSTOP])
def test_a_fold_is_fitted_elsewhere(
    tables: Tables,
    expected: dict[str, list[object]],
    cluster: Cluster,
    sent: signal.Signals,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO")
    strike = Strike(
        lambda: cluster.workers[0].send_signal(sent),
        once=lambda: "side by side on 2 workers" in caplog.text,
        after=2,
    )
    made = bits(fitted(CONFIG, tables, "xgboost", execution=cluster.execution()))
    strike.require_end(f"a worker, {sent.name} in a fold's fit")
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
    strike.require_end(f"the scheduler, {sent.name} in boosting together")


@pytest.mark.parametrize("sent", [signal.SIGKILL, signal.SIGSTOP])
def test_sums_of_ridge_are_added_up_elsewhere(
    tables: Tables, expected: dict[str, list[object]], cluster: Cluster, sent: signal.Signals
) -> None:
    forget_sums(tables)
    with open_engine(cluster.execution(), n_threads=1) as engine:
        strike = strike_at_work(engine, sent)
        tables.sums("21d", engine)
    strike.require_end(f"a worker, {sent.name} in sums of Ridge")
    assert bits(fitted(CONFIG, tables, "ridge")) == expected["ridge"]


@pytest.mark.parametrize("sent", [signal.SIGKILL, signal.SIGSTOP])
def test_work_without_any_worker_is_given_up(
    tables: Tables, cluster: Cluster, sent: signal.Signals
) -> None:
    with open_engine(cluster.execution(), n_threads=1) as engine:
        strike = strike_at_work(engine, sent, n_workers=2)
        with pytest.raises(EngineError, match=r"no worker has been there .* last good result"):
            tables.add_up(engine)
    strike.require_end(f"both workers, {sent.name} in sums of Ridge")


@pytest.mark.usefixtures("together")
def test_boosting_without_any_worker_is_given_up(tables: Tables, cluster: Cluster) -> None:
    def kill() -> None:
        for worker in cluster.workers:
            worker.kill()

    strike = Strike(kill, once=boosting(tables), after=0.5)
    with pytest.raises(TrainingError, match=r"1 workers are needed, 0 are there; 3 fits were"):
        fitted(CONFIG, tables, "xgboost", execution=cluster.execution())
    strike.require_end("both workers, SIGKILL in boosting together")


@pytest.mark.parametrize("sent", [signal.SIGKILL, signal.SIGSTOP])
def test_features_are_made_elsewhere(
    tables: Tables, cluster: Cluster, tmp_path: Path, sent: signal.Signals
) -> None:
    settings, scratch = CONFIG.region("us"), tmp_path / "scratch"
    scratch.mkdir()
    panel = load_market_data(settings.market_data).panel
    with open_engine(cluster.execution(), n_threads=1) as engine:
        strike = strike_at_work(engine, sent)
        made = make_features(panel, settings.features, scratch=scratch, run=engine.map)
    strike.require_end(f"a worker, {sent.name} in features")
    assert made.equals(tables.features)


@pytest.mark.usefixtures("together")
def test_what_workers_send_each_other_in_boosting_is_in_the_clear(
    tables: Tables, cluster: Cluster
) -> None:
    """Threat model and cluster page say so: whoever mends it mends those."""
    if not hasattr(socket, "AF_PACKET") or os.geteuid():
        pytest.skip("packets can be looked at by root on Linux alone")
    # In a process of its own: this one has other things to do.
    command = [sys.executable, "-c", SNIFFER]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as sniffer:
        assert sniffer.stdout is not None
        assert sniffer.stdout.readline() == b"ready\n"
        fitted(CONFIG, tables, "xgboost", execution=cluster.execution())
        sniffer.terminate()
        assert b"seen" in sniffer.stdout.read()
