import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model2_assets.errors import TrainingError
from model2_assets.training import SelectedRows
from model2_assets.training.data import as_slice

MATRIX = np.arange(20, dtype=np.float32).reshape(10, 2)


@st.composite
def selections(draw):
    """Return chosen rows, and a slice or positions among them."""
    chosen = sorted(draw(st.sets(st.integers(0, 9))))
    if draw(st.booleans()) or not chosen:
        ends = st.none() | st.integers(-12, 12)
        return chosen, slice(draw(ends), draw(ends), draw(st.sampled_from([None, 1, 2, 3])))
    return chosen, np.array(draw(st.lists(st.integers(-len(chosen), len(chosen) - 1))), dtype=int)


@given(selections())
def test_rows_are_those_of_a_copy(selection):
    chosen, rows = selection
    positions = np.array(chosen, dtype=np.intp)
    X, copy = SelectedRows(MATRIX, positions), MATRIX[positions]
    assert (len(X), X.shape, X.dtype) == (len(copy), copy.shape, copy.dtype)
    np.testing.assert_array_equal(X[rows], copy[rows])
    assert X[rows].dtype == np.float32
    assert X[rows].flags.c_contiguous


def test_neighbours_are_a_view_that_nobody_can_write_to():
    view = SelectedRows(MATRIX, np.array([1, 3, 4, 5]))[1:]
    assert np.shares_memory(view, MATRIX)
    with pytest.raises(ValueError, match="read-only"):
        view[0, 0] = 1
    assert MATRIX.flags.writeable


def test_positions_give_a_copy_of_ones_own():
    copy = SelectedRows(MATRIX, np.array([1, 3, 4, 5]))[np.array([1, 2])]
    assert not np.shares_memory(copy, MATRIX)
    copy[0, 0] = -1
    assert MATRIX[3, 0] == 6


@pytest.mark.parametrize("positions", [[1, 1], [2, 1], [-1, 0], [9, 10]])
def test_positions_must_ascend_within_the_matrix(positions):
    with pytest.raises(TrainingError, match="positions must ascend within the 10 rows"):
        SelectedRows(MATRIX, np.array(positions))


@pytest.mark.parametrize("matrix", [MATRIX.T, MATRIX.astype(float), MATRIX[0]])
def test_another_matrix_is_refused(matrix):
    with pytest.raises(TrainingError, match="C-contiguous float32"):
        SelectedRows(matrix, np.array([0]))


@pytest.mark.parametrize(
    ("positions", "expected"),
    [([3, 4, 5], slice(3, 6)), ([], slice(0, 0)), ([3, 5], None), ([3, 2], None), ([-1, 0], None),
     ([1, 3, 2, 4], None), ([1, 3, 3, 4], None)],
)  # fmt: skip
def test_neighbours_are_told(positions, expected):
    assert as_slice(np.array(positions, dtype=np.intp)) == expected
