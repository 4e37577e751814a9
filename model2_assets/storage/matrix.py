"""Where the values of a stored matrix are, for tasks in any process and on any machine."""

import math
import os
import socket
import weakref
from contextlib import ExitStack
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from threading import Lock

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from model2_assets.errors import StoreError
from model2_assets.storage.address import Address
from model2_assets.storage.cache import (
    STORED,
    VALUES,
    TableHeader,
    map_values,
    working_files_of,
    write_values,
)
from model2_assets.storage.files import remove_abandoned, scratch_folder
from model2_assets.storage.store import Store


@dataclass(frozen=True)
class StoredMatrix:
    """The float32 values of a stored table, such as features: not they, but where they are.

    It is small, and can be pickled: a task is handed one, and the rows that are its own. Where
    the working file cannot be seen, as on another machine, the parts that a task looks at are
    read from the store, each once in a process, verified, and kept in a file that is mapped. It is
    among the system's temporary files (``TMPDIR``), takes the space of these parts as float32,
    and goes with the process.

    Attributes
    ----------
    shape : tuple of int
        Number of rows, in canonical order, and of columns.
    data_version : str
        Of the table.
    path : str
        Working file (``.npy``); empty if there is none.
    base, region, asset : str
        Where the table is stored; a process opens it by its own credentials.
    """

    shape: tuple[int, int]
    data_version: str
    path: str
    base: str
    region: str
    asset: str

    def rows(self, start: int = 0, stop: int | None = None) -> NDArray[np.float32]:
        """Return neighbouring rows, read-only; all by default.

        Parameters
        ----------
        start, stop : int
            First row, and the one after the last; from 0 to the number of rows.

        Returns
        -------
        ndarray of shape (stop - start, n_columns)
            A view of a mapped file, of which only what is looked at is read.

        Raises
        ------
        StoreError
            If the table is not there any more, has another version now, or is damaged.
        """
        stop = self.shape[0] if stop is None else min(stop, self.shape[0])
        try:
            return _mapped(self.path, self.shape)[start:stop]
        except (OSError, ValueError):  # not to be seen from here
            return _fetched(self).rows(start, stop)


def stored_matrix(frame: pd.DataFrame) -> StoredMatrix | None:
    """Say where the values of a table are that `Store.load` returned; None if it is no such one."""
    header, folder = TableHeader.of_frame(frame), working_files_of(frame).folder
    if STORED not in frame.attrs or not header.data_version:
        return None
    path = str(folder / VALUES / f"{header.data_version}.npy") if folder is not None else ""
    return StoredMatrix(header.shape, header.data_version, path, *frame.attrs[STORED])


@lru_cache(maxsize=4)
def _mapped(path: str, shape: tuple[int, int]) -> NDArray[np.float32]:
    return map_values(Path(path), shape)


class _FetchedParts:
    """Parts of a matrix that this process has fetched; their files go with the object."""

    def __init__(self, matrix: StoredMatrix) -> None:
        address = Address(matrix.region, matrix.asset)
        store = Store(matrix.base)
        if not store.exists(address):
            raise StoreError(
                f"{store.path(address)}: cannot be seen from {socket.gethostname()}; have results "
                f"on a disk or in an object store that every worker reaches (MODEL2_STORAGE)"
            )
        self._files = store.open_matrix(address)
        found = self._files.header.data_version
        if found != matrix.data_version:
            raise StoreError(
                f"{store.path(address)}: has version {found[:12] or 'none'} now, and rows of "
                f"{matrix.data_version[:12]} are asked for: it was replaced meanwhile; run again"
            )
        remove_abandoned()
        files = ExitStack()
        self._folder = files.enter_context(scratch_folder())
        weakref.finalize(self, files.close)
        # As large as the whole matrix; a part takes space once it is written.
        self._path = self._folder / "values.npy"
        write_values(self._path, self._files.header, [])
        self._first_byte = self._path.stat().st_size
        os.truncate(self._path, self._first_byte + 4 * math.prod(matrix.shape))
        self._values = map_values(self._path, matrix.shape)
        self._starts = np.append(0, np.cumsum(self._files.sizes))
        self._locks = [Lock() for _ in self._files.sizes]
        self._is_there = [False for _ in self._files.sizes]

    def rows(self, start: int, stop: int) -> NDArray[np.float32]:
        """Return neighbouring rows; see `StoredMatrix.rows`."""
        first = int(np.searchsorted(self._starts, start, side="right")) - 1
        for number in range(first, int(np.searchsorted(self._starts, stop))):
            with self._locks[number]:
                if not self._is_there[number]:
                    self._fetch(number)
                    self._is_there[number] = True
        return self._values[start:stop]

    def _fetch(self, number: int) -> None:
        row_bytes = 4 * self._files.header.shape[1]
        with self._path.open("r+b") as file:
            file.seek(self._first_byte + int(self._starts[number]) * row_bytes)
            for chunk in self._files.chunks_of(number):
                file.write(np.ascontiguousarray(chunk, dtype="<f4").data)


@lru_cache(maxsize=2)
def _fetched(matrix: StoredMatrix) -> _FetchedParts:
    return _FetchedParts(matrix)
