import errno
import fcntl
import logging
import multiprocessing
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from pathlib import Path

import pytest
from upath import UPath

from model2_assets.errors import StoreError
from model2_assets.storage import Store
from model2_assets.storage.files import (
    TEMPORARY_PREFIX,
    is_local,
    remove_abandoned,
    scratch_folder,
    storing,
    temporary_file,
    write_atomically,
)


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("prefix", ["", "file://"])
def test_file_is_created_with_its_folders(tmp_path, prefix):
    path = UPath(f"{prefix}{tmp_path}/a/b/result.parquet")
    write_atomically(path, b"new")
    assert (tmp_path / "a/b/result.parquet").read_bytes() == b"new"
    assert names_in(tmp_path / "a/b") == ["result.parquet"]


def test_file_is_replaced_whole(tmp_path):
    path = UPath(tmp_path / "result")
    write_atomically(path, b"a longer old content")
    write_atomically(path, b"new")
    assert path.read_bytes() == b"new"
    assert names_in(tmp_path) == ["result"]


def test_empty_content_is_content(tmp_path):
    write_atomically(UPath(tmp_path / "result"), b"")
    assert (tmp_path / "result").read_bytes() == b""


@pytest.mark.parametrize("step", ["fsync", "replace"])
@pytest.mark.parametrize("error", [OSError("No space left on device"), KeyboardInterrupt()])
def test_write_that_fails_leaves_the_old_file_and_no_other(tmp_path, monkeypatch, step, error):
    path = UPath(tmp_path / "result")
    write_atomically(path, b"old")

    def fail(*args, **kwargs):
        assert any(name.startswith(TEMPORARY_PREFIX) for name in names_in(tmp_path))
        raise error

    monkeypatch.setattr(os, step, fail)
    with pytest.raises(type(error)):
        write_atomically(path, b"new")
    monkeypatch.undo()
    assert path.read_bytes() == b"old"
    assert names_in(tmp_path) == ["result"]


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_first_write_that_fails_leaves_nothing(tmp_path, monkeypatch, step):
    def fail(*args, **kwargs):
        raise OSError("No space left on device")

    monkeypatch.setattr(os, step, fail)
    with pytest.raises(OSError, match="No space left"):
        write_atomically(UPath(tmp_path / "result"), b"new")
    assert names_in(tmp_path) == []


KILLED = """
import os, signal, sys
from upath import UPath
from model2_assets.storage.files import write_atomically
setattr(os, sys.argv[2], lambda *args, **kwargs: os.kill(os.getpid(), signal.SIGKILL))
write_atomically(UPath(sys.argv[1]), b"new")
"""


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_killed_writer_leaves_the_old_file(tmp_path, step):
    path = tmp_path / "result"
    path.write_bytes(b"old")
    process = subprocess.run([sys.executable, "-c", KILLED, str(path), step], check=False)
    assert process.returncode == -signal.SIGKILL
    assert path.read_bytes() == b"old"
    left = [name for name in names_in(tmp_path) if name != "result"]
    assert all(name.startswith(TEMPORARY_PREFIX) for name in left)
    write_atomically(UPath(path), b"newer")
    assert path.read_bytes() == b"newer"


HELD = """
import sys
from upath import UPath
from model2_assets.storage.files import scratch_folder, temporary_file
with scratch_folder() as scratch, temporary_file(UPath(sys.argv[1])):
    (scratch / "model.ubj").touch()
    print("held", flush=True)
    sys.stdin.read()
"""


