"""Large tables: written bit by bit, and those of one type read as a memory-mapped matrix."""

from typing import TYPE_CHECKING

from upath import UPath

from model2_assets.files import replaced_atomically
from model2_assets.storage._address import Address
from model2_assets.storage._bytes import contract_of
from model2_assets.storage._reading import must_be_there
from model2_assets.working_files import WorkingFiles

if TYPE_CHECKING:
    import pandas as pd


def write_large_table(
    path: UPath, address: Address, frame: "pd.DataFrame", working: WorkingFiles
) -> None:
    """Write a large table, which is never encoded as a whole."""
    from model2_assets.tables import write_parquet
    from model2_assets.working_matrix import keep_matrix

    contract = contract_of(address)
    with replaced_atomically(path) as temporary, temporary.open("w+b") as file:
        write_parquet(frame, contract, file, origin=str(path), name=str(address))
    if address.product.as_matrix:
        keep_matrix(frame, working)


def read_as_matrix(path: UPath, address: Address, working: WorkingFiles) -> "pd.DataFrame":
    """Read a table whose values are a memory-mapped matrix, made of its file if need be."""
    from model2_assets.working_matrix import read_through_matrix

    with must_be_there(path, address):
        return read_through_matrix(
            path, contract_of(address), working, origin=str(path), name=str(address)
        )


def verify_as_matrix(path: UPath, address: Address, working: WorkingFiles) -> None:
    """Compare a table as a whole with the matrix that its readers are given."""
    from model2_assets.working_matrix import verify_matrix

    with must_be_there(path, address):
        verify_matrix(path, contract_of(address), working, origin=str(path), name=str(address))
