"""A large table's Parquet file, read in chunks and verified as a whole before any is used."""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any, BinaryIO, Self

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
from numpy.typing import NDArray
from upath import UPath

from model2_assets.conformity import require_conformity
from model2_assets.contracts import Contract
from model2_assets.files import is_local
from model2_assets.panel import INDEX_NAMES
from model2_assets.row_chunks import CHUNK_ROWS
from model2_assets.tables import (
    PROVENANCE,
    readable_parquet,
    require_checksum,
    require_name,
    stated_name,
    stated_provenance,
)


@dataclass(frozen=True)
class TableHeader:
    """What a table of features states of itself.

    Attributes
    ----------
    columns : tuple of str
        Its columns, without the two of the index.
    n_rows : int
        Number of rows.
    provenance : mapping
        Where it comes from.
    """

    columns: tuple[str, ...]
    n_rows: int
    provenance: dict[str, Any]

    @classmethod
    def of_frame(cls, frame: pd.DataFrame) -> Self:
        """Return what a table in memory states."""
        return cls(tuple(map(str, frame.columns)), len(frame), frame.attrs.get(PROVENANCE, {}))

    @classmethod
    def of_file(cls, file: pq.ParquetFile) -> Self:
        """Return what a Parquet file's footer states."""
        schema = file.schema_arrow
        columns = tuple(name for name in schema.names if name not in INDEX_NAMES)
        return cls(columns, file.metadata.num_rows, stated_provenance(schema))

    @property
    def data_version(self) -> str:
        """Digest of the values, names and row order; empty if none is stated."""
        return str(self.provenance.get("data_version", ""))

    @property
    def shape(self) -> tuple[int, int]:
        """Number of rows and of columns."""
        return self.n_rows, len(self.columns)


@dataclass(frozen=True)
class ParquetSource:
    """A Parquet file of float32 columns, indexed by ``(instrument, datetime)``.

    Attributes
    ----------
    path : UPath
        The file.
    contract : Contract
        What the table has to keep.
    origin : str
        What to call the file in messages.
    header : TableHeader
        What the file stated when it was opened.
    """

    path: UPath
    contract: Contract
    origin: str
    header: TableHeader

    @classmethod
    def open(cls, path: UPath, contract: Contract, *, origin: str, name: str = "") -> Self:
        """Read the footer of a file, which has to belong to the given name.

        Raises
        ------
        FileNotFoundError
            If it is not there.
        StoreError
            If it is not readable, or belongs elsewhere.
        """
        with path.open("rb") as file, readable_parquet(origin):
            parquet = pq.ParquetFile(file)
            header, stated = TableHeader.of_file(parquet), stated_name(parquet.schema_arrow)
        require_name(stated, name, origin=origin)
        return cls(path, contract, origin, header)

    def chunks(self) -> Iterator[NDArray[np.float32]]:
        """Yield the values, some rows at a time, each chunk checked against the contract.

        Raises
        ------
        StoreError
            If the file does not fit its checksum, or is not the one that was opened.
        ContractError
            If a chunk breaks the contract.
        """
        with self._verified() as file:
            batches = file.iter_batches(CHUNK_ROWS, use_threads=False)
            while True:
                with readable_parquet(self.origin):
                    batch = next(batches, None)
                    frame = None if batch is None else batch.to_pandas()
                if frame is None:
                    return
                require_conformity(frame, self.contract, origin=self.origin)
                values = frame[list(self.header.columns)].to_numpy(dtype=np.float32)
                yield np.ascontiguousarray(values)

    def values(self) -> NDArray[np.float32]:
        """Return the values of shape (n_rows, n_columns), in memory; raises as `chunks` does."""
        values = np.empty(self.header.shape, dtype=np.float32)
        start = 0
        for chunk in self.chunks():
            values[start : start + len(chunk)] = chunk
            start += len(chunk)
        return values

    def index(self) -> pd.MultiIndex:
        """Return the rows, their key and order checked; raises as `chunks` does."""
        with self._verified() as file, readable_parquet(self.origin):
            rows = file.read(columns=list(INDEX_NAMES), use_threads=False).to_pandas()
        require_conformity(rows, self.contract, origin=self.origin)
        assert isinstance(rows.index, pd.MultiIndex)
        return rows.index

    @contextmanager
    def _verified(self) -> Iterator[pq.ParquetFile]:
        with self._whole() as file:
            with readable_parquet(self.origin):
                require_checksum(file)
                parquet = pq.ParquetFile(file)
                if TableHeader.of_file(parquet) != self.header:
                    raise ValueError("it was replaced while it was read")
            yield parquet

    def _whole(self) -> BinaryIO:
        """Open the file for reading it from end to end, more than once."""
        if is_local(self.path):
            return self.path.open("rb")
        return io.BytesIO(self._fetched)

    @cached_property
    def _fetched(self) -> bytes:
        data: bytes = self.path.read_bytes()
        return data
