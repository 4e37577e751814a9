"""Where the values of a stored matrix are, for tasks in any process and on any machine."""

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
)
from model2_assets.storage.files import remove_abandoned, scratch_folder
from model2_assets.storage.store import Store


@dataclass(frozen=True)
class StoredMatrix:
    """The float32 values of a stored table, such as features: not they, but where they are.

    It is small, and can be pickled: a task is handed one, and the rows that are its own. Where
    the working file cannot be seen, as on another machine, the parts that a task looks at are
    read from the store, each once in a process, verified, and kept as files that are mapped.
    These are among the system's temporary files (``TMPDIR``), as large as the parts in memory,
    and go with the process.

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
            A view of a mapped file, of which only what is looked at is read; a copy where the
            rows are of several parts.

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
        self._starts = np.append(0, np.cumsum(self._files.sizes))
        self._values: dict[int, NDArray[np.float32]] = {}
        self._locks = [Lock() for _ in self._files.sizes]

    def rows(self, start: int, stop: int) -> NDArray[np.float32]:
        """Return neighbouring rows; see `StoredMatrix.rows`."""
        first = min(int(np.searchsorted(self._starts, start, side="right")), len(self._locks)) - 1
        end = max(int(np.searchsorted(self._starts, stop)), first + 1)
        pieces = [
            self._part(number)[max(start - begin, 0) : stop - begin]
            for number, begin in zip(range(first, end), self._starts[first:end], strict=True)
        ]
        if len(pieces) == 1:
            return pieces[0]
        joined = np.concatenate(pieces)
        joined.flags.writeable = False
        return joined

    def _part(self, number: int) -> NDArray[np.float32]:
        with self._locks[number]:
            if number not in self._values:
                path = self._folder / f"{number}.npy"
                self._files.write_file(number, path)
                shape = (self._files.sizes[number], self._files.header.shape[1])
                self._values[number] = map_values(path, shape)
        return self._values[number]


@lru_cache(maxsize=2)
def _fetched(matrix: StoredMatrix) -> _FetchedParts:
    return _FetchedParts(matrix)
