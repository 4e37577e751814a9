"""Tables, JSON lines and pages as bytes, and back."""

import io
import json
import math
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import chain
from typing import TYPE_CHECKING, Any, BinaryIO

import jsonschema
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from upath import UPath

from model2_assets.contracts import Contract, load_contract
from model2_assets.errors import ContractError, StoreError, lack_of_memory
from model2_assets.panel import INDEX_NAMES, with_plain_names
from model2_assets.storage.address import Address
from model2_assets.storage.conformity import require_conformity
from model2_assets.storage.record import sealed, unsealed

if TYPE_CHECKING:
    import pandas as pd


_METADATA_KEY = b"model2"
_NAME = "name"
PROVENANCE = "provenance"
"""Key of ``DataFrame.attrs`` under which a file's JSON metadata travel."""

ROW_GROUP_ROWS = 131_072
"""Rows of a Parquet file that are encoded, and decoded, at a time."""


def encode_parquet(
    frame: pd.DataFrame, contract: Contract, *, origin: str, name: str = ""
) -> bytes:
    """Encode a table as Parquet, after checking its contract; see `write_parquet`.

    Returns
    -------
    bytes
        The file.
    """
    buffer = io.BytesIO()
    write_parquet(frame, contract, buffer, origin=origin, name=name)
    return buffer.getvalue()


def write_parquet(
    frame: pd.DataFrame, contract: Contract, file: BinaryIO, *, origin: str, name: str = ""
) -> None:
    """Write a table as Parquet, after checking its contract.

    It is encoded a row group at a time, so that a large table is not in memory twice.

    Parameters
    ----------
    frame : DataFrame of shape (n_rows, n_columns)
        The table. ``frame.attrs["provenance"]``, a JSON-able mapping, is stored
        in the file's metadata.
    contract : Contract
        Gives names, types and units.
    file : binary file
        Empty, open for writing and reading; it becomes a Parquet file (zstd), whose index
        pandas restores on reading.
    origin : str
        What to call the table in messages.
    name : str, optional
        Where it belongs, noted in the file, so that one in another's place is found.

    Raises
    ------
    ContractError
        If the table breaks the contract; nothing is written.
    """
    require_conformity(frame, contract, origin=origin)
    bare = frame.copy(deep=False)
    bare.attrs = {}
    metadata = {"contract": contract.schema["$id"], PROVENANCE: frame.attrs.get(PROVENANCE, {})}
    if name:
        metadata[_NAME] = name
    own = {_METADATA_KEY: json.dumps(metadata, sort_keys=True)}
    tables = _row_groups(bare, contract)
    first = next(tables)
    schema = first.schema.with_metadata({**(first.schema.metadata or {}), **own})
    write_with_checksum(
        (table.replace_schema_metadata(schema.metadata) for table in chain([first], tables)),
        schema,
        file,
        compression_level=3,
    )


def _row_groups(frame: pd.DataFrame, contract: Contract) -> Iterator[pa.Table]:
    """Yield at least one part of a table, each of at most so many rows."""
    indexed = frame.index.names[0] is not None
    fields = [_field(name, contract) for name in frame.columns]
    if indexed:
        fields += [_field(str(name), contract) for name in frame.index.names]
    for start in range(0, max(len(frame), 1), ROW_GROUP_ROWS):
        rows = frame.iloc[start : start + ROW_GROUP_ROWS]
        yield pa.Table.from_pandas(rows, schema=pa.schema(fields), preserve_index=indexed)


def encode_anything(frame: pd.DataFrame) -> bytes:
    """Encode a table as Parquet whatever its contract says, to be looked at by a person.

    Where a column mixes types that Parquet cannot hold, all values become text.
    """
    bare = frame.copy(deep=False)
    bare.attrs = {}
    try:
        return _plain_parquet(bare)
    except (TypeError, ValueError):
        return _plain_parquet(bare.reset_index().astype("str"))


