"""Rows chosen from a matrix without a copy of them all."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model2_assets.errors import TrainingError


@dataclass(frozen=True, eq=False)
class SelectedRows:
    """The rows of a matrix at ascending positions, as if they were an array of their own.

    Indexing follows numpy: a slice gives a read-only view where the chosen rows are
    neighbours in the matrix, and an array of positions always gives a copy. Rows that are
    no neighbours are copied either way, so ask for some at a time.

    Attributes
    ----------
    matrix : ndarray of shape (n_matrix_rows, n_features), float32
        C-contiguous; may be mapped from a file.
    positions : ndarray of shape (n_rows,), intp
        Strictly ascending.

    Raises
    ------
    TrainingError
        If the matrix is of another type or layout, or positions are not ascending.

    Examples
    --------
    >>> X = SelectedRows(np.arange(8, dtype=np.float32).reshape(4, 2), np.array([0, 2, 3]))
    >>> X[np.array([2, 0])].tolist()
    [[6.0, 7.0], [0.0, 1.0]]
    >>> np.shares_memory(X[1:], X.matrix), np.shares_memory(X[:2], X.matrix)
    (True, False)
    """

    matrix: NDArray[np.float32]
    positions: NDArray[np.intp]

    def __post_init__(self) -> None:
        if not is_plain_matrix(self.matrix):
            raise TrainingError(
                f"a matrix must be C-contiguous float32 with two dimensions, got "
                f"{self.matrix.dtype} of shape {self.matrix.shape}"
            )
        ascending = bool((np.diff(self.positions) > 0).all())
        ends = self.positions[[0, -1]] if len(self.positions) else np.zeros(2, dtype=np.intp)
        if not ascending or ends[0] < 0 or (len(self) and ends[1] >= len(self.matrix)):
            raise TrainingError(
                f"positions must ascend within the {len(self.matrix)} rows of the matrix"
            )

    def __len__(self) -> int:
        return len(self.positions)

    @property
    def shape(self) -> tuple[int, int]:
        """Number of rows chosen and of features."""
        return len(self.positions), self.matrix.shape[1]

    @property
    def dtype(self) -> np.dtype[np.float32]:
        """Type of the values, float32."""
        return self.matrix.dtype

    def __getitem__(self, rows: slice | NDArray[np.integer[Any]]) -> NDArray[np.float32]:
        """Return rows of shape (n_chosen, n_features) by a slice or an array of positions."""
        found = self.positions[rows]
        run = as_slice(found)
        if run is None:
            return np.take(self.matrix, found, axis=0)
        if not isinstance(rows, slice):
            return self.matrix[run].copy()
        view = self.matrix[run]
        view.flags.writeable = False
        return view

    @property
    def span(self) -> NDArray[np.float32]:
        """The matrix from the first chosen row to the last, others between them included."""
        if not len(self):
            return self.matrix[:0]
        return self.matrix[self.positions[0] : self.positions[-1] + 1]


def as_slice(positions: NDArray[np.integer[Any]]) -> slice | None:
    """Return ascending neighbouring positions as a slice; None where they are none."""
    if not len(positions):
        return slice(0, 0)
    first, last = int(positions[0]), int(positions[-1])
    if last - first != len(positions) - 1 or first < 0 or not (np.diff(positions) == 1).all():
        return None
    return slice(first, last + 1)


def is_plain_matrix(values: NDArray[Any]) -> bool:
    """Tell whether an array is a C-contiguous float32 matrix."""
    return values.ndim == 2 and values.dtype == np.float32 and bool(values.flags.c_contiguous)
