import logging
import multiprocessing
import os
import signal
import threading
from pathlib import Path

import pytest

from model2_assets.errors import StoreError
from model2_assets.storage import Store
from model2_assets.storage.files import TEMPORARY_PREFIX, temporary_beside

SPAWN = multiprocessing.get_context("spawn")


@pytest.fixture
def store(tmp_path):
    return Store(str(tmp_path / "data"))


def waits(store, region="us", partition=None, take="hold"):
    """Tell whether another thread has to wait for a region, and let it end when it need not."""
    done = threading.Event()

    def other():
        with getattr(store, take)(region, **({"partition": partition} if partition else {})):
            done.set()

    thread = threading.Thread(target=other, daemon=True)
    thread.start()
    waited = not done.wait(0.3)
    return waited, thread


@pytest.mark.parametrize(
    ("held", "wanted", "must_wait"),
    [
        (None, None, True),
        (None, "21d|ridge", True),
        ("21d|ridge", None, True),
        ("21d|ridge", "21d|ridge", True),
        ("21d|ridge", "63d|ridge", False),
    ],
)
def test_who_waits_for_whom(store, held, wanted, must_wait):
    with store.hold("us", partition=held):
        waited, thread = waits(store, partition=wanted)
    thread.join(10)
    assert not thread.is_alive()
    assert waited is must_wait


def test_another_region_waits_for_nobody(store):
    with store.hold("us"):
        waited, _ = waits(store, "eu")
    assert not waited


def test_a_reader_waits_for_a_writer_and_not_for_a_reader(store):
    with store.hold("us"):
        waited, thread = waits(store, take="share")
        assert waited
    thread.join(10)
    with store.share("us"):
        waited, _ = waits(store, take="share")
    assert not waited


def test_who_waits_says_for_whom(store, caplog):
    caplog.set_level(logging.INFO, "model2_assets.storage.files")
    with store.hold("us"):
        _, thread = waits(store)
    thread.join(10)
    said = [record.getMessage() for record in caplog.records]
    assert said[0].startswith(f"us: waiting for process {os.getpid()} on ")
    assert said[-1] == "us: going on"


def test_the_runs_of_a_retrain_are_within_its_own_hold(store):
    with store.hold("us"), store.hold("us", partition="21d|ridge"):
        pass
    with store.hold("us"):  # and it was let go of
        pass


def _hold_for_ever(base, held):
    with Store(base).hold("us"), temporary_beside(Path(base) / "us" / "labels.parquet"):
        held.set()
        signal.pause()


def test_a_killed_holder_holds_nothing_and_its_temporary_files_go(store):
    folder = Path(store.base.path) / "us"
    folder.mkdir(parents=True)
    held = SPAWN.Event()
    process = SPAWN.Process(target=_hold_for_ever, args=(str(store.base), held))
    process.start()
    assert held.wait(60)
    left = [path.name for path in folder.iterdir()]
    assert [name.startswith(TEMPORARY_PREFIX) for name in left] == [True]
    waited, thread = waits(store)
    assert waited
    process.kill()
    process.join(10)
    thread.join(10)
    assert not thread.is_alive()
    assert list(folder.iterdir()) == []


def test_what_another_process_is_writing_stays(store):
    folder = Path(store.base.path) / "us"
    folder.mkdir(parents=True)
    with temporary_beside(folder / "labels.parquet") as written, store.hold("us"):
        assert written.exists()


def test_a_base_path_that_cannot_be_written_is_one_sentence(tmp_path):
    (tmp_path / "data").touch()
    with (
        pytest.raises(StoreError, match=r"us\.lock: cannot be written \(.*\); .*, then run again"),
        Store(str(tmp_path / "data")).hold("us"),
    ):
        pass


def test_results_in_an_object_store_are_held_on_this_machine(tmp_path, monkeypatch):
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    store = Store("memory://results")
    with store.hold("us"):
        waited, thread = waits(Store("memory://results"))
    thread.join(10)
    assert waited
    monkeypatch.delenv("DAGSTER_HOME")
    with Store("memory://results").hold("us"):  # nowhere to keep a lock
        pass
