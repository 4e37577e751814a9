"""What is recorded of a result outside of the store, and whether the result is that one."""

from collections.abc import Callable
from typing import Any

from upath import UPath

from model2_assets.attestation import Attestation
from model2_assets.storage._address import Address

Attest = Callable[[Address], Attestation | None]
"""Looks up what is recorded of a result outside of the store."""


def difference_from_record(
    address: Address, value: Any, attestation: Attestation | None, *, file: UPath
) -> str | None:
    """Say how a result in a file differs from what is recorded of it; None if it does not."""
    if attestation is None:
        return None
    stated, recorded = _data_version_of(address, value), attestation.data_version
    if address.product.format == "fold_models":
        stated, recorded = value.sha256, attestation.manifest_sha256
    if not stated or not recorded or stated == recorded:
        return None
    return (
        f"{file}: is {stated[:12]}, Dagster recorded {recorded[:12]} when "
        f"{address.asset} was last materialized here, so something else replaced it; "
        f"materialize {address.asset} again, unless you replaced it"
    )


def _data_version_of(address: Address, value: Any) -> str:
    """Return the data version of a table; empty where its file states none."""
    if address.product.contract is None:
        return ""
    from model2_assets.data_version import table_digest
    from model2_assets.provenance import data_version_of

    # JSON lines have no room for a statement, and are small.
    is_json = address.product.format == "json_lines"
    return table_digest(value) if is_json else data_version_of(value)
