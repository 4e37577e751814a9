"""A checksum of a whole Parquet file, carried in its own footer.

Parquet can guard its pages, but neither their headers nor the footer, where one flipped
bit turns a type or a count into another. Other readers of the file see one more key among
its metadata.
"""

import zlib
from collections.abc import Iterable
from typing import BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

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
