"""Checks of what is on disk: they read it again and evaluate it afresh."""

import logging
from collections.abc import Iterator, Sequence, Set

import dagster as dg

from model2_assets.config.partition import Partition
from model2_assets.defs.alerts import alert_hooks
from model2_assets.defs.assets import PREPARATION, summary_assets, training_assets
from model2_assets.defs.metadata import outcomes_table
from model2_assets.defs.publication import check_result
from model2_assets.defs.recorded import PARTITION_TAG, EventLog
from model2_assets.defs.region import HORIZON, MODEL, STORED, Region
from model2_assets.defs.retrain import PlannedRun, RunResult, execute
from model2_assets.defs.steps import core_call

STORED_MODELS = "stored_models_reproduce_oof"


def region_checks(region: Region) -> list[dg.AssetChecksDefinition]:
    """Return all checks of a region that look at what is on disk; what fails is told."""
    hooks = alert_hooks(region.config.alerts)
    checks = [
        stored_models_check(region),
        _stored_check(region, shared_assets(region), name=f"{region.name}_stored"),
        _stored_check(
            region,
            training_assets(region),
            name=f"{region.name}_stored_partition",
            partitions=region.partitions,
        ),
    ]
    return [with_hooks(check, hooks) for check in checks]


def with_hooks(
    check: dg.AssetChecksDefinition, hooks: Set[dg.HookDefinition]
) -> dg.AssetChecksDefinition:
    """Return a check with hooks; Dagster's own method returns a definition of assets."""
    return dg.AssetChecksDefinition(**check.with_hooks(hooks).get_attributes_dict())


def shared_assets(region: Region) -> tuple[str, ...]:
    """Return the names of a region's assets without partitions."""
    return (*PREPARATION, *summary_assets(region))


def check_keys(region: Region, *, partitioned: bool) -> frozenset[dg.AssetCheckKey]:
    """Return the keys of a region's checks of what is on disk.

    Parameters
    ----------
    region : Region
        The region.
    partitioned : bool
        Those of assets with horizon × model partitions, or those of the others.

    Returns
    -------
    frozenset of AssetCheckKey
        What `region_checks` evaluates.
    """
    if not partitioned:
        return frozenset(region.stored_check(asset) for asset in shared_assets(region))
    stored = (region.stored_check(asset) for asset in training_assets(region))
    return frozenset((*stored, dg.AssetCheckKey(region.key("oof_predictions"), STORED_MODELS)))


def stored_models_check(region: Region) -> dg.AssetChecksDefinition:
    """Return the check that the stored fold models reproduce the stored predictions."""

    @dg.asset_check(
        asset=region.key("oof_predictions"),
        name=STORED_MODELS,
        description="The fold models on disk predict, to the bit, what is stored. A run that makes "
        "the predictions asks the models before it publishes (repeatable), and here reads back.",
        blocking=True,
        partitions_def=region.partitions,
        additional_deps=[
            region.key(asset) for asset in ("fitted_models", "labels", "features", "cv_splits")
        ],
    )
    def stored_models_reproduce_oof(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
        from model2_assets.checks.catalogue import (
            StoredFiles,
            read_back_predictions,
            reproduce_stored,
        )

        made_now = _made_in_this_run(context, region.key("oof_predictions"))
        evaluate = read_back_predictions if made_now else reproduce_stored
        horizon, model = Partition.parse(context.partition_key)
        with core_call(context):
            files = StoredFiles(
                region.store.attested_by(EventLog(context.instance)),
                region.config,
                region.name,
                horizon,
                model,
            )
            return check_result(evaluate(files))

    return stored_models_reproduce_oof


def _stored_check(
    region: Region,
    assets: Sequence[str],
    *,
    name: str,
    partitions: dg.PartitionsDefinition[str] | None = None,
) -> dg.AssetChecksDefinition:
    """Return one step that checks several stored assets, reading each file once."""

    @dg.multi_asset_check(
        name=name,
        specs=[
            dg.AssetCheckSpec(
                STORED,
                asset=region.key(asset),
                description="What is on disk can be read, keeps its contract, was made from what "
                "lies beside it, and still passes every check that needs no refit.",
                partitions_def=partitions,
            )
            for asset in assets
        ],
        can_subset=True,
    )
    def stored(context: dg.AssetCheckExecutionContext) -> Iterator[dg.AssetCheckResult]:
        from model2_assets.checks.catalogue import (
            StoredFiles,
            evaluate_stored,
            read_back,
            verdict_of,
        )

        partition = Partition.parse(context.partition_key) if partitions else ()
        store = region.store.attested_by(EventLog(context.instance))
        files = StoredFiles(store, region.config, region.name, *partition)
        chosen = {key.asset_key for key in context.selected_asset_check_keys}
        with core_call(context):
            for asset in assets:
                key = region.key(asset)
                if key not in chosen:
                    continue
                outcomes = (
                    (read_back(files, asset),)
                    if _made_in_this_run(context, key)
                    else evaluate_stored(files, asset)
                )
                yield check_result(
                    verdict_of(outcomes), asset=key, predicates=outcomes_table(outcomes)
                )

    return stored


def _made_in_this_run(context: dg.AssetCheckExecutionContext, key: dg.AssetKey) -> bool:
    event = context.instance.get_latest_materialization_event(key)
    return event is not None and event.run_id == context.run.run_id


logger = logging.getLogger(__name__)


def check_stored(
    definitions: dg.Definitions,
    instance: dg.DagsterInstance,
    region: Region,
    partitions: Sequence[str],
) -> Iterator[RunResult]:
    """Evaluate the checks of what is on disk of a region.

    Parameters
    ----------
    definitions : Definitions
        The code location.
    instance : DagsterInstance
        Where evaluations are recorded.
    region : Region
        The region.
    partitions : sequence of str
        Partitions to look at, such as ``21d|ridge``; assets that all partitions share are
        looked at in any case.

    Yields
    ------
    RunResult
        One for the shared assets, then one for each partition.
    """
    every = definitions.resolve_implicit_global_asset_job_def()
    for partition in (None, *partitions):
        title = partition or "shared assets"
        logger.info("checking %s %s", region.name, title)
        chosen = every.get_subset(
            asset_selection=frozenset(),
            asset_check_selection=check_keys(region, partitioned=partition is not None),
        )
        planned = PlannedRun(region.name, chosen.name, partition, title)
        yield execute(chosen, instance, planned, tags=_partition_tags(partition))


def _partition_tags(partition: str | None) -> dict[str, str]:
    """Return the tags by which a run knows its partition.

    A job of nothing but checks has no partitions of its own, and refuses a partition key.
    """
    if partition is None:
        return {}
    horizon, model = Partition.parse(partition)
    return {
        PARTITION_TAG: partition,
        f"{PARTITION_TAG}/{HORIZON}": horizon,
        f"{PARTITION_TAG}/{MODEL}": model,
    }
