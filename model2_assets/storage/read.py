"""The public readers of predictions, and the result that a new one replaces."""

from dataclasses import dataclass

import pandas as pd

from model2_assets.errors import ContractError, StoreError
from model2_assets.storage.address import Address
from model2_assets.storage.archive import digits_of, find_version
from model2_assets.storage.data_version import data_version_of, table_digest
from model2_assets.storage.store import Store, default_store


@dataclass(frozen=True, eq=False)
class PreviousResult:
    """A stored table, or the problem that leaves none to compare with."""

    table: pd.DataFrame | None
    problem: str


def previous_result(store: Store, address: Address) -> PreviousResult:
    """Read the table that the next publication at an address replaces.

    A comparison with it is a service and never a reason to fail: a table that is not there, is
    damaged, or keeps an older contract is told of and not raised.
    """
    if not store.exists(address):
        return PreviousResult(None, f"there is no {address.asset} before this one")
    try:
        return PreviousResult(store.read(address), "")
    except (StoreError, ContractError) as error:
        return PreviousResult(None, f"the {address.asset} before cannot be read ({error})")


def load_oof(
    region: str,
    horizon: str,
    model: str,
    version: str | None = None,
    *,
    store: Store | None = None,
) -> pd.DataFrame:
    """Read out-of-fold predictions, verified.

    The record of the file, its contract and the data version that it states are verified, the
    last by digesting the values again.

    Parameters
    ----------
    region, horizon, model : str
        Such as ``us``, ``21d``, ``ridge``.
    version : str, optional
        At least 6 leading digits of a data version, as ``model2 versions`` shows it; the
        current one by default.
    store : Store, optional
        Where results are; by default at ``MODEL2_STORAGE``, else ``data/`` as `default_base`
        says.

    Returns
    -------
    DataFrame of shape (n_rows, 2)
        ``prediction`` (float64, bps) and ``fold_id`` (int16), indexed by
        ``(instrument, datetime)``, sorted by instrument, then datetime. What it was made from
        is in ``attrs["provenance"]``.

    Raises
    ------
    StoreError
        If there are no such predictions or no such version (the message names those that
        there are), or the file is damaged.
    ContractError
        If the table breaks its contract.

    Notes
    -----
    Out-of-fold values of a stacker's train rows come from models that saw its test labels: a
    stacker's own score needs nested or walk-forward predictions.

    Examples
    --------
    >>> oof = load_oof("us", "21d", "ridge")  # doctest: +SKIP
    >>> before = load_oof("us", "21d", "ridge", version="3f9a01")  # doctest: +SKIP
    """
    return _load(Address(region, "oof_predictions", horizon, model), version, store)


def load_live(
    region: str,
    horizon: str,
    model: str,
    version: str | None = None,
    *,
    store: Store | None = None,
) -> pd.DataFrame:
    """Read live predictions, verified as by `load_oof`.

    Parameters
    ----------
    region, horizon, model : str
        Such as ``us``, ``21d``, ``ridge``.
    version : str, optional
        At least 6 leading digits of a data version; the current one by default.
    store : Store, optional
        Where results are, as of `load_oof`.

    Returns
    -------
    DataFrame of shape (n_rows, 1)
        ``prediction`` (float64, bps), indexed by ``(instrument, datetime)``: of every row
        without a label whose horizon has not ended.

    Raises
    ------
    StoreError
        If there are none, no such version, or the file is damaged.
    ContractError
        If the table breaks its contract.

    Examples
    --------
    >>> live = load_live("us", "21d", "xgboost")  # doctest: +SKIP
    """
    return _load(Address(region, "live_predictions", horizon, model), version, store)


def _load(address: Address, version: str | None, store: Store | None) -> pd.DataFrame:
    store = store or default_store()
    what = f"{address.region} {address.horizon} {address.model}"
    if version is not None:
        version = digits_of(version, what=what)
        if kept := store.archive.versions(address):
            found = find_version(kept, version, what=what)
            path, frame = store.archive.path(address, found), store.read_version(address, found)
            return _verified(frame, address, origin=str(path), expected=found.data_version)
    if not store.exists(address):
        raise StoreError(
            f"{what}: no {address.asset} under {store.base}; there are "
            f"{_stored(store, address.asset) or 'none at all'}"
        )
    current = _verified(store.read(address), address, origin=str(store.path(address)))
    if version is not None and not data_version_of(current).startswith(version):
        raise StoreError(
            f"{what}: there is no version {version}; kept is the current one alone, "
            f"{data_version_of(current)[:12]}"
        )
    return current


def _verified(
    frame: pd.DataFrame, address: Address, *, origin: str, expected: str | None = None
) -> pd.DataFrame:
    stated, found = data_version_of(frame), table_digest(frame)
    if not stated == found == (expected or found):
        raise StoreError(
            f"{origin}: states data version {stated[:12] or 'none'}"
            f"{f', its record {expected[:12]}' if expected else ''}, but its values have "
            f"{found[:12]}; materialize {address.asset} again, or roll back to a kept version"
        )
    return frame


def _stored(store: Store, asset: str) -> str:
    """Return every region, horizon and model that has predictions, in words."""
    if not store.base.exists():
        return ""
    found = sorted(
        (path.parent.parent.parent.name, path.parent.name, path.stem)
        for path in store.base.glob(f"*/{asset}/*/*.parquet")
    )
    return ", ".join(" ".join(parts) for parts in found if not parts[0].startswith("."))
