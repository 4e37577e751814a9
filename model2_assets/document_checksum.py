"""A checksum that a JSON document carries of itself."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

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
