"""Working files: what can be made again at any time, kept on a local disk to save the time.

The values of a large table of float32 columns are one of them: a matrix that readers are given
memory-mapped, 20 to 30 times faster than any columnar file.
"""

import json
import logging
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any, Self, TypeVar

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
from numpy.typing import NDArray
from upath import UPath

from model2_assets.contracts import Contract
from model2_assets.errors import StoreError
from model2_assets.panel import (
    CHUNK_ROWS,
    INDEX_NAMES,
    date_codes,
    date_parts,
    instrument_codes,
    is_canonical,
    joined_index,
    row_chunks,
)
from model2_assets.storage.codecs import ParquetCodec, Recognize
from model2_assets.storage.conformity import require_conformity
from model2_assets.storage.data_version import DATA_VERSION, PROVENANCE
from model2_assets.storage.dataset import part_files
from model2_assets.storage.files import publish, temporary_file
from model2_assets.storage.parquet import (
    AS_CODES,
    TableFile,
    readable_parquet,
    stated_metadata,
    without_categories,
)
from model2_assets.storage.record import Origin, misplaced

logger = logging.getLogger(__name__)

KEPT_KEYS = 2
"""Keys of a kind that stay, the ones used last."""

_FOLDER = "working_folder"
"""Key of ``DataFrame.attrs`` under which a stored table tells where working files belong."""

STORED = "stored"
"""Key of ``DataFrame.attrs`` under which it tells its base path, region and asset."""

_Value = TypeVar("_Value")
_Matrix = NDArray[np.float32]


@dataclass(frozen=True)
class WorkingFiles:
    """Working files of one region, ``<folder>/<kind>/<key>``; without a folder nothing is kept.

    After every write, the `KEPT_KEYS` keys of the kind that were used last stay and the others
    are removed. Whoever has mapped a removed file can go on reading it.
    """

    folder: Path | None

    def get(
        self,
        kind: str,
        key: str,
        *,
        write: Callable[[Path], None],
        read: Callable[[Path], _Value],
    ) -> _Value | None:
        """Read a working file, after writing it if it is not there or not readable.

        The key is a digest of all that the content depends on, and a suffix. `read` raises where
        the file is damaged. Of two processes that write the same file at once the last to finish
        replaces the other's, of the same content. None where nothing can be kept, which is
        logged once: there is no folder, it cannot be written, or its disk is full.
        """
        if self.folder is None:
            return None
        path = self.folder / kind / key
        found = _read_if_there(path, read)
        return found if found is not None else _make(path, write, read)

    def put(self, kind: str, key: str, *, write: Callable[[Path], None]) -> None:
        """Write a working file in place of any that is there, for who has the content at hand."""
        if self.folder is not None:
            _make(self.folder / kind / key, write, lambda path: path)


def note_working_files(frame: pd.DataFrame, working: WorkingFiles, *stored: str) -> None:
    """Have a table tell where working files that are made of it belong, and where it is stored."""
    if working.folder is not None:
        frame.attrs[_FOLDER] = str(working.folder)
    if stored:
        frame.attrs[STORED] = stored


def working_files_of(frame: pd.DataFrame) -> WorkingFiles:
    """Return where working files that are made of a table belong; nowhere if it is not ours."""
    folder = frame.attrs.get(_FOLDER)
    return WorkingFiles(Path(folder) if folder else None)


def _make(
    path: Path, write: Callable[[Path], None], read: Callable[[Path], _Value]
) -> _Value | None:
    try:
        with temporary_file(UPath(path)) as temporary:
            write(temporary)
            # Read before it gets its name: from then on another process may remove it.
            made = read(temporary)
            publish(temporary, UPath(path))
    except OSError as error:
        _warn_once(str(path.parent), str(error))
        return None
    _prune(path.parent)
    return made


