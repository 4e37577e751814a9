"""A bucket and nothing else in common: retrains, faults, and processes killed or frozen."""

import hashlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest
import yaml

from model2_assets.errors import StoreError
from model2_assets.storage import Address, Store, lease
from model2_assets.storage.address import open_base
from model2_assets.storage.lease import RegionObject
from model2_assets_tests.defs.small_region import NO_DRAWINGS, SMALL_REGION, SMALL_XGBOOST
from model2_assets_tests.services.bucket_writer import SHEET
from model2_assets_tests.storage.buckets import new_bucket, proxy, s3_server

pytestmark = pytest.mark.services

LEASE = 4.0
FEATURES = Address("us", "features")


@pytest.fixture(scope="module")
def s3() -> Iterator[str]:
    with s3_server() as url:
        yield url


@pytest.fixture
def base(s3: str) -> str:
    return new_bucket()


class Writer:
    """A process of its own, which does as it is told."""

    def __init__(self, base: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "model2_assets_tests.services.bucket_writer", base, str(LEASE)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def tell(self, order: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{order}\n")
        self.process.stdin.flush()

    def answer(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def do(self, order: str) -> str:
        self.tell(order)
        return self.answer()

    def signal(self, number: int) -> None:
        os.kill(self.process.pid, number)


@pytest.fixture
def start() -> Iterator[Callable[[str], Writer]]:
    """Start writers, which end with the test."""
    made: list[Writer] = []

    def start(base: str) -> Writer:
        made.append(Writer(base))
        return made[-1]

    yield start
    for writer in made:
        writer.process.kill()
        writer.process.communicate()


def test_who_is_killed_is_followed_by_the_other(base, start):
    first, second = start(base), start(base)
    assert [first.do("hold"), first.do("write old")] == ["done", "done"]
    second.tell("hold")
    first.signal(signal.SIGKILL)
    killed = time.monotonic()
    assert second.answer() == "done"
    assert time.monotonic() - killed < 60
    assert second.do("write new") == "done"
    assert Store(base).load(SHEET) == "new"


def test_who_was_frozen_past_its_time_does_not_win_and_says_so(base, start):
    first, second = start(base), start(base)
    assert [first.do("hold"), first.do("write old")] == ["done", "done"]
    first.signal(signal.SIGSTOP)
    first.tell("write late")
    assert [second.do("hold"), second.do("write new")] == ["done", "done"]
    first.signal(signal.SIGCONT)
    said = first.answer()
    assert "the hold of this process is lost to process " in said
    assert said.endswith("it publishes nothing more, run again")
    store = Store(base)
    assert store.load(SHEET) == store.entry_file(SHEET).read_text() == "new"


def test_a_write_that_arrives_after_a_successor_is_refused_by_the_store(s3, base, start):
    """The request is on its way, held up in the network, while its sender is dead."""
    on_its_way, arrive, late = threading.Event(), threading.Event(), []

    def hold_up(method, path):
        if method == "PUT" and path.endswith("/.commits/us.json") and not late and armed:
            late.append(path)
            on_its_way.set()
            arrive.wait(300)

    armed: list[bool] = []
    with proxy(s3, hold_up) as handed_on:
        first, second = start(base), start(base)
        assert first.do("hold") == "done"
        armed.append(True)
        first.tell("write late")  # the request held up publishes, or renews: either is late
        assert on_its_way.wait(120)
        first.signal(signal.SIGKILL)
        assert [second.do("hold"), second.do("write new")] == ["done", "done"]
        before = len(handed_on)
        arrive.set()
        while not [request for request in handed_on[before:] if request[:2] == ("PUT", late[0])]:
            time.sleep(0.05)
        statuses = {status for method, path, status in handed_on[before:] if path == late[0]}
        assert 412 in statuses
    assert Store(base).load(SHEET) == "new"


def test_of_eight_who_race_one_holds_at_a_time(base, monkeypatch):
    monkeypatch.setattr(lease, "LEASE_SECONDS", 30.0)
    inside, most, order = [], [], []

    def race(number: int) -> None:
        store = Store(base)
        with store.hold("us"):
            inside.append(number)
            most.append(len(inside))
            store.write(SHEET, f"page {number}")
            order.append(number)
            inside.remove(number)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(race, range(8)))
    assert most == [1] * 8
    assert Store(base).load(SHEET) == f"page {order[-1]}"
    state = RegionObject(open_base(base) / ".commits/us.json").read()
    assert state.holders == {}


def test_a_kill_during_an_upload_leaves_the_old_and_its_parts_are_cleared(
    s3, base, start, monkeypatch
):
    """A large file goes up in parts: the writer is killed while one of them is on its way."""
    store = Store(base)
    with store.hold("us"):
        store.write(SHEET, "old")
    begun: list[str] = []

    def hang(method, path):
        if "partNumber" in path or ("/.versions/" in path and path.endswith(".html")):
            begun.append(path)
            return 8.0 if method == "PUT" else None
        return None

    with proxy(s3, hang):
        writer = start(base)
        assert writer.do("hold") == "done"
        writer.tell("write " + "many" + "x" * 120_000)  # 120 MB
        while not begun:
            time.sleep(0.05)
        writer.signal(signal.SIGKILL)
    assert store.load(SHEET) == "old"
    uploads = store.base.fs.list_multipart_uploads(store.base.path.split("/")[0])
    assert len(uploads) == 1
    monkeypatch.setattr("model2_assets.storage.turns.ABANDONED_AFTER", timedelta(seconds=-60))
    monkeypatch.setattr(lease, "LEASE_SECONDS", LEASE)
    with store.hold("us"):
        assert store.base.fs.list_multipart_uploads(store.base.path.split("/")[0]) == []
    assert store.load(SHEET) == "old"


@pytest.mark.parametrize("planted", [503, 500, "drop", "drop reply", 1.5])
def test_faults_now_and_then_are_ridden_out(s3, base, planted):
    """Every fifth request fails, its answer is lost, or it takes long."""
    n_requests = 0

    def fault(_method, _path):
        nonlocal n_requests
        n_requests += 1
        return planted if n_requests % 5 == 0 else None

    with proxy(s3, fault):
        store = Store(base, keep_versions=2)
        for page in ("old", "new"):
            with store.hold("us"):
                store.write(SHEET, page)
            assert store.load(SHEET) == page


def test_a_store_that_does_not_answer_is_one_sentence(s3, base, monkeypatch):
    settings = {"read_timeout": 1, "retries": {"total_max_attempts": 1}}
    monkeypatch.setattr("model2_assets.storage.s3.CONFIG", settings)
    with (
        proxy(s3, lambda *_request: 5.0),
        pytest.raises(StoreError, match=r"\(ReadTimeoutError\); see that the store is well"),
    ):
        Store(base).load(SHEET)


@pytest.mark.parametrize("hours", [-30, 30])
def test_time_is_that_of_the_store(s3, base, start, hours):
    """Whose clock is far from that of the machine: who is alive is waited for, others are not."""
    with proxy(s3, lambda *_request: None, clock=timedelta(hours=hours)):
        first, second = start(base), start(base)
        assert first.do("hold") == "done"
        second.tell("hold")
        time.sleep(2 * LEASE)
        assert first.do("write first") == "done"
        first.signal(signal.SIGKILL)
        assert [second.answer(), second.do("write second")] == ["done", "done"]
    assert Store(base).load(SHEET) == "second"


def test_a_whole_retrain_gives_what_it_gives_on_a_local_disk(base, tmp_path):
    config = {
        "regions": {"us": SMALL_REGION},
        "models": {"xgboost": {"params": SMALL_XGBOOST}},
        "reports": NO_DRAWINGS,
    }
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    places = {"local": str(tmp_path / "data"), "s3": base}
    for name, place in places.items():
        for command in (["retrain"], ["check"], ["scores"], ["versions"]):
            _model2(command, place, tmp_path, home=tmp_path / name)
    local, s3 = (_files(place) for place in places.values())
    assert len(local) > 40
    assert s3 == local
    latest = Store(base).archive.versions(Address("us", "oof_predictions", "21d", "ridge"))[0]
    rollback = ["rollback", "--region", "us", "--horizon", "21d", "--model", "ridge"]
    _model2([*rollback, "--yes", latest.short], base, tmp_path, home=tmp_path / "s3")
    _model2(["check"], base, tmp_path, home=tmp_path / "s3")


def _model2(command: list[str], place: str, folder: Path, *, home: Path) -> None:
    home.mkdir(exist_ok=True)
    environment = {
        **os.environ,
        "MODEL2_CONFIG": str(folder / "config.yaml"),
        "MODEL2_STORAGE": place,
        "DAGSTER_HOME": str(home),
    }
    finished = subprocess.run(
        [sys.executable, "-m", "model2_assets.cli.main", *command],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=900,
    )
    assert finished.returncode == 0, finished.stdout + finished.stderr


def _files(place: str) -> dict[str, str]:
    """Return the hash of every file at its own path, but of those that tell times and memory."""
    base = open_base(place)
    found = {name.removeprefix(f"{base.path}/"): name for name in base.fs.find(base.path)}
    return {
        name: hashlib.sha256(base.fs.cat_file(path)).hexdigest()
        for name, path in found.items()
        if not name.startswith((".", "us/leaderboard")) and not name.endswith("manifest.json")
    }
