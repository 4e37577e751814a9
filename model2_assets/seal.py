"""A checksum of a whole text file, in blanks at its end that its readers skip.

JSON and HTML have no place for one that other readers would not stumble over, and a file
beside the file cannot be replaced in the same step. White space behind the last document or
element means nothing in either, so 32 blanks there say 32 bits: a space 0, a tab 1.
"""

import zlib

from model2_assets.errors import StoreError

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
