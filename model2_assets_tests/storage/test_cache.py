import contextlib
import errno
import logging
import multiprocessing
import os
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from upath import UPath

from model2_assets.errors import StoreError
from model2_assets.panel import panel_index
from model2_assets.storage import Address, Store
from model2_assets.storage import cache as module
from model2_assets.storage.cache import (
    MatrixCodec,
    WorkingFiles,
    read_figures,
    working_files_of,
    write_figures,
)
from model2_assets.storage.data_version import facts_of, table_digest, with_provenance
from model2_assets.storage.files import temporary_file
from model2_assets_tests.sample_tables import mark, sample_table


@pytest.fixture(autouse=True)
def fresh_warnings():
    module._warn_once.cache_clear()


@pytest.fixture
def working(tmp_path):
    return WorkingFiles(tmp_path / "working")


def get(working, key="a.txt", text="one"):
    write = lambda path: path.write_text(text)  # noqa: E731
    return working.get("sums", key, write=write, read=Path.read_text)


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


def test_the_keys_used_last_stay(working, monkeypatch):
    monkeypatch.setattr(module, "KEPT_KEYS", 3)
    for age, key in enumerate(("c.txt", "b.txt", "a.txt")):
        get(working, key)
        moment = time.time() - 100 * (age + 1)
        os.utime(working.folder / "sums" / key, (moment, moment))
    get(working, "a.txt")  # read, and so used now
    get(working, "d.txt")
    assert names(working) == ["a.txt", "c.txt", "d.txt"]


def test_a_removed_file_can_be_read_on_by_who_has_mapped_it(working, monkeypatch):
    monkeypatch.setattr(module, "KEPT_KEYS", 1)

    def mapped(key, value):
        return working.get(
            "sums",
            key,
            write=lambda path: np.save(path, np.full(10_000, value)),
            read=lambda path: np.load(path, mmap_mode="r"),
        )

    first = mapped("a.npy", 1.0)
    mapped("b.npy", 2.0)
    assert names(working) == ["b.npy"]
    assert first.sum() == 10_000


def test_what_another_process_is_writing_stays(working, monkeypatch):
    monkeypatch.setattr(module, "KEPT_KEYS", 1)
    with temporary_file(UPath(working.folder / "sums" / "c.txt")) as written:
        get(working)
        assert names(working) == [written.parent.name, "a.txt"]


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


FEATURES = Address("us", "features")


