"""What is recorded of a result when it is published."""

import hashlib
import json
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from model2_assets.errors import StoreError


@dataclass(frozen=True)
class Attestation:
    """Latest record of one result; Dagster's event log holds it.

    Attributes
    ----------
    data_version : str
        Digest of its values; empty if unknown.
    manifest_sha256 : str
        Of models, the hash of their manifest, which names every model file with its hash;
        empty if unknown.
    """

    data_version: str = ""
    manifest_sha256: str = ""


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


CHECKSUM = "checksum"
"""Key of the checksum; no document has one of this name for another purpose."""


def with_checksum(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return a document with the SHA-256 of all its other keys and values.

    Parameters
    ----------
    document : mapping
        What JSON can hold, without a key of the checksum's name.

    Returns
    -------
    dict
        The document, the checksum last.

    Examples
    --------
    >>> fits_its_checksum({**with_checksum({"rows": 3}), "rows": 4})
    False
    """
    return {**document, CHECKSUM: _checksum(document)}


def fits_its_checksum(document: Mapping[str, Any]) -> bool:
    """Tell whether a document states the checksum of what else it holds."""
    others = {key: value for key, value in document.items() if key != CHECKSUM}
    return bool(document.get(CHECKSUM) == _checksum(others))


def _checksum(document: Mapping[str, Any]) -> str:
    text = json.dumps(document, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


_BITS = 32
_DIGITS = str.maketrans("01", " \t")


def sealed(text: bytes, *, name: str) -> bytes:
    """Return a text with its seal, before the line feed that ends it if one does.

    Parameters
    ----------
    text : bytes
        The text.
    name : str
        Where it belongs; part of what is summed up, so that a file in another's place is found.
    """
    body, end = _split(text)
    return body + _blanks(text, name) + end


def unsealed(data: bytes, *, name: str, origin: str) -> bytes:
    r"""Return a text without its seal.

    Parameters
    ----------
    data : bytes
        What `sealed` returned.
    name : str
        Where it belongs.
    origin : str
        What to call the file in messages.

    Raises
    ------
    StoreError
        If it has no seal, or one of another text or name.

    Examples
    --------
    >>> unsealed(sealed(b"{}\n", name="a"), name="a", origin="a")
    b'{}\n'
    """
    body, end = _split(data)
    text, blanks = body[:-_BITS] + end, body[-_BITS:]
    if blanks != _blanks(text, name):
        raise StoreError(
            f"{origin}: does not fit its checksum: it was changed or cut off since it was "
            f"written, or belongs elsewhere; materialize the asset again"
        )
    return text


def _split(text: bytes) -> tuple[bytes, bytes]:
    return (text[:-1], b"\n") if text.endswith(b"\n") else (text, b"")


def _blanks(text: bytes, name: str) -> bytes:
    crc = zlib.crc32(text, zlib.crc32(name.encode()))
    return f"{crc:0{_BITS}b}".translate(_DIGITS).encode()
