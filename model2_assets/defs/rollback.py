"""What Dagster is told of a rollback, so that its UI shows what is on disk."""

from typing import Any

import dagster as dg

from model2_assets.defs.recorded import (
    DATA_VERSION,
    MANIFEST_SHA256,
    PARTITION_TAG,
    SEARCHED,
    EventLog,
    attestation_of,
)
from model2_assets.defs.region import HORIZON, MODEL
from model2_assets.errors import StoreError
from model2_assets.storage import PRODUCTS, Store
from model2_assets.storage.record import Record
from model2_assets.storage.rollback import Rollback, kept_models

_UNFINISHED = (
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
)

_MADE_BY_AND_FROM = ("dagster/code_version", "dagster/input_", DATA_VERSION)
"""What the names of tags begin with that say what a result was made by and from."""


def refuse_while_running(instance: dg.DagsterInstance) -> None:
    """Refuse to roll back while a run may be writing the same results."""
    runs = instance.get_runs(filters=dg.RunsFilter(statuses=list(_UNFINISHED)), limit=1)
    for run in runs:
        raise StoreError(
            f"run {run.run_id[:8]} ({run.job_name}) is {run.status.value.lower()}; roll back when "
            f"it has ended, or terminate it first"
        )


def refuse_unrecorded_pickles(
    instance: dg.DagsterInstance, store: Store, rollback: Rollback
) -> None:
    """Refuse to bring back pickles that this instance did not record when they were made.

    What a rollback restores is recorded, and from then on read: the archive alone must not
    decide what that is. Where the instance has no record of such models at all, because
    another one made them, the manifest alone counts.
    """
    from model2_assets.training.models import may_read_pickles

    for address, models in kept_models(store, rollback):
        if not may_read_pickles(models):
            continue
        made = EventLog(instance).materializations(address, limit=SEARCHED)
        recorded = {attestation_of(event).manifest_sha256 for event in made} - {""}
        if recorded and models.sha256 not in recorded:
            version = rollback.versions[address.asset]
            raise StoreError(
                f"{store.archive.path(address, version)}: Dagster recorded no manifest of "
                f"sha256 {models.sha256[:12]}… here, so its pickles are not restored; choose "
                f"another version, or retrain"
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
    instance: dg.DagsterInstance, rollback: Rollback, asset: str, version: Record
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
    version : Record
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
    if PRODUCTS[asset].format == "fold_models":
        metadata[MANIFEST_SHA256] = version.sha256
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
                **{name: tags[name] for name in tags if name.startswith(_MADE_BY_AND_FROM)},
                DATA_VERSION: version.data_version,
                # A run would add these, by which the UI finds a cell of its grid.
                f"{PARTITION_TAG}/{HORIZON}": predictions.horizon,
                f"{PARTITION_TAG}/{MODEL}": predictions.model,
            },
        )
    )


def _materialization_of(
    instance: dg.DagsterInstance, key: dg.AssetKey, partition: str, data_version: str
) -> dg.AssetMaterialization | None:
    """Return the last materialization that made a version, from the event log."""
    wanted = dg.AssetRecordsFilter(key, asset_partitions=[partition])
    for record in instance.fetch_materializations(wanted, limit=SEARCHED).records:
        made = record.asset_materialization
        if made is not None and (made.tags or {}).get(DATA_VERSION) == data_version:
            return made
    return None