def features(seed=0, n_rows=500):
    """Features with missing values, of more rows than one chunk where that is made small."""
    random = np.random.default_rng(seed)
    values = random.standard_normal((n_rows, 3)).astype(np.float32)
    values[random.random(values.shape) < 0.1] = np.nan
    dates = pd.bdate_range("2020-01-01", periods=n_rows // 10)
    index = panel_index([f"S{i}" for i in range(10)] * len(dates), np.repeat(dates, 10))
    table = pd.DataFrame(values, index=index, columns=["KMID", "ROC5", "STD5"])
    return mark(table, market_data="m")


@pytest.fixture
def store(tmp_path):
    return Store(str(tmp_path))


@pytest.fixture
def no_cache(tmp_path):
    """Return a store of the same results that cannot keep any working file."""
    (tmp_path / "a-file").touch()
    return Store(str(tmp_path), working_dir=str(tmp_path / "a-file"))


def kept(store, kind="matrix"):
    return sorted((store.working_files("us").folder / kind).glob("*"))


def assert_same(found, expected):
    pd.testing.assert_frame_equal(found, expected, check_exact=True)
    assert facts_of(found) == facts_of(expected)
    assert found.to_numpy().flags.c_contiguous


def test_publishing_keeps_the_matrix_and_reading_maps_it(store):
    table = features()
    store.write(FEATURES, table)
    [path] = kept(store)
    mapped = np.load(path, mmap_mode="r")
    assert mapped.shape == (500, 3)
    assert mapped.dtype == np.float32
    back = store.read(FEATURES)
    assert_same(back, table)
    assert not back.to_numpy().flags.writeable
    values = back.to_numpy()
    while values.base is not None and not isinstance(values, np.memmap):
        values = values.base
    assert Path(values.filename) == path


def test_nothing_that_is_done_with_a_table_copies_it(store):
    store.write(FEATURES, features())
    back = store.read(FEATURES)
    marked = with_provenance(back, data_version="v", inputs={})
    assert np.shares_memory(back.to_numpy(), marked.to_numpy())
    assert np.shares_memory(back.to_numpy(), back["ROC5"].to_numpy())
    assert np.shares_memory(back.to_numpy(), back.iloc[3:90].to_numpy())
    assert np.shares_memory(back.to_numpy(), back.reorder_levels([0, 1]).to_numpy())
    assert back[[]].shape == (500, 0)


@pytest.mark.parametrize("chunk_rows", [64, 16_384])
def test_a_matrix_made_of_the_file_has_the_same_bits(store, monkeypatch, chunk_rows):
    monkeypatch.setattr("model2_assets.storage.cache.CHUNK_ROWS", chunk_rows)
    store.write(FEATURES, features())
    [path], [rows] = kept(store), kept(store, "matrix_rows")
    before, rows_before = path.read_bytes(), rows.read_bytes()
    path.unlink()
    rows.unlink()
    assert_same(store.read(FEATURES), features())
    assert (path.read_bytes(), rows.read_bytes()) == (before, rows_before)


def test_without_any_working_file_the_table_is_the_same(store, no_cache):
    store.write(FEATURES, features())
    assert_same(no_cache.read(FEATURES), store.read(FEATURES))
    no_cache.write(FEATURES, features(1))
    assert_same(no_cache.read(FEATURES), features(1))


def test_an_object_store_without_dagsters_home_has_the_same_table(monkeypatch):
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    elsewhere = Store("memory://matrix")
    elsewhere.write(FEATURES, features())
    assert_same(elsewhere.read(FEATURES), features())


def test_an_object_store_has_its_matrix_in_dagsters_home(tmp_path, monkeypatch):
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    elsewhere = Store("memory://matrix")
    elsewhere.write(FEATURES, features())
    for path in kept(elsewhere):
        path.unlink()
    assert_same(elsewhere.read(FEATURES), features())
    assert len(list(tmp_path.glob(".working/*/us/matrix/*.npy"))) == 1


def test_other_values_have_another_matrix(store):
    for seed in range(3):
        store.write(FEATURES, features(seed))
        assert_same(store.read(FEATURES), features(seed))
    assert len(kept(store)) == len(kept(store, "matrix_rows")) == 2


@pytest.mark.parametrize("damage", ["truncated", "other shape", "other type", "no array", "empty"])
def test_a_matrix_that_does_not_fit_is_made_again(store, damage):
    store.write(FEATURES, features())
    [path] = kept(store)
    whole = path.read_bytes()
    {
        "truncated": lambda: path.write_bytes(whole[:-1]),
        "other shape": lambda: np.save(path, np.zeros((500, 2), dtype=np.float32)),
        "other type": lambda: np.save(path, np.zeros((500, 3))),
        "no array": lambda: path.write_bytes(b"\0" * len(whole)),
        "empty": lambda: path.write_bytes(b""),
    }[damage]()
    assert_same(store.read(FEATURES), features())
    assert path.read_bytes() == whole


def test_damaged_rows_are_made_again(store):
    store.write(FEATURES, features())
    [path] = kept(store, "matrix_rows")
    whole = bytearray(path.read_bytes())
    for position in range(0, len(whole), 97):
        flipped = bytearray(whole)
        flipped[position] ^= 1
        path.write_bytes(flipped)
        assert_same(store.read(FEATURES), features())


def test_a_flipped_bit_of_the_matrix_is_found_and_publishing_mends_it(store):
    store.write(FEATURES, features())
    store.verify(FEATURES)
    [path] = kept(store)
    with path.open("r+b") as file:
        file.seek(1001)
        byte = file.read(1)
        file.seek(1001)
        file.write(bytes([byte[0] ^ 1]))
    with pytest.raises(
        StoreError, match=r"working matrix .* has other values .*remove that folder"
    ):
        store.verify(FEATURES)
    store.write(FEATURES, features())
    store.verify(FEATURES)


def test_a_damaged_file_is_found_though_the_matrix_is_there(store):
    store.write(FEATURES, features())
    path = Path(store.path(FEATURES).path)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(StoreError, match="is not what was published here"):
        store.verify(FEATURES)
    assert_same(store.read(FEATURES), features())


def test_no_matrix_is_made_of_a_damaged_file(store):
    store.write(FEATURES, features())
    [matrix] = kept(store)
    matrix.unlink()
    path = Path(store.path(FEATURES).path)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(StoreError, match="is not what was published here"):
        store.read(FEATURES)
    assert kept(store) == []


def test_a_file_that_is_replaced_while_it_is_read_is_not_mistaken_for_the_old_one(
    store, monkeypatch
):
    store.write(FEATURES, features())
    [matrix] = kept(store)
    matrix.unlink()
    original = MatrixCodec.source

    def then_replaced(codec, recognize):
        opened = original(codec, recognize)
        store.write(FEATURES, features(1))
        return opened

    monkeypatch.setattr(MatrixCodec, "source", then_replaced)
    with pytest.raises(StoreError, match="it was replaced while it was read"):
        store.read(FEATURES)


def _read(base, barrier, results):
    barrier.wait(timeout=60)
    results.put(table_digest(Store(base).read(FEATURES)))


def test_two_processes_may_make_the_matrix_at_once(store):
    store.write(FEATURES, features())
    for path in (*kept(store), *kept(store, "matrix_rows")):
        path.unlink()
    spawn = multiprocessing.get_context("spawn")
    barrier, results = spawn.Barrier(2), spawn.Queue()
    base = str(store.base)
    processes = [spawn.Process(target=_read, args=(base, barrier, results)) for _ in range(2)]
    for process in processes:
        process.start()
    assert {results.get(timeout=60) for _ in processes} == {table_digest(features())}
    for process in processes:
        process.join(timeout=30)
    assert len(kept(store)) == len(kept(store, "matrix_rows")) == 1


def test_a_footer_that_was_changed_is_found_though_the_matrix_is_served(store):
    store.write(FEATURES, features())
    store.read(FEATURES)
    path = Path(str(store.path(FEATURES)))
    data = path.read_bytes()
    name = features().columns[0].encode()
    assert name in data
    path.write_bytes(data.replace(name, name[:-1] + b"#"))
    with pytest.raises(StoreError, match=r"features\.parquet: .*is not what was published here"):
        store.read(FEATURES)


def test_figures_come_back_to_the_bit_and_damaged_ones_not_at_all(tmp_path):
    values = [[0.1, np.nan], [1 / 3, -0.0]]
    figures = pd.DataFrame(values, pd.Index(["NA", "1"], dtype="str"), ["rank_ic", "rank_ic_t"])
    path = tmp_path / "figures.npz"
    write_figures(path, figures)
    pd.testing.assert_frame_equal(read_figures(path), figures, check_exact=True)
    whole = path.read_bytes()
    for place in range(0, len(whole), 7):
        damaged = bytearray(whole)
        damaged[place] ^= 4
        path.write_bytes(damaged)
        with contextlib.suppress(Exception):
            assert read_figures(path).equals(figures)
