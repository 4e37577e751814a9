"""What Dagster's event log attests of results in the store."""

import dagster as dg

from model2_assets.attestation import Attestation
from model2_assets.defs.partitions import partition_key
from model2_assets.defs.staleness import DATA_VERSION
from model2_assets.storage import Address

MANIFEST_SHA256 = "manifest_sha256"
"""Metadata of models: hash of the manifest, which names every model file with its hash."""

SEARCHED = 1000
"""Materializations of a partition that are searched for that of an old version."""


class EventLog:
    """Looks up the latest materialization of a result, whichever run or rollback reported it.

    Parameters
    ----------
    instance : DagsterInstance
        Whose event log is read; what other instances materialized is not known to it.
    """

    def __init__(self, instance: dg.DagsterInstance) -> None:
        self._instance = instance

    def __call__(self, address: Address) -> Attestation | None:
        """Return what was recorded of a result last; None where it never was."""
        found = self.materializations(address, limit=1)
        return attestation_of(found[0]) if found else None

    def materializations(self, address: Address, *, limit: int) -> list[dg.AssetMaterialization]:
        """Return the materializations of a result, the latest first."""
        partitions = None
        if address.horizon is not None and address.model is not None:
            partitions = [partition_key(address.horizon, address.model)]
        wanted = dg.AssetRecordsFilter(
            dg.AssetKey([address.region, address.asset]), asset_partitions=partitions
        )
        records = self._instance.fetch_materializations(wanted, limit=limit).records
        return [made for record in records if (made := record.asset_materialization) is not None]


def attestation_of(made: dg.AssetMaterialization) -> Attestation:
    """Return what a materialization says of the result."""
    manifest = made.metadata.get(MANIFEST_SHA256)
    return Attestation(
        data_version=(made.tags or {}).get(DATA_VERSION, ""),
        manifest_sha256=str(manifest.value) if manifest is not None else "",
    )
