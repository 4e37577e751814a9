import os
import signal
import subprocess
import sys
import uuid
from pathlib import Path

import pytest
from upath import UPath

from model2_assets.files import TEMPORARY_PREFIX, is_local, write_atomically


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
from model2_assets.files import write_atomically
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