def _plain_parquet(frame: pd.DataFrame) -> bytes:
    buffer = io.BytesIO()
    frame.to_parquet(buffer, compression="zstd")
    return buffer.getvalue()


def decode_parquet(data: bytes, contract: Contract, *, origin: str, name: str = "") -> pd.DataFrame:
    """Decode a Parquet file and check its contract; see `read_parquet`.

    Parameters
    ----------
    data : bytes
        The file.
    contract : Contract
        What the table has to keep.
    origin : str
        What to call the file in messages.
    name : str, optional
        Where it was found.
    """
    return read_parquet(io.BytesIO(data), contract, origin=origin, name=name)


def read_parquet(
    file: BinaryIO, contract: Contract, *, origin: str, name: str = ""
) -> pd.DataFrame:
    """Read a Parquet file and check its contract.

    Parameters
    ----------
    file : binary file
        The file, open for reading.
    contract : Contract
        What the table has to keep.
    origin : str
        What to call the file in messages.
    name : str, optional
        Where it was found; a file that belongs elsewhere is refused.

    Returns
    -------
    DataFrame of shape (n_rows, n_columns)
        The table, with the file's metadata in ``attrs["provenance"]``.

    Raises
    ------
    StoreError
        If it is not a readable Parquet file, does not fit its checksum, or belongs elsewhere.
    ContractError
        If the table breaks the contract.
    """
    with readable_parquet(origin):
        require_checksum(file)
        # Few names, in many rows: as codes they are read in a third of the time.
        table = pq.read_table(file, use_threads=False, read_dictionary=[INDEX_NAMES[0]])
        provenance = stated_provenance(table.schema)
        stated = stated_name(table.schema)
        frame = _without_categories(table.to_pandas())
    require_name(stated, name, origin=origin)
    require_conformity(frame, contract, origin=origin)
    frame.attrs[PROVENANCE] = provenance
    return frame


def _without_categories(frame: pd.DataFrame) -> pd.DataFrame:
    categories = frame.select_dtypes("category").columns
    if len(categories):
        frame = frame.astype({name: frame[name].cat.categories.dtype for name in categories})
    if isinstance(frame.index, pd.MultiIndex):
        frame.index = with_plain_names(frame.index)
    return frame


@contextmanager
def readable_parquet(origin: str) -> Iterator[None]:
    """Turn whatever a damaged Parquet file makes Arrow and pandas raise into a StoreError.

    A lack of memory says nothing about the file, and is left as it is.
    """
    try:
        yield
    except Exception as error:  # a damaged footer can fail anywhere
        if lack_of_memory(error) is not None:
            raise
        raise StoreError(
            f"{origin}: not a readable Parquet file ({error}); materialize the asset again"
        ) from error


def require_checksum(file: BinaryIO) -> None:
    """Refuse, by a ValueError, a Parquet file whose bytes have changed since it was written."""
    if not fits_checksum(file):
        raise ValueError("its bytes do not fit its checksum")


def require_name(stated: str, name: str, *, origin: str) -> None:
    """Refuse a file that was put in the place of another.

    Raises
    ------
    StoreError
        If the file states where it belongs, and that is not `name`.
    """
    if name and stated and stated != name:
        raise StoreError(
            f"{origin}: belongs to {stated} and was put in another's place; materialize the asset "
            f"again"
        )


def stated_name(schema: pa.Schema) -> str:
    """Return where a Parquet file states that it belongs; empty where it does not."""
    return str(_own_metadata(schema).get(_NAME, ""))


def stated_provenance(schema: pa.Schema) -> dict[str, Any]:
    """Return what a Parquet file states of its origin; empty where others wrote it."""
    provenance: dict[str, Any] = _own_metadata(schema).get(PROVENANCE, {})
    return provenance


def _own_metadata(schema: pa.Schema) -> dict[str, Any]:
    metadata: dict[str, Any] = json.loads((schema.metadata or {}).get(_METADATA_KEY, b"{}"))
    return metadata