def _read_if_there(path: Path, read: Callable[[Path], _Value]) -> _Value | None:
    try:
        found = read(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except Exception as error:  # a damaged file can fail anywhere; it is made again
        logger.warning("%s: not readable (%s); making it again", path, error)
        return None
    with suppress(OSError):
        os.utime(path)
    return found


def _prune(folder: Path) -> None:
    files: list[tuple[float, Path]] = []
    for path in folder.iterdir():
        with suppress(OSError):
            if path.is_file():
                files.append((path.stat().st_mtime, path))
    for _, path in sorted(files, reverse=True)[KEPT_KEYS:]:
        with suppress(OSError):
            path.unlink()


@cache
def _warn_once(folder: str, reason: str) -> None:
    logger.warning("%s: no working file can be kept (%s); going on without", folder, reason)


def write_figures(path: Path, figures: pd.DataFrame) -> None:
    """Write a small table of numbers by name; the file has checksums of all that is in it."""
    rows, columns = (labels.to_numpy(dtype="U") for labels in figures.axes)
    np.savez(path, rows=rows, columns=columns, values=figures.to_numpy(np.float64))


def read_figures(path: Path) -> pd.DataFrame:
    """Read what `write_figures` wrote; a damaged file is refused."""
    with path.open("rb") as file, np.load(file, allow_pickle=False) as kept:
        rows, columns = (pd.Index(kept[name], dtype="str") for name in ("rows", "columns"))
        return pd.DataFrame(kept["values"], rows, columns)


@dataclass(frozen=True)
class TableHeader:
    """What a table of float32 columns states of itself, without reading its values."""

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
        stated = stated_metadata(schema).get(PROVENANCE, {})
        return cls(columns, file.metadata.num_rows, stated)

    @property
    def data_version(self) -> str:
        """Digest of the values, names and row order; empty if none is stated."""
        return str(self.provenance.get(DATA_VERSION, ""))

    @property
    def stated(self) -> tuple[object, ...]:
        """All but the number of rows: what the parts of a table have in common."""
        return self.columns, self.provenance

    @property
    def shape(self) -> tuple[int, int]:
        """Number of rows and of columns."""
        return self.n_rows, len(self.columns)

    def to_json(self) -> bytes:
        """Return it as text, equal where it is equal."""
        return json.dumps(asdict(self), sort_keys=True).encode()


@dataclass(frozen=True, eq=False)
class MatrixFiles:
    """The files of a table of float32 columns; whoever reads values has their bytes verified."""

    files: Sequence[TableFile]
    contract: Contract
    header: TableHeader
    sizes: tuple[int, ...]
    """Number of rows of each file."""
    _index: list[pd.MultiIndex] = field(default_factory=list)
    """The rows, once all files have been read."""

    def chunks_of(self, number: int) -> Iterator[_Matrix]:
        """Yield the values of one of the files; see `chunks`."""
        header = replace(self.header, n_rows=self.sizes[number])
        return replace(self, files=[self.files[number]], header=header, _index=[]).chunks()

    def chunks(self) -> Iterator[_Matrix]:
        """Yield the values, some rows at a time, each chunk checked against the contract."""
        pieces = []
        for frame in self._frames():
            pieces.append(frame.index)
            values = frame[list(self.header.columns)].to_numpy(dtype=np.float32)
            yield np.ascontiguousarray(values)
        self._index.append(joined_index(pieces))

    def values(self) -> _Matrix:
        """Return the values of shape (n_rows, n_columns), in memory."""
        values = np.empty(self.header.shape, dtype=np.float32)
        start = 0
        for chunk in self.chunks():
            values[start : start + len(chunk)] = chunk
            start += len(chunk)
        return values

    def index(self) -> pd.MultiIndex:
        """Return the rows, their key and order checked."""
        if not self._index:
            rows = (frame.index for frame in self._frames(list(INDEX_NAMES)))
            self._index.append(joined_index(list(rows)))
        index = self._index[0]
        if not is_canonical(index):
            where = str(self.files[0].path)
            require_conformity(pd.DataFrame(index=index), self.contract, origin=where)
        return index

    def _frames(self, columns: list[str] | None = None) -> Iterator[pd.DataFrame]:
        n_rows = 0
        for file in self.files:
            with file.opened() as stream:
                with readable_parquet(str(file.path)):
                    parquet = pq.ParquetFile(stream, read_dictionary=AS_CODES)
                    if TableHeader.of_file(parquet).stated != self.header.stated:
                        raise ValueError("it was replaced while it was read")
                    batches = parquet.iter_batches(CHUNK_ROWS, columns=columns, use_threads=False)
                while True:
                    with readable_parquet(str(file.path)):
                        batch = next(batches, None)
                        frame = None if batch is None else without_categories(batch.to_pandas())
                    if frame is None:
                        break
                    require_conformity(frame, self.contract, origin=str(file.path))
                    n_rows += len(frame)
                    yield frame
        if n_rows != self.header.n_rows:
            raise StoreError(f"{self.files[0].path}: was replaced while it was read; read it again")


VALUES = "matrix"
"""Kind of the working files that hold the values of a table, named by its data version."""
_ROWS = "matrix_rows"


@dataclass(frozen=True)
class MatrixCodec(ParquetCodec):
    """Tables whose columns are all float32, in Parquet and as a working matrix besides.

    A matrix of another size than the Parquet file states is made again, and so are the rows
    where the file states another header than the one they were kept with: the whole file is
    then read, and its record looked for. A changed value of the matrix is not looked for at each
    reading, which would read all of it; `verify` does. Where nothing can be kept, the matrix is
    made in memory.
    """

    working: WorkingFiles

    def encode(self, value: pd.DataFrame, file: Path) -> Origin:
        """Write a table, and keep its values and rows; nothing is kept without a data version."""
        origin = super().encode(value, file)
        header = TableHeader.of_frame(value)
        working, version = self._working_of(header), header.data_version
        working.put(VALUES, f"{version}.npy", write=lambda path: _keep_values(path, value))
        working.put(
            _ROWS, f"{version}.npz", write=lambda path: _write_rows(path, value.index, header)
        )
        return origin

    def read(self, recognize: Recognize) -> pd.DataFrame:
        """Return the table; its ``to_numpy()`` is C-contiguous, a view, read-only where mapped."""
        return self._served(self.source(recognize))

    def blocks(self, recognize: Recognize) -> Iterator[pd.DataFrame]:
        """Return views of the table in parts of whole dates."""
        frame = self.read(recognize)
        return (frame.iloc[part] for part in date_parts(frame.index))

    def verify(self, recognize: Recognize) -> None:
        """Read the Parquet file as a whole and compare it with what readers are given."""
        source = self.source(recognize)
        served = self._served(source)
        start, same = 0, True
        for chunk in source.chunks():
            given = served.iloc[start : start + len(chunk)].to_numpy()
            same = same and np.array_equal(chunk, given, equal_nan=True)
            start += len(chunk)
        if not (same and source.index().equals(served.index)):
            raise StoreError(
                f"{self.path}: the working matrix under {self.working.folder} has other values "
                f"than the file; remove that folder, or materialize the asset again"
            )

    def _working_of(self, header: TableHeader) -> WorkingFiles:
        return self.working if header.data_version else WorkingFiles(None)

    def source(self, recognize: Recognize) -> MatrixFiles:
        """Return the files of the table, of which no values have been read yet."""
        if self.in_parts:
            manifest = self.manifest(recognize)
            sizes = tuple(part.rows for part in manifest.parts)
            header = TableHeader(manifest.columns, sum(sizes), manifest.provenance)
            return MatrixFiles(part_files(manifest, self.path), self.contract, header, sizes)
        with self.current.open("rb") as file, readable_parquet(str(self.path)):
            parquet = pq.ParquetFile(file)
            header = TableHeader.of_file(parquet)
            stated = stated_metadata(parquet.schema_arrow).get("name", str(self.address))
        if stated != str(self.address):
            raise StoreError(misplaced(self.path, stated))
        return MatrixFiles(self.files(recognize), self.contract, header, (header.n_rows,))

    def _served(self, source: MatrixFiles) -> pd.DataFrame:
        header = source.header
        working, version = self._working_of(header), header.data_version
        values = working.get(
            VALUES,
            f"{version}.npy",
            write=lambda file: write_values(file, header, source.chunks()),
            read=lambda file: map_values(file, header.shape),
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


def write_values(path: Path, header: TableHeader, chunks: Iterable[_Matrix]) -> None:
    """Write a working file of values, some rows at a time."""
    # Not through a mapping: there a full disk ends the process, here it is an error.
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(
            file, {"descr": "<f4", "fortran_order": False, "shape": header.shape}
        )
        for chunk in chunks:
            file.write(np.ascontiguousarray(chunk, dtype="<f4").data)


def _keep_values(path: Path, frame: pd.DataFrame) -> None:
    """Write the values of a table; those mapped from a file are given another name, if possible."""
    header, values = TableHeader.of_frame(frame), frame.iloc[:1].to_numpy()
    owner: Any = values
    while isinstance(owner, np.ndarray) and not isinstance(owner, np.memmap):
        owner = owner.base
    if isinstance(owner, np.memmap) and owner.shape == header.shape and owner.dtype == "<f4":
        with suppress(OSError):
            if owner.ctypes.data == values.ctypes.data and owner.flags.c_contiguous:
                os.link(str(owner.filename), path)
                return
    chunks = (chunk.to_numpy(dtype=np.float32) for chunk in row_chunks(frame))
    write_values(path, header, chunks)


def map_values(path: Path, shape: tuple[int, int]) -> _Matrix:
    """Map a working file of values; ValueError if it is not one of that shape."""
    mapped = np.load(path, mmap_mode="r" if shape[0] else None, allow_pickle=False)
    if mapped.shape != shape or mapped.dtype != np.dtype("<f4"):
        raise ValueError(f"it holds {mapped.dtype} of shape {mapped.shape}")
    return np.asarray(mapped)


def _write_rows(path: Path, index: pd.Index, header: TableHeader) -> None:
    instruments, dates = instrument_codes(index), date_codes(index)
    names = json.dumps(list(map(str, instruments.values))).encode()
    np.savez(
        path,
        header=np.frombuffer(header.to_json(), dtype=np.uint8),
        instruments=np.frombuffer(names, dtype=np.uint8),
        instrument_codes=instruments.codes.astype(np.int32),
        dates=np.asarray(dates.values, dtype="datetime64[us]"),
        date_codes=dates.codes.astype(np.int32),
    )


def _read_rows(path: Path, header: TableHeader) -> pd.MultiIndex:
    # The archive has a checksum of every array, which is verified in reading it.
    # NumPy leaves a file open that it has opened itself and finds damaged.
    with path.open("rb") as file, np.load(file, allow_pickle=False) as kept:
        if kept["header"].tobytes() != header.to_json():
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
