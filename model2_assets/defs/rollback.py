"""What Dagster is told of a rollback, so that its UI shows what is on disk."""

from dataclasses import replace
from typing import Any

import dagster as dg

from model2_assets.defs.maintenance import IN_PROGRESS
from model2_assets.defs.recorded import (
    DATA_VERSION,
    MANIFEST_SHA256,
    EventLog,
    attestation_of,
    tags_of,
    target_of,
)
from model2_assets.defs.region import dimension_tags
from model2_assets.errors import StoreError
from model2_assets.storage import PRODUCTS, Store
from model2_assets.storage.record import Record
from model2_assets.storage.rollback import Rollback, kept_models

_SEARCHED = 1000
"""Materializations of a partition that are searched for that of an old version."""

_MADE_BY_AND_FROM = ("dagster/code_version", "dagster/input_", DATA_VERSION)
"""What the names of tags begin with that say what a result was made by and from."""


def refuse_while_running(instance: dg.DagsterInstance) -> None:
    """Refuse to roll back while a run may be writing the same results."""
    runs = instance.get_runs(filters=dg.RunsFilter(statuses=list(IN_PROGRESS)), limit=1)
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
        made = EventLog(instance).materializations(*target_of(address), limit=_SEARCHED)
        recorded = {attestation_of(record).manifest_sha256 for record in made} - {""}
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
    latest = EventLog(instance).latest
    return [
        asset
        for asset, version in rollback.made_from.items()
        if tags_of(latest(dg.AssetKey([region, asset]))).get(DATA_VERSION, version) != version
    ]


def record_rollback(
    instance: dg.DagsterInstance, rollback: Rollback, asset: str, version: Record
) -> None:
    """Record that a version of an asset is current again, as a materialization without a run.

    It carries the tags and metadata of the materialization that made the version, where the
    event log still has it: code and inputs are then compared with those of the version.
    """
    key, partition = target_of(replace(rollback.predictions, asset=asset))
    assert partition is not None
    records = EventLog(instance).materializations(key, partition, limit=_SEARCHED)
    same = (each for each in records if tags_of(each).get(DATA_VERSION) == version.data_version)
    record = next(same, None)
    made = record.asset_materialization if record is not None else None
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
                **{k: tag for k, tag in tags_of(record).items() if k.startswith(_MADE_BY_AND_FROM)},
                DATA_VERSION: version.data_version,
                # A run would add these, by which the UI finds a cell of its grid.
                **dimension_tags(partition),
            },
        )
    )