def encode_json_lines(frame: pd.DataFrame, contract: Contract, *, origin: str) -> bytes:
    """Encode a table as JSON lines, one validated document a row.

    Parameters
    ----------
    frame : DataFrame of shape (n_rows, n_columns)
        The table; missing values become null.
    contract : Contract
        Checked on the table and, by the jsonschema library, on every document.
    origin : str
        What to call the table in messages.

    Returns
    -------
    bytes
        UTF-8 text, a document a line.

    Raises
    ------
    ContractError
        If the table breaks the contract.
    """
    require_conformity(frame, contract, origin=origin)
    documents = [
        {name: _json_value(value) for name, value in zip(frame.columns, row, strict=True)}
        for row in frame.itertuples(index=False, name=None)
    ]
    _validate_documents(documents, contract, origin)
    return "".join(f"{json.dumps(document)}\n" for document in documents).encode()


def decode_json_lines(data: bytes, contract: Contract, *, origin: str) -> pd.DataFrame:
    """Decode JSON lines and check their contract.

    Parameters
    ----------
    data : bytes
        The file.
    contract : Contract
        What every line has to keep.
    origin : str
        What to call the file in messages.

    Returns
    -------
    DataFrame of shape (n_rows, n_columns)
        Columns in the contract's order and types.

    Raises
    ------
    StoreError
        If a line is not JSON in UTF-8.
    ContractError
        If a line breaks the contract.
    """
    lines = data.removesuffix(b"\n").split(b"\n") if data else []
    documents = []
    for number, line in enumerate(lines, start=1):
        try:
            documents.append(json.loads(line.decode()))
        except ValueError as error:
            raise StoreError(
                f"{origin}: line {number} is not JSON ({error}); materialize the asset again"
            ) from error
    _validate_documents(documents, contract, origin)
    frame = pd.DataFrame(documents, columns=[column.name for column in contract.columns])
    types = {
        column.name: _pandas_type(column.arrow_type, nullable=column.nullable)
        for column in contract.columns
    }
    frame = frame.astype(types)
    require_conformity(frame, contract, origin=origin)
    return frame


def _field(name: str, contract: Contract) -> pa.Field:
    column = contract.column(name)
    assert column is not None
    annotations = {"unit": column.unit, "description": column.description}
    return pa.field(name, pa.type_for_alias(column.arrow_type), metadata=annotations)


def _pandas_type(arrow_type: str, *, nullable: bool) -> str:
    if arrow_type.startswith("int"):
        return arrow_type.capitalize() if nullable else arrow_type
    return {"string": "str", "double": "float64"}[arrow_type]


def _json_value(value: Any) -> Any:
    if value is None or pd.isna(value):
        return None
    return value.item() if hasattr(value, "item") else value


def _validate_documents(
    documents: Sequence[Mapping[str, Any]], contract: Contract, origin: str
) -> None:
    validator = jsonschema.Draft202012Validator(contract.schema)
    for number, document in enumerate(documents, start=1):
        problem = jsonschema.exceptions.best_match(validator.iter_errors(document))
        if problem is not None:
            where = ".".join(map(str, problem.absolute_path)) or "the document"
            raise ContractError(
                f"{origin}: line {number}: {where}: {problem.message} ({contract.name})"
            )
        for name, value in document.items():
            if isinstance(value, float) and not math.isfinite(value):
                raise ContractError(
                    f"{origin}: line {number}: {name}: {value} is no JSON number ({contract.name})"
                )


def contract_of(address: Address) -> Contract:
    """Return the contract of a table."""
    assert address.product.contract is not None
    return load_contract(address.product.contract)


def encode(address: Address, value: Any, *, origin: str) -> bytes:
    """Return the file of a table or report.

    Raises
    ------
    ContractError
        If a table breaks its contract.
    """
    name = str(address)
    if address.product.format == "html":
        return sealed(value.encode(), name=name)

    contract = contract_of(address)
    if address.product.format == "json_lines":
        return sealed(encode_json_lines(value, contract, origin=origin), name=name)
    return encode_parquet(value, contract, origin=origin, name=name)


