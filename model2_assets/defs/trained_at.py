"""When the stored fold models of every partition were made."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import dagster as dg

from model2_assets.defs.io_manager import address_of
from model2_assets.defs.materializations import DATA_VERSION
from model2_assets.defs.region import Region

if TYPE_CHECKING:
    from model2_assets.storage.models import Manifest


_ASSET = "fitted_models"
_LATEST = 20
"""Materializations of a partition to look through; a version rolled back to is not the latest."""


def trained_at(
    instance: dg.DagsterInstance, region: Region, manifests: Mapping[str, "Manifest"]
) -> dict[str, datetime | None]:
    """Return when the stored models of partitions were made.

    Parameters
    ----------
    instance : DagsterInstance
        Whose event log is read: one query a partition.
    region : Region
        The region.
    manifests : mapping of str to Manifest
        Manifests of the stored models by partition key.

    Returns
    -------
    dict of str to datetime or None
        With a time zone. The time of the latest materialization that made these very models;
        where the instance does not know them, the time of the manifest's file, None where the
        file system keeps none.
    """
    return {
        key: _recorded(instance, region, key, manifest.data_version) or _of_file(region, key)
        for key, manifest in manifests.items()
    }


def _recorded(
    instance: dg.DagsterInstance, region: Region, key: str, version: str
) -> datetime | None:
    filters = dg.AssetRecordsFilter(region.key(_ASSET), asset_partitions=[key])
    for record in instance.fetch_materializations(filters, limit=_LATEST).records:
        made = record.asset_materialization
        if made is not None and (made.tags or {}).get(DATA_VERSION) == version:
            return datetime.fromtimestamp(record.timestamp, tz=UTC)
    return None


def _of_file(region: Region, key: str) -> datetime | None:
    from model2_assets.storage.models import MANIFEST_NAME

    path = region.store.path(address_of(region.key(_ASSET), key)) / MANIFEST_NAME
    try:
        moment: datetime = path.fs.modified(path.path)
    except (NotImplementedError, OSError):
        return None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
