"""The stored result that a new one is about to replace."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from model2_assets.errors import ContractError, StoreError
from model2_assets.storage import Address, Store

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, eq=False)
class PreviousResult:
    """A stored table, or why there is none to compare with.

    Attributes
    ----------
    table : DataFrame or None
        The table; None where there is none that can be read.
    problem : str
        Why not; empty where there is one.
    """

    table: "pd.DataFrame | None"
    problem: str


def previous_result(store: Store, address: Address) -> PreviousResult:
    """Read the table that the next publication at an address replaces.

    A comparison with it is a service and never a reason to fail: a table that is not there, is
    damaged, or keeps an older contract is told of and not raised.

    Parameters
    ----------
    store : Store
        Where results are.
    address : Address
        The table.

    Returns
    -------
    PreviousResult
        What is there, before anything new is published.
    """
    if not store.exists(address):
        return PreviousResult(None, f"there is no {address.asset} before this one")
    try:
        return PreviousResult(store.read(address), "")
    except (StoreError, ContractError) as error:
        return PreviousResult(None, f"the {address.asset} before cannot be read ({error})")
