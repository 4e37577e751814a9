import pickle
import subprocess
import sys

import numpy as np
import pytest

from model2_assets.storage import Address, Store
from model2_assets.storage.data_version import stamped
from model2_assets.storage.matrix import stored_matrix
from model2_assets_tests.sample_tables import features

ADDRESS = Address("us", "features")


@pytest.fixture
def store(tmp_path):
    store = Store(tmp_path)
    store.write(ADDRESS, stamped(features(), inputs={}))
    return store


def test_rows_are_those_of_the_table(store):
    frame = store.read(ADDRESS)
    matrix = stored_matrix(frame)
    assert matrix.shape == frame.shape
    assert np.array_equal(matrix.rows(), frame.to_numpy(), equal_nan=True)
    assert np.array_equal(matrix.rows(1, 3), frame.iloc[1:3].to_numpy(), equal_nan=True)
    assert not matrix.rows(1, 3).flags.writeable


def test_another_process_maps_the_same_rows(store):
    matrix = stored_matrix(store.read(ADDRESS))
    data = pickle.dumps(matrix)
    assert len(data) < 1_000
    code = "import pickle, sys; sys.stdout.buffer.write(pickle.load(sys.stdin.buffer).rows(1))"
    read = subprocess.run([sys.executable, "-c", code], input=data, capture_output=True, check=True)
    assert read.stdout == np.ascontiguousarray(matrix.rows(1)).tobytes()


def test_other_tables_are_nowhere(store):
    assert stored_matrix(features()) is None
    unkept = Store("memory://unkept")
    unkept.write(ADDRESS, features())
    assert stored_matrix(unkept.read(ADDRESS)) is None
