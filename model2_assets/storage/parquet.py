"""Parquet files of tables: columns as the contract says, and what a table states of its origin."""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from io import BufferedIOBase, BytesIO
from pathlib import Path
from typing import Any, BinaryIO

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from upath import UPath

from model2_assets.contracts import Contract
from model2_assets.errors import StoreError, lack_of_memory
from model2_assets.panel import INDEX_NAMES, PART_ROWS, with_plain_names
from model2_assets.storage.conformity import require_conformity
from model2_assets.storage.data_version import PROVENANCE
from model2_assets.storage.files import is_local

_METADATA_KEY = b"model2"
AS_CODES = [INDEX_NAMES[0]]
"""Few names, in many rows: as codes they are read in a third of the time."""


def write_parquet(
    frame: pd.DataFrame, contract: Contract, file: BinaryIO, *, origin: str, name: object = ""
) -> None:
    """Write a table as Parquet (zstd), after checking its contract; pandas restores the index.

    What the table states of its origin, and the name of its place, go into the metadata.
    """
    require_conformity(frame, contract, origin=origin)
    schema = file_schema(frame, contract, name=name)
    tables = _row_groups(frame, contract)
    table = next(tables)
    # Numbers of double precision hardly repeat, while ranks do.
    coded = [field.name for field in schema if not pa.types.is_float64(field.type)]
    # The next rows are turned into columns while these are compressed.
    with (
        pq.ParquetWriter(
            file, schema, compression="zstd", compression_level=3, use_dictionary=coded
        ) as writer,
        ThreadPoolExecutor(1) as pool,
    ):
        while table is not None:
            following = pool.submit(next, tables, None)
            writer.write_table(table.replace_schema_metadata(schema.metadata))
            table = following.result()


def file_schema(frame: pd.DataFrame, contract: Contract, *, name: object) -> pa.Schema:
    """Return columns and metadata of a table's file, which all of its parts share."""
    metadata = {
        "contract": contract.schema["$id"],
        "name": str(name),
        PROVENANCE: frame.attrs.get(PROVENANCE, {}),
    }
    own = {_METADATA_KEY: json.dumps(metadata, sort_keys=True)}
    schema = next(_row_groups(frame.iloc[:1], contract)).schema
    return schema.with_metadata({**(schema.metadata or {}), **own})


@dataclass(frozen=True)
class TableFile:
    """A table's file, or one of its parts, whose bytes are verified whenever it is opened."""

    path: UPath
    verify: Callable[[str], object]
    """Is given the sha256 of the bytes, and refuses those that were not published."""

    @contextmanager
    def opened(self) -> Iterator[BufferedIOBase]:
        """Open the file, in a single request where it is in an object store."""
        with self._whole() as file:
            self.verify(hashlib.file_digest(file, "sha256").hexdigest())
            file.seek(0)
            yield file

    def _whole(self) -> BufferedIOBase:
        if is_local(self.path):
            return Path(self.path.path).open("rb")
        return BytesIO(self.path.fs.cat_file(self.path.path))


def read_table(files: Iterable[TableFile], contract: Contract, *, origin: str) -> pd.DataFrame:
    """Read a table from its files, one after the other, and check its contract."""
    tables = []
    for file in files:
        with file.opened() as stream:
            tables.append(_read(stream, origin=str(file.path)))
    return _frame_of(tables, contract, origin=origin)


def read_parquet(file: BufferedIOBase, contract: Contract, *, origin: str) -> pd.DataFrame:
    """Read a Parquet file and check its contract."""
    return _frame_of([_read(file, origin=origin)], contract, origin=origin)


def _read(file: BufferedIOBase, *, origin: str) -> pa.Table:
    with readable_parquet(origin):
        return pq.read_table(file, use_threads=False, read_dictionary=AS_CODES)


def _frame_of(tables: list[pa.Table], contract: Contract, *, origin: str) -> pd.DataFrame:
    """Make one table of several, which are let go of column by column."""
    # Of a single one, that would share Arrow's memory, which nobody may write to.
    column_by_column = len(tables) > 1
    with readable_parquet(origin):
        table = pa.concat_tables(tables)
        tables.clear()
        provenance = stated_metadata(table.schema).get(PROVENANCE, {})
        frame = without_categories(
            table.to_pandas(split_blocks=column_by_column, self_destruct=column_by_column)
        )
    require_conformity(frame, contract, origin=origin)
    frame.attrs[PROVENANCE] = provenance
    return frame


@contextmanager
def readable_parquet(origin: str) -> Iterator[None]:
    """Turn whatever a damaged Parquet file makes Arrow and pandas raise into a StoreError.

    A lack of memory says nothing about the file, and is left as it is.
    """
    try:
        yield
    except StoreError:
        raise
    except Exception as error:  # a damaged footer can fail anywhere
        if lack_of_memory(error) is not None:
            raise
        raise StoreError(
            f"{origin}: not a readable Parquet file ({error}); materialize the asset again"
        ) from error


def encode_anything(frame: pd.DataFrame) -> bytes:
    """Encode a table for people, whatever its contract says; as text if Parquet cannot hold it."""
    bare = frame.copy(deep=False)
    bare.attrs = {}
    try:
        return bytes(bare.to_parquet(compression="zstd"))
    except (TypeError, ValueError):
        return bytes(bare.reset_index().astype("str").to_parquet(compression="zstd"))


def _row_groups(frame: pd.DataFrame, contract: Contract) -> Iterator[pa.Table]:
    """Yield a table's rows as columns, at least once, so many rows at a time."""
    frame = frame.copy(deep=False)
    frame.attrs = {}
    indexed = frame.index.names[0] is not None
    fields = [_field(name, contract) for name in frame.columns]
    if indexed:
        fields += [_field(str(name), contract) for name in frame.index.names]
    for start in range(0, max(len(frame), 1), PART_ROWS):
        rows = frame.iloc[start : start + PART_ROWS]
        yield pa.Table.from_pandas(rows, schema=pa.schema(fields), preserve_index=indexed)


def _field(name: str, contract: Contract) -> pa.Field:
    column = contract.column(name)
    assert column is not None
    annotations = {"unit": column.unit, "description": column.description}
    return pa.field(name, pa.type_for_alias(column.arrow_type), metadata=annotations)


def without_categories(frame: pd.DataFrame) -> pd.DataFrame:
    """Return a table with plain texts where it was read with codes of them."""
    for name, coded in frame.select_dtypes("category").items():
        names, codes = coded.cat.categories.array, coded.cat.codes.to_numpy()
        frame[name] = pd.api.extensions.take(names, codes, allow_fill=True)
    if isinstance(frame.index, pd.MultiIndex):
        frame.index = with_plain_names(frame.index)
    return frame


def stated_metadata(schema: pa.Schema) -> dict[str, Any]:
    """Return what a Parquet file states of its origin; empty where others wrote it."""
    metadata: dict[str, Any] = json.loads((schema.metadata or {}).get(_METADATA_KEY, b"{}"))
    return metadata
