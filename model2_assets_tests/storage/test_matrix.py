import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from model2_assets import panel
from model2_assets.errors import StoreError
from model2_assets.storage import Store, matrix
from model2_assets.storage.matrix import stored_matrix
from model2_assets_tests.storage.buckets import new_bucket
from model2_assets_tests.storage.large_tables import FEATURES, ROWS_A_PART, table

READ = """
import pickle, sys
matrix, start, stop = pickle.load(sys.stdin.buffer)
sys.stdout.buffer.write(matrix.rows(start, stop).tobytes())
"""


@pytest.fixture(autouse=True)
def small_parts(monkeypatch):
    monkeypatch.setattr(panel, "PART_ROWS", ROWS_A_PART)
    matrix._fetched.cache_clear()
    matrix._mapped.cache_clear()


@pytest.fixture(params=[0, np.inf], ids=["parts", "file"])
def store(tmp_path, request):
    store = Store(tmp_path / "base", dataset_above_mb=request.param)
    store.write(FEATURES, table(FEATURES))
    return store


def without_working_file(store):
    """Return where the features are, as seen by a machine that has no working file."""
    found = stored_matrix(store.read(FEATURES))
    Path(found.path).unlink()
    return found


def in_another_process(matrix, start=0, stop=None):
    """Return the bytes of rows as another process reads them."""
    data = pickle.dumps((matrix, start, stop))
    assert len(data) < 1_000
    command = [sys.executable, "-c", READ]
    return subprocess.run(command, input=data, capture_output=True, check=True).stdout


def test_rows_are_those_of_the_table(store):
    frame = store.read(FEATURES)
    found = stored_matrix(frame)
    assert found.shape == frame.shape
    assert np.array_equal(found.rows(), frame.to_numpy(), equal_nan=True)
    assert np.array_equal(found.rows(1, 3), frame.iloc[1:3].to_numpy(), equal_nan=True)
    assert np.shares_memory(found.rows(1, 3), found.rows(0, 9))
    assert not found.rows(1, 3).flags.writeable


def test_rows_of_parts_are_the_same(store):
    values = table(FEATURES).to_numpy()
    found = without_working_file(store)
    for start in range(len(values) + 1):
        for stop in range(start, len(values) + 2):
            rows = found.rows(start, stop)
            assert np.array_equal(rows, values[start:stop], equal_nan=True), (start, stop)
            assert not rows.flags.writeable
    assert np.array_equal(found.rows(), values, equal_nan=True)


def test_another_process_reads_the_same_bytes(store):
    values = table(FEATURES).to_numpy()
    assert in_another_process(stored_matrix(store.read(FEATURES)), 2) == values[2:].tobytes()
    assert in_another_process(without_working_file(store), 5, 19) == values[5:19].tobytes()


def test_a_part_is_read_once_and_only_if_it_is_asked_for(tmp_path, monkeypatch):
    store = Store(tmp_path, dataset_above_mb=0)
    folder = Path(str(store.write(FEATURES, table(FEATURES))))
    found = without_working_file(store)
    (folder / "part-00002.parquet").write_bytes(b"damaged")
    assert len(found.rows(0, 16)) == 16
    (folder / "part-00000.parquet").write_bytes(b"damaged")
    assert np.array_equal(found.rows(0, 16), table(FEATURES).to_numpy()[:16], equal_nan=True)
    with pytest.raises(StoreError, match=r"part-00002\.parquet: was changed or cut off"):
        found.rows(15, 17)


def test_fetched_files_go_with_what_fetched_them(store):
    found = without_working_file(store)
    found.rows()
    [folder] = (matrix._fetched(found)._folder,)
    assert list(folder.iterdir())
    matrix._fetched.cache_clear()
    assert not folder.exists()


def test_a_damaged_working_file_is_not_read(store):
    found = stored_matrix(store.read(FEATURES))
    Path(found.path).write_bytes(Path(found.path).read_bytes()[:-1])
    matrix._mapped.cache_clear()
    assert np.array_equal(found.rows(), table(FEATURES).to_numpy(), equal_nan=True)


def test_rows_of_another_version_are_refused(store):
    found = without_working_file(store)
    store.write(FEATURES, table(FEATURES, 1))
    with pytest.raises(StoreError, match=r"rows of \w{12} are asked for: it was replaced"):
        found.rows()


def test_who_sees_neither_file_nor_store_is_told_what_to_do(store, tmp_path):
    found = without_working_file(store)
    (tmp_path / "base").rename(tmp_path / "elsewhere")
    with pytest.raises(StoreError, match=r"cannot be seen from .*\(MODEL2_STORAGE\)"):
        found.rows()


def test_other_tables_are_nowhere(monkeypatch):
    assert stored_matrix(table(FEATURES)) is None
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    unkept = Store("memory://unkept", dataset_above_mb=0)
    unkept.write(FEATURES, table(FEATURES))
    found = stored_matrix(unkept.read(FEATURES))
    assert found.path == ""
    assert np.array_equal(found.rows(), table(FEATURES).to_numpy(), equal_nan=True)


def test_parts_come_from_a_bucket_one_request_each(s3, monkeypatch):
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    store = Store(new_bucket(), dataset_above_mb=0)
    store.write(FEATURES, table(FEATURES))
    values = table(FEATURES).to_numpy()
    found = stored_matrix(store.read(FEATURES))
    asked = []
    fs, fetch = store.base.fs, store.base.fs.cat_file
    monkeypatch.setattr(fs, "cat_file", lambda path: asked.append(path) or fetch(path))
    assert np.array_equal(found.rows(8, 20), values[8:20], equal_nan=True)
    assert [path.rpartition("/")[2] for path in asked if "part-" in path] == [
        "part-00001.parquet",
        "part-00002.parquet",
    ]
    assert in_another_process(found, 5, 19) == values[5:19].tobytes()
