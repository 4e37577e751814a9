"""The working matrix: the values of a large table as one memory-mapped array.

Features are read by every step of every partition. Parquet keeps them for others, column by
column and compressed; models want them row by row, as float32. So their values are also
kept as a working file, a ``.npy`` array of shape (n_rows, n_columns) that all processes map
into memory: the system holds one copy of it, whoever reads, and loading the table makes
none. Its rows are kept beside it.

Both are named by the table's data version, which digests values, names and row order. They
are written when the table is published, or from its Parquet file, verified as a whole, by
whoever misses them first.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from upath import UPath

from model2_assets.contracts import Contract
from model2_assets.errors import StoreError
from model2_assets.panel import INDEX_NAMES, date_codes, instrument_codes
from model2_assets.parquet_source import ParquetSource, TableHeader
from model2_assets.row_chunks import row_chunks
from model2_assets.tables import PROVENANCE
from model2_assets.working_files import WorkingFiles

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