def test_what_a_killed_process_held_goes_and_what_a_living_one_holds_stays(tmp_path, monkeypatch):
    system, results = tmp_path / "system", tmp_path / "results"
    for folder in (system, results):
        (folder / "model2-results").mkdir(parents=True)
    monkeypatch.setattr(tempfile, "tempdir", str(system))
    process = subprocess.Popen(
        [sys.executable, "-c", HELD, str(results / "us" / "result")],
        env={**os.environ, "TMPDIR": str(system)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    with process:
        assert process.stdout.readline() == b"held\n"
        assert (len(names_in(system)), len(names_in(results / "us"))) == (2, 1)
        assert remove_abandoned(results) == 0
        process.kill()
    assert remove_abandoned(results) == 2
    assert names_in(system) == ["model2-results"]
    assert names_in(results / "us") == []


def test_what_is_taken_for_abandoned_before_it_is_held_gets_another_name(tmp_path, monkeypatch):
    names, lock = [], fcntl.flock

    def swept(descriptor, mode):
        if not names:
            names.extend(tmp_path.iterdir())
            names[0].rmdir()
        lock(descriptor, mode)

    monkeypatch.setattr(fcntl, "flock", swept)
    with temporary_file(UPath(tmp_path / "result")) as temporary:
        assert temporary.parent.exists()
        assert temporary.parent not in names


def test_a_disk_without_locks_keeps_temporary_files_for_a_day(tmp_path, monkeypatch):
    def no_locks(descriptor, mode):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", no_locks)
    with temporary_file(UPath(tmp_path / "result")) as temporary:
        assert remove_abandoned(tmp_path) == 0
        yesterday = time.time() - 90_000
        os.utime(temporary.parent, (yesterday, yesterday))
        assert remove_abandoned(tmp_path) == 1


@pytest.mark.parametrize(
    ("number", "remedy"),
    [
        (errno.ENOSPC, "free some space on its disk"),
        (errno.EROFS, "make the base path writable"),
        (errno.EIO, "mend the cause"),
    ],
)
def test_what_the_system_refuses_is_one_sentence(number, remedy):
    with pytest.raises(StoreError) as found, storing(UPath("/data/us/labels.parquet")):
        raise OSError(number, os.strerror(number))
    assert str(found.value) == (
        f"/data/us/labels.parquet: cannot be written ({os.strerror(number)}); {remedy}"
        f"{', or name another by MODEL2_STORAGE' if number == errno.EROFS else ''}, then run "
        f"again: the last good result stays"
    )


def test_bytes_reach_the_device_before_the_name(tmp_path, monkeypatch):
    order = []
    fsync, replace = os.fsync, os.replace
    monkeypatch.setattr(os, "fsync", lambda fd: (order.append("fsync"), fsync(fd))[1])
    monkeypatch.setattr(os, "replace", lambda *names: (order.append("replace"), replace(*names))[1])
    write_atomically(UPath(tmp_path / "result"), b"new")
    assert order == ["fsync", "replace"]


def test_readers_never_see_the_temporary_file_under_the_final_name(tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr(os, "fsync", lambda fd: seen.append((tmp_path / "result").exists()))
    write_atomically(UPath(tmp_path / "result"), b"new")
    assert seen == [False]


def test_object_store_is_written_in_one_put(monkeypatch):
    path = UPath(f"memory://{uuid.uuid4().hex}/us/labels.parquet")
    monkeypatch.setattr(os, "replace", lambda *names: pytest.fail("renamed on an object store"))
    write_atomically(path, b"old")
    write_atomically(path, b"new")
    assert path.read_bytes() == b"new"
    assert [child.name for child in path.parent.iterdir()] == ["labels.parquet"]


@pytest.mark.parametrize(
    ("path", "local"),
    [
        ("/data/x", True),
        ("data/x", True),
        ("file:///data/x", True),
        ("local:///data/x", True),
        ("memory://data/x", False),
    ],
)
def test_only_local_paths_are_renamed(path, local):
    assert is_local(UPath(path)) is local


def test_folder_in_the_way_of_a_file_is_reported(tmp_path):
    (tmp_path / "result").mkdir()
    with pytest.raises(OSError, match="result"):
        write_atomically(UPath(tmp_path / "result"), b"new")
    assert names_in(tmp_path) == ["result"]


def test_a_scratch_folder_that_is_taken_for_abandoned_before_it_is_held_is_made_anew(
    monkeypatch, tmp_path
):
    make, made = tempfile.mkdtemp, []

    def taken_at_first(**names):
        made.append(make(**{**names, "dir": tmp_path}))
        if len(made) == 1:
            Path(made[0]).rmdir()
        return made[-1]

    monkeypatch.setattr(tempfile, "mkdtemp", taken_at_first)
    with scratch_folder() as folder:
        assert (len(made), str(folder), folder.is_dir()) == (2, made[1], True)


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
    with Store(base).hold("us"), temporary_file(UPath(base) / "us" / "labels.parquet"):
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
    with temporary_file(UPath(folder / "labels.parquet")) as written, store.hold("us"):
        assert written.parent.exists()


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
