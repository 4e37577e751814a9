"""Large tables: written bit by bit, read back as one memory-mapped matrix."""

import io
import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Self

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
from numpy.typing import NDArray
from upath import UPath

from model2_assets.contracts import Contract
from model2_assets.errors import StoreError
from model2_assets.panel import CHUNK_ROWS, INDEX_NAMES, date_codes, instrument_codes, row_chunks
from model2_assets.storage.address import Address
from model2_assets.storage.cache import WorkingFiles
from model2_assets.storage.codecs import (
    PROVENANCE,
    contract_of,
    must_be_there,
    readable_parquet,
    require_checksum,
    require_name,
    stated_name,
    stated_provenance,
)
from model2_assets.storage.conformity import require_conformity
from model2_assets.storage.files import is_local, replaced_atomically

if TYPE_CHECKING:
    import pandas as pd


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


def write_large_table(
    path: UPath, address: Address, frame: "pd.DataFrame", working: WorkingFiles
) -> None:
    """Write a large table, which is never encoded as a whole."""
    from model2_assets.storage.codecs import write_parquet

    contract = contract_of(address)
    with replaced_atomically(path) as temporary, temporary.open("w+b") as file:
        write_parquet(frame, contract, file, origin=str(path), name=str(address))
    if address.product.as_matrix:
        keep_matrix(frame, working)


def read_as_matrix(path: UPath, address: Address, working: WorkingFiles) -> "pd.DataFrame":
    """Read a table whose values are a memory-mapped matrix, made of its file if need be."""
    with must_be_there(path, address):
        return read_through_matrix(
            path, contract_of(address), working, origin=str(path), name=str(address)
        )


def verify_as_matrix(path: UPath, address: Address, working: WorkingFiles) -> None:
    """Compare a table as a whole with the matrix that its readers are given."""
    with must_be_there(path, address):
        verify_matrix(path, contract_of(address), working, origin=str(path), name=str(address))


Matrix = NDArray[np.float32]

_VALUES = "matrix"
_ROWS = "matrix_rows"


def keep_matrix(frame: pd.DataFrame, working: WorkingFiles) -> None:
    """Keep the values and rows of a table that has just been published.

    Parameters
    ----------
    frame : DataFrame of shape (n_rows, n_columns), float32
        The table; nothing is kept of one that states no data version.
    working : WorkingFiles
        Where to.
    """
    header = TableHeader.of_frame(frame)
    if not header.data_version:
        return
    working.put(
        _VALUES,
        f"{header.data_version}.npy",
        write=lambda path: _write_values(path, header, _chunks_of(frame)),
    )
    working.put(
        _ROWS,
        f"{header.data_version}.npz",
        write=lambda path: _write_rows(path, frame.index, header),
    )


def read_through_matrix(
    path: UPath, contract: Contract, working: WorkingFiles, *, origin: str, name: str = ""
) -> pd.DataFrame:
    """Read a table whose columns are all float32, its values as a memory-mapped matrix.

    Parameters
    ----------
    path : UPath
        The table's Parquet file.
    contract : Contract
        What the table has to keep.
    working : WorkingFiles
        Where the matrix is kept. Where nothing can be, it is made in memory.
    origin : str
        What to call the file in messages.
    name : str, optional
        Where it was found; a file that belongs elsewhere is refused.

    Returns
    -------
    DataFrame of shape (n_rows, n_columns), float32
        Its ``to_numpy()`` is C-contiguous and a view, read-only where it is mapped. With the
        file's metadata in ``attrs["provenance"]``.

    Raises
    ------
    FileNotFoundError
        If the file is not there.
    StoreError
        If the file is not readable or, where the matrix has to be made of it, does not fit
        its checksum; or if it belongs elsewhere.
    ContractError
        If the table breaks the contract, where the matrix has to be made.

    Notes
    -----
    A matrix of another size than the Parquet file states is made again, and so are the rows
    where the file states another header than the one they were kept with: the whole file is
    then verified. A changed value of the matrix is not looked for at each reading, which
    would read all of it; `verify_matrix` does.
    """
    source = ParquetSource.open(path, contract, origin=origin, name=name)
    header, version = source.header, source.header.data_version
    values = index = None
    if version:
        values = working.get(
            _VALUES,
            f"{version}.npy",
            write=lambda file: _write_values(file, header, source.chunks()),
            read=lambda file: _map_values(file, header),
        )
        index = working.get(
            _ROWS,
            f"{version}.npz",
            write=lambda file: _write_rows(file, source.index(), header),
            read=lambda file: _read_rows(file, header),
        )
    frame = pd.DataFrame(
        source.values() if values is None else values,
        index=source.index() if index is None else index,
        columns=pd.Index(header.columns, dtype="str"),
        copy=False,
    )
    frame.attrs[PROVENANCE] = header.provenance
    return frame


