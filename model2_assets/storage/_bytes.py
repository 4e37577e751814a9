"""Results as the bytes of a file, and back."""

from typing import TYPE_CHECKING, Any

from model2_assets.contracts import Contract, load_contract
from model2_assets.seal import sealed, unsealed
from model2_assets.storage._address import Address

if TYPE_CHECKING:
    import pandas as pd


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
    from model2_assets.tables import encode_json_lines, encode_parquet

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
    from model2_assets.tables import decode_json_lines, decode_parquet

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
