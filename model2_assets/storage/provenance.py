"""What a stored result was made from, so that results of different inputs never mix."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from model2_assets.errors import StoreError
from model2_assets.storage.codecs import PROVENANCE
from model2_assets.storage.data_version import table_digest

DATA_VERSION = "data_version"
INPUTS = "inputs"


def with_provenance(
    frame: pd.DataFrame, *, data_version: str, inputs: Mapping[str, str], **facts: Any
) -> pd.DataFrame:
    """Attach to a table what its file will say of its origin.

    Parameters
    ----------
    frame : DataFrame of shape (n_rows, n_columns)
        The table.
    data_version : str
        Digest of its values.
    inputs : mapping of str to str
        Data version of every asset that it was made from.
    **facts
        Further JSON-able facts.

    Returns
    -------
    DataFrame of shape (n_rows, n_columns)
        The same values; the provenance is in ``attrs["provenance"]``.
    """
    marked = frame.copy(deep=False)
    marked.attrs = {PROVENANCE: {DATA_VERSION: data_version, INPUTS: dict(inputs), **facts}}
    return marked


def data_version_of(frame: pd.DataFrame) -> str:
    """Return the data version that a table's file states; empty if it states none."""
    return str(frame.attrs.get(PROVENANCE, {}).get(DATA_VERSION, ""))


def facts_of(frame: pd.DataFrame) -> Mapping[str, Any]:
    """Return everything that a table's file states of its origin."""
    facts: Mapping[str, Any] = frame.attrs.get(PROVENANCE, {})
    return facts


def data_versions_of(**frames: pd.DataFrame) -> dict[str, str]:
    """Return the data version of every table given by asset name.

    It is computed where a table states none, so that hand-made tables are told apart as
    stored ones are.
    """
    return {asset: data_version_of(frame) or table_digest(frame) for asset, frame in frames.items()}


def require_made_from(asset: str, made_from: Mapping[str, str], inputs: Mapping[str, str]) -> None:
    """Refuse a result that was made from other inputs than those at hand.

    Fold models of other splits, for example, may have seen the rows that they are
    about to predict.

    Parameters
    ----------
    asset : str
        The result in question.
    made_from : mapping of str to str
        Data version of every asset that it was made from.
    inputs : mapping of str to str
        Data versions now at hand; only assets in both are compared.

    Raises
    ------
    StoreError
        Names the first asset whose version differs, and what to materialize again.
    """
    for name in sorted(set(made_from) & set(inputs)):
        if made_from[name] != inputs[name]:
            raise StoreError(
                f"{asset} was made from {name} of version {made_from[name][:12]}, but {name} "
                f"is now of version {inputs[name][:12]}; materialize {asset} again"
            )


def require_same_origin(asset: str, **frames: pd.DataFrame) -> None:
    """Refuse tables that were made from different versions of one asset.

    Parameters
    ----------
    asset : str
        The asset that all were made from.
    **frames : DataFrame
        The tables, by asset name.

    Raises
    ------
    StoreError
        If two of them state different versions.
    """
    versions = {
        name: facts_of(frame).get(INPUTS, {}).get(asset, "") for name, frame in frames.items()
    }
    if len(set(versions.values())) > 1:
        stated = ", ".join(f"{name} from {version[:12]}" for name, version in versions.items())
        raise StoreError(
            f"made from different versions of {asset}: {stated}; materialize "
            f"{' and '.join(versions)} again"
        )
