"""What is recorded of a result when it is published."""

import hashlib
import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

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
