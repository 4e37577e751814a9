"""Reading a published file, or saying how it comes to be there."""

from collections.abc import Iterator
from contextlib import contextmanager

from upath import UPath

from model2_assets.errors import StoreError
from model2_assets.storage._address import Address


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
