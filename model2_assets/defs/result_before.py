"""The result that a candidate is about to replace, for checks that compare the two."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import dagster as dg

from model2_assets.defs.region import Region
from model2_assets.errors import Model2Error

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class ResultBefore:
    """What is stored where a candidate will be.

    Attributes
    ----------
    table : DataFrame or None
        The stored table; None if there is none, or it cannot be read.
    unreadable : str
        Why it cannot be read; empty if it can, or if there is none.
    """

    table: "pd.DataFrame | None"
    unreadable: str = ""


def result_before(context: dg.AssetExecutionContext, region: Region) -> ResultBefore:
    """Read the stored table of the running step; a damaged one is no obstacle to a new one."""
    address = region.address(context)
    if not region.store.exists(address):
        return ResultBefore(None)
    try:
        return ResultBefore(region.store.read(address))
    except Model2Error as error:
        context.log.warning(str(error))
        return ResultBefore(None, unreadable=str(error))
