"""Where the values of a stored matrix are, for tasks in any process or on any machine."""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from model2_assets.storage.cache import VALUES, TableHeader, map_values, working_files_of


@dataclass(frozen=True)
class StoredMatrix:
    """The float32 values of a stored table, such as features: not they, but where they are.

    It is small, and can be pickled: a task is handed one and the rows that are its own.

    Attributes
    ----------
    path : str
        Working file (``.npy``) that is mapped where it can be seen.
    shape : tuple of int
        Number of rows, in canonical order, and of columns.
    data_version : str
        Of the table.
    """

    path: str
    shape: tuple[int, int]
    data_version: str

    def rows(self, start: int = 0, stop: int | None = None) -> NDArray[np.float32]:
        """Return neighbouring rows, of shape (stop - start, n_columns), read-only; all by default.

        They are a view of a mapped file: what is not looked at is not read.
        """
        return _mapped(self.path, self.shape)[start:stop]


def stored_matrix(frame: pd.DataFrame) -> StoredMatrix | None:
    """Say where the values of a table are that `Store.load` returned; None if it is no such one."""
    header, folder = TableHeader.of_frame(frame), working_files_of(frame).folder
    if folder is None or not header.data_version:
        return None
    path = folder / VALUES / f"{header.data_version}.npy"
    return StoredMatrix(str(path), header.shape, header.data_version) if path.exists() else None


@lru_cache(maxsize=4)
def _mapped(path: str, shape: tuple[int, int]) -> NDArray[np.float32]:
    return map_values(Path(path), shape)
