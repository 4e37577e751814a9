import errno
import logging
import multiprocessing
import os
import time
from pathlib import Path

import numpy as np
import pytest

from model2_assets.storage import Address, Store
from model2_assets.storage import cache as module
from model2_assets.storage.cache import WorkingFiles, working_files_of
from model2_assets.storage.files import temporary_beside
from model2_assets_tests.sample_tables import sample_table


@pytest.fixture(autouse=True)
def fresh_warnings():
    module._warn_once.cache_clear()


@pytest.fixture
def working(tmp_path):
    return WorkingFiles(tmp_path / "working")


def get(working, key="a.txt", text="one", **others):
    return working.get(
        "sums", key, write=lambda path: path.write_text(text), read=Path.read_text, **others
    )


def names(working, kind="sums"):
    return sorted(path.name for path in (working.folder / kind).iterdir())


def test_a_file_is_written_once_and_read_from_then_on(working):
    assert get(working, text="first") == "first"
    assert get(working, text="second") == "first"
    assert names(working) == ["a.txt"]


def test_another_key_or_kind_is_another_file(working):
    get(working, "a.txt", "one")
    assert get(working, "b.txt", "two") == "two"
    write = lambda path: path.write_text("three")  # noqa: E731
    assert working.get("others", "a.txt", write=write, read=Path.read_text) == "three"


def test_what_cannot_be_read_is_made_again(working, caplog):
    def read(path):
        text = path.read_text()
        if text == "dam":
            raise ValueError("too short")
        return text

    def write(path):
        path.write_text("whole")

    get(working, "a.txt", "dam")
    assert working.get("sums", "a.txt", write=write, read=read) == "whole"
    assert get(working, "a.txt") == "whole"
    assert "not readable (too short); making it again" in caplog.text


def test_the_keys_used_last_stay(working):
    for age, key in enumerate(("c.txt", "b.txt", "a.txt")):
        get(working, key, keep=3)
        moment = time.time() - 100 * (age + 1)
        os.utime(working.folder / "sums" / key, (moment, moment))
    get(working, "a.txt")  # read, and so used now
    get(working, "d.txt", keep=3)
    assert names(working) == ["a.txt", "c.txt", "d.txt"]


def test_a_removed_file_can_be_read_on_by_who_has_mapped_it(working):
    def mapped(key, value):
        return working.get(
            "sums",
            key,
            write=lambda path: np.save(path, np.full(10_000, value)),
            read=lambda path: np.load(path, mmap_mode="r"),
            keep=1,
        )

    first = mapped("a.npy", 1.0)
    mapped("b.npy", 2.0)
    assert names(working) == ["b.npy"]
    assert first.sum() == 10_000


def test_temporary_files_go_once_their_writer_is_gone(working):
    get(working)
    abandoned = working.folder / "sums" / ".tmp-left-x"
    abandoned.touch()
    with temporary_beside(working.folder / "sums" / "c.txt") as written:
        get(working, "b.txt")
        assert names(working) == [written.name, "a.txt", "b.txt"]


def test_without_a_folder_nothing_is_kept(working):
    assert get(WorkingFiles(None)) is None


def test_a_folder_that_cannot_be_made_is_told_once(tmp_path, caplog):
    (tmp_path / "file").touch()
    working = WorkingFiles(tmp_path / "file" / "working")
    with caplog.at_level(logging.WARNING):
        assert get(working) is None
        assert get(working, "b.txt") is None
    assert len(caplog.records) == 1
    assert "no working file can be kept" in caplog.text


def test_a_full_disk_leaves_nothing_behind(working, caplog):
    def write(path):
        path.write_text("half")
        raise OSError(errno.ENOSPC, "No space left on device")

    assert working.get("sums", "a.txt", write=write, read=Path.read_text) is None
    assert names(working) == []
    assert "No space left on device" in caplog.text


def test_an_error_of_the_content_is_raised(working):
    def write(path):
        raise ValueError("not a number")

    with pytest.raises(ValueError, match="not a number"):
        working.get("sums", "a.txt", write=write, read=Path.read_text)
    assert names(working) == []


def _make_slowly(folder, barrier, results):
    def write(path):
        barrier.wait(timeout=30)  # both are in here before either has finished
        np.save(path, np.arange(1000))

    made = WorkingFiles(folder).get(
        "sums", "a.npy", write=write, read=lambda path: np.load(path, mmap_mode="r")
    )
    results.put(int(made.sum()))


def test_two_processes_may_make_the_same_file_at_once(working):
    spawn = multiprocessing.get_context("spawn")
    barrier, results = spawn.Barrier(2), spawn.Queue()
    processes = [
        spawn.Process(target=_make_slowly, args=(working.folder, barrier, results))
        for _ in range(2)
    ]
    for process in processes:
        process.start()
    assert [results.get(timeout=60) for _ in processes] == [499_500, 499_500]
    for process in processes:
        process.join(timeout=30)
    assert names(working) == ["a.npy"]


def test_a_stored_table_tells_where_its_working_files_belong(tmp_path):
    store = Store(str(tmp_path))
    address = Address("us", "features")
    store.write(address, sample_table("Features"))
    assert working_files_of(store.read(address)).folder == tmp_path / ".working" / "us"
    assert working_files_of(sample_table("Features")).folder is None


def test_a_store_elsewhere_has_its_working_files_in_dagsters_home(tmp_path, monkeypatch):
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    folder = Store("memory://results").working_files("us").folder
    assert folder.parent.parent == tmp_path / ".working"
    assert folder != Store("memory://others").working_files("us").folder
    monkeypatch.delenv("DAGSTER_HOME")
    assert Store("memory://results").working_files("us").folder is None


def test_a_chosen_folder_is_used(tmp_path):
    store = Store(str(tmp_path / "results"), working_dir=str(tmp_path / "fast"))
    assert store.working_files("us").folder.parent.parent == tmp_path / "fast"
