"""What Dagster is told of a rollback, so that its UI shows what is on disk."""

from typing import Any

import dagster as dg

from model2_assets.defs.check_stored import PARTITION_TAG
from model2_assets.defs.partitions import HORIZON, MODEL
from model2_assets.defs.staleness import DATA_VERSION
from model2_assets.errors import StoreError
from model2_assets.versions import Rollback, Version

_UNFINISHED = (
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
)
_SEARCHED = 1000
"""Materializations of a partition that are searched for the one of a version."""


def refuse_while_running(instance: dg.DagsterInstance) -> None:
    """Refuse to roll back while a run may be writing the same results.

    Raises
    ------
    StoreError
        If a run is queued or in progress; names it.
    """
    runs = instance.get_runs(filters=dg.RunsFilter(statuses=list(_UNFINISHED)), limit=1)
    for run in runs:
        raise StoreError(
            f"run {run.run_id[:8]} ({run.job_name}) is {run.status.value.lower()}; roll back when "
            f"it has ended, or terminate it first"
        )


def inputs_that_moved_on(
    instance: dg.DagsterInstance, region: str, rollback: Rollback
) -> list[str]:
    """Return the shared inputs that have been materialized anew since a version was made."""
    moved = []
    for asset, version in rollback.made_from.items():
        event = instance.get_latest_materialization_event(dg.AssetKey([region, asset]))
        made = event.asset_materialization if event is not None else None
        if made is not None and (made.tags or {}).get(DATA_VERSION) not in (None, version):
            moved.append(asset)
    return moved


def record_rollback(
    instance: dg.DagsterInstance, rollback: Rollback, asset: str, version: Version
) -> None:
    """Record that a version of an asset is current again, as a materialization without a run.

    It carries the tags and metadata of the materialization that made the version, where the
    event log still has it: code and inputs are then compared with those of the version.

    Parameters
    ----------
    instance : DagsterInstance
        Where it is recorded.
    rollback : Rollback
        What has been restored.
    asset : str
        One of its assets.
    version : Version
        What of it is current now.
    """
    predictions = rollback.predictions
    assert predictions.horizon is not None
    assert predictions.model is not None
    key = dg.AssetKey([predictions.region, asset])
    partition = dg.MultiPartitionKey({HORIZON: predictions.horizon, MODEL: predictions.model})
    made = _materialization_of(instance, key, str(partition), version.data_version)
    tags = dict(made.tags or {}) if made is not None else {}
    metadata: dict[str, Any] = dict(made.metadata) if made is not None else {}
    instance.report_runless_asset_event(
        dg.AssetMaterialization(
            key,
            partition=partition,
            description=f"rolled back to version {version.short}",
            metadata={
                **metadata,
                "rolled_back_to": version.data_version,
                "first_published": f"{version.first_published:%Y-%m-%d %H:%M:%S} UTC",
            },
            tags={
                **_dagster_tags(tags),
                DATA_VERSION: version.data_version,
                # A run would add these, by which the UI finds a cell of its grid.
                f"{PARTITION_TAG}/{HORIZON}": predictions.horizon,
                f"{PARTITION_TAG}/{MODEL}": predictions.model,
            },
        )
    )


def _dagster_tags(tags: dict[str, str]) -> dict[str, str]:
    """Return the tags that say what a result was made by and from."""
    kinds = ("dagster/code_version", "dagster/input_", DATA_VERSION)
    return {name: value for name, value in tags.items() if name.startswith(kinds)}


def _materialization_of(
    instance: dg.DagsterInstance, key: dg.AssetKey, partition: str, data_version: str
) -> dg.AssetMaterialization | None:
    """Return the last materialization that made a version, from the event log."""
    wanted = dg.AssetRecordsFilter(key, asset_partitions=[partition])
    for record in instance.fetch_materializations(wanted, limit=_SEARCHED).records:
        made = record.asset_materialization
        if made is not None and (made.tags or {}).get(DATA_VERSION) == data_version:
            return made
    return None