def decode_table(data: bytes, address: Address, *, origin: str) -> "pd.DataFrame":
    """Return the table that a file holds.

    Raises
    ------
    StoreError
        If it is damaged.
    ContractError
        If it breaks its contract.
    """
    contract, name = contract_of(address), str(address)
    if address.product.format == "json_lines":
        return decode_json_lines(unsealed(data, name=name, origin=origin), contract, origin=origin)
    return decode_parquet(data, contract, origin=origin, name=name)


def decode_report(data: bytes, address: Address, *, origin: str) -> str:
    """Return the report that a file holds.

    Raises
    ------
    StoreError
        If it is damaged.
    """
    return unsealed(data, name=str(address), origin=origin).decode()


@contextmanager
def must_be_there(path: UPath, address: Address) -> Iterator[None]:
    """Have a missing file become one sentence with a remedy.

    Raises
    ------
    StoreError
        In place of a FileNotFoundError.
    """
    try:
        yield
    except FileNotFoundError as error:
        raise StoreError(f"{path}: not there; materialize {address.asset} first") from error


def read_bytes(path: UPath, address: Address) -> bytes:
    """Read a file.

    Raises
    ------
    StoreError
        If there is none.
    """
    with must_be_there(path, address):
        data: bytes = path.read_bytes()
    return data


_KEY = b"model2.crc32"
_BLANK = b"00000000"
_TAIL_BYTES = 8
"""Length of the footer, four bytes, and the four bytes that end every Parquet file."""

_THRIFT_BYTES = 2
"""Between a key and its value in the footer: the value's type and its length."""

_CHUNK_BYTES = 4_194_304


def write_with_checksum(
    tables: Iterable[pa.Table], schema: pa.Schema, file: BinaryIO, *, compression_level: int
) -> None:
    """Write a Parquet file (zstd) that carries its own CRC-32, a row group at a time.

    Parameters
    ----------
    tables : iterable of pyarrow.Table
        The rows, one part after the other.
    schema : pyarrow.Schema
        Of every part, with the file's metadata.
    file : binary file
        Empty, open for writing and reading.
    compression_level : int
        Of zstd.
    """
    with pq.ParquetWriter(
        file, schema, compression="zstd", compression_level=compression_level
    ) as writer:
        for table in tables:
            writer.write_table(table)
        writer.add_key_value_metadata({_KEY: _BLANK})
    position = _position(file)
    assert position is not None
    digits = _crc(file, position)
    file.seek(position)
    file.write(digits)


def fits_checksum(file: BinaryIO) -> bool:
    """Tell whether a Parquet file is as it was written; true where it carries no checksum.

    Parameters
    ----------
    file : binary file
        Open for reading; it is left at its start.
    """
    position = _position(file)
    if position is None:
        return True
    file.seek(position)
    stated = file.read(len(_BLANK))
    fits = stated == _crc(file, position)
    file.seek(0)
    return fits


def _position(file: BinaryIO) -> int | None:
    """Return where the digits of the checksum stand."""
    size = file.seek(0, 2)
    file.seek(max(size - _TAIL_BYTES, 0))
    footer_bytes = int.from_bytes(file.read(_TAIL_BYTES)[:-4], "little")
    start = max(size - _TAIL_BYTES - footer_bytes, 0)
    file.seek(start)
    found = file.read().rfind(_KEY)
    file.seek(0)
    return None if found < 0 else start + found + len(_KEY) + _THRIFT_BYTES


def _crc(file: BinaryIO, position: int) -> bytes:
    """Return the checksum of a file whose digits are blank."""
    file.seek(0)
    crc, left = 0, position
    while left and (chunk := file.read(min(_CHUNK_BYTES, left))):
        crc, left = zlib.crc32(chunk, crc), left - len(chunk)
    crc = zlib.crc32(_BLANK, crc)
    file.seek(position + len(_BLANK))
    while chunk := file.read(_CHUNK_BYTES):
        crc = zlib.crc32(chunk, crc)
    return f"{crc:08x}".encode()