def verify_matrix(
    path: UPath, contract: Contract, working: WorkingFiles, *, origin: str, name: str = ""
) -> None:
    """Read a table's Parquet file as a whole and compare it with what readers are given.

    Parameters
    ----------
    path, contract, working, origin, name
        As in `read_through_matrix`.

    Raises
    ------
    FileNotFoundError
        If the file is not there.
    StoreError
        If the file does not fit its checksum, or the working matrix or its rows have other
        values than the file.
    ContractError
        If the table breaks the contract.
    """
    source = ParquetSource.open(path, contract, origin=origin, name=name)
    served = read_through_matrix(path, contract, working, origin=origin, name=name)
    start = 0
    same = source.index().equals(served.index)
    for chunk in source.chunks():
        given = served.iloc[start : start + len(chunk)].to_numpy()
        same = same and np.array_equal(chunk, given, equal_nan=True)
        start += len(chunk)
    if not same:
        raise StoreError(
            f"{origin}: the working matrix under {working.folder} has other values than the "
            f"file; remove that folder, or materialize the asset again"
        )


def _write_values(path: Path, header: TableHeader, chunks: Iterable[Matrix]) -> None:
    # Not through a mapping: there a full disk ends the process, here it is an error.
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(
            file, {"descr": "<f4", "fortran_order": False, "shape": header.shape}
        )
        for chunk in chunks:
            file.write(np.ascontiguousarray(chunk, dtype="<f4").data)


def _map_values(path: Path, header: TableHeader) -> Matrix:
    mapped = np.load(path, mmap_mode="r" if header.n_rows else None, allow_pickle=False)
    if mapped.shape != header.shape or mapped.dtype != np.dtype("<f4"):
        raise ValueError(f"it holds {mapped.dtype} of shape {mapped.shape}")
    return np.asarray(mapped)


def _write_rows(path: Path, index: pd.Index, header: TableHeader) -> None:
    assert isinstance(index, pd.MultiIndex)
    instruments, dates = instrument_codes(index), date_codes(index)
    names = json.dumps(list(map(str, instruments.values))).encode()
    np.savez(
        path,
        header=np.frombuffer(_as_bytes(header), dtype=np.uint8),
        instruments=np.frombuffer(names, dtype=np.uint8),
        instrument_codes=instruments.codes.astype(np.int32),
        dates=np.asarray(dates.values, dtype="datetime64[us]"),
        date_codes=dates.codes.astype(np.int32),
    )


def _read_rows(path: Path, header: TableHeader) -> pd.MultiIndex:
    # The archive has a checksum of every array, which is verified in reading it.
    # NumPy leaves a file open that it has opened itself and finds damaged.
    with path.open("rb") as file, np.load(file, allow_pickle=False) as kept:
        if kept["header"].tobytes() != _as_bytes(header):
            raise ValueError("it belongs to a file with another header")
        names = pd.Index(json.loads(kept["instruments"].tobytes()), dtype="str")
        index = pd.MultiIndex(
            levels=[names, pd.Index(kept["dates"])],
            codes=[kept["instrument_codes"], kept["date_codes"]],
            names=INDEX_NAMES,
            verify_integrity=False,
        )
    if len(index) != header.n_rows:
        raise ValueError(f"it holds {len(index)} rows")
    return index


def _as_bytes(header: TableHeader) -> bytes:
    return json.dumps(asdict(header), sort_keys=True).encode()


def _chunks_of(frame: pd.DataFrame) -> Iterator[Matrix]:
    return (chunk.to_numpy(dtype=np.float32) for chunk in row_chunks(frame))
