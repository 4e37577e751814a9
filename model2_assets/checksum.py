"""A checksum of a whole Parquet file, carried in its own footer.

Parquet can guard its pages, but neither their headers nor the footer, where one flipped
bit turns a type or a count into another. Other readers of the file see one more key among
its metadata.
"""

import io
import zlib

import pyarrow as pa
import pyarrow.parquet as pq

_KEY = b"model2.crc32"
_BLANK = b"00000000"
_TAIL_BYTES = 8
"""Length of the footer, four bytes, and the four bytes that end every Parquet file."""

_THRIFT_BYTES = 2
"""Between a key and its value in the footer: the value's type and its length."""


def write_with_checksum(table: pa.Table, *, compression_level: int) -> bytes:
    """Write a table as a Parquet file (zstd) that carries its own CRC-32.

    Parameters
    ----------
    table : pyarrow.Table
        The table.
    compression_level : int
        Of zstd.

    Returns
    -------
    bytes
        The file.
    """
    buffer = io.BytesIO()
    with pq.ParquetWriter(
        buffer, table.schema, compression="zstd", compression_level=compression_level
    ) as writer:
        writer.write_table(table)
        writer.add_key_value_metadata({_KEY: _BLANK})
    with buffer.getbuffer() as file:
        position = _position(file)
        assert position is not None
        file[position : position + len(_BLANK)] = _crc(file, position)
    return buffer.getvalue()


def fits_checksum(data: bytes) -> bool:
    """Tell whether a Parquet file is as it was written; true where it carries no checksum."""
    file = memoryview(data)
    position = _position(file)
    if position is None:
        return True
    return bytes(file[position : position + len(_BLANK)]) == _crc(file, position)


def _position(file: memoryview) -> int | None:
    """Return where the digits of the checksum stand."""
    footer_bytes = int.from_bytes(file[-_TAIL_BYTES:-4], "little")
    start = max(len(file) - _TAIL_BYTES - footer_bytes, 0)
    found = bytes(file[start:]).rfind(_KEY)
    return None if found < 0 else start + found + len(_KEY) + _THRIFT_BYTES


def _crc(file: memoryview, position: int) -> bytes:
    crc = zlib.crc32(file[:position])
    crc = zlib.crc32(_BLANK, crc)
    crc = zlib.crc32(file[position + len(_BLANK) :], crc)
    return f"{crc:08x}".encode()
