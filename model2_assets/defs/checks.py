"""Checks of what is on disk: they read it again and evaluate it afresh."""

import logging
from collections.abc import Iterator, Sequence, Set

import dagster as dg

from model2_assets.checks.catalogue import REPRODUCED, STORED
from model2_assets.config.partition import Partition
from model2_assets.defs.alerts import alert_hooks
from model2_assets.defs.assets import asset_names
from model2_assets.defs.metadata import outcomes_table
from model2_assets.defs.publication import check_result
from model2_assets.defs.recorded import PARTITION_TAG, EventLog, Target, target_of
from model2_assets.defs.region import Region, Stage, dimension_tags
from model2_assets.defs.retrain import PlannedRun, RunResult, execute, unfrozen_at_the_end
from model2_assets.defs.steps import core_call
from model2_assets.storage import PRODUCTS

logger = logging.getLogger(__name__)


def region_checks(region: Region) -> list[dg.AssetChecksDefinition]:
    """Return all checks of a region that look at what is on disk; what fails is told."""
    hooks = alert_hooks(region.config.alerts)
    checks = (
        _reproduced_check(region),
        _stored_check(region, partitioned=False),
        _stored_check(region, partitioned=True),
    )
    return [with_hooks(check, hooks) for check in checks]


def with_hooks(
    check: dg.AssetChecksDefinition, hooks: Set[dg.HookDefinition]
) -> dg.AssetChecksDefinition:
    """Return a check with hooks; Dagster's own method returns a definition of assets."""
    return dg.AssetChecksDefinition(**check.with_hooks(hooks).get_attributes_dict())


def stored_assets(region: Region, *, partitioned: bool) -> tuple[str, ...]:
    """Return the names of a region's assets with horizon × model partitions, or of the others."""
    stages: tuple[Stage, ...] = ("training",) if partitioned else ("preparation", "summary")
    return tuple(name for name in asset_names(region, *stages) if name in PRODUCTS)


def check_keys(region: Region, *, partitioned: bool) -> frozenset[dg.AssetCheckKey]:
    """Return the keys of the checks that `region_checks` evaluates, with or without partitions."""
    keys = {
        dg.AssetCheckKey(region.key(asset), STORED.name)
        for asset in stored_assets(region, partitioned=partitioned)
    }
    if partitioned:
        keys.add(dg.AssetCheckKey(region.key("oof_predictions"), REPRODUCED.name))
    return frozenset(keys)


def _reproduced_check(region: Region) -> dg.AssetChecksDefinition:
    """Return the check that the stored fold models reproduce the stored predictions."""
    asset = region.key("oof_predictions")

    @dg.asset_check(
        asset=asset,
        name=REPRODUCED.name,
        description=REPRODUCED.promise,
        blocking=REPRODUCED.blocking,
        partitions_def=region.partitions,
        additional_deps=[
            region.key(name) for name in ("fitted_models", "labels", "features", "cv_splits")
        ],
    )
    def stored_models_reproduce_oof(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
        from model2_assets.checks.stored import StoredFiles, read_back_predictions, reproduce_stored

        with core_call(context):
            partition = Partition.parse(context.partition_key)
            store = region.store.attested_by(EventLog(context.instance))
            files = StoredFiles(region.config, region.name, partition, store=store)
            made_now = _made_in_this_run(context, (asset, context.partition_key))
            return check_result((read_back_predictions if made_now else reproduce_stored)(files))

    return stored_models_reproduce_oof


def _stored_check(region: Region, *, partitioned: bool) -> dg.AssetChecksDefinition:
    """Return one step that checks several stored assets, reading each file once."""
    assets = stored_assets(region, partitioned=partitioned)

    @dg.multi_asset_check(
        name=f"{region.name}_stored_partition" if partitioned else f"{region.name}_stored",
        specs=[
            dg.AssetCheckSpec(
                STORED.name,
                asset=region.key(asset),
                description=STORED.promise,
                partitions_def=region.partitions if partitioned else None,
            )
            for asset in assets
        ],
        can_subset=True,
    )
    def stored(context: dg.AssetCheckExecutionContext) -> Iterator[dg.AssetCheckResult]:
        from model2_assets.checks.stored import StoredFiles, evaluate_stored, read_back, verdict_of

        partition = Partition.parse(context.partition_key) if partitioned else None
        store = region.store.attested_by(EventLog(context.instance))
        files = StoredFiles(region.config, region.name, partition, store=store)
        chosen = {key.asset_key for key in context.selected_asset_check_keys}
        with core_call(context):
            for asset in (name for name in assets if region.key(name) in chosen):
                key = region.key(asset)
                made_now = _made_in_this_run(context, target_of(files.address(asset)))
                outcomes = (read_back(files, asset),) if made_now else evaluate_stored(files, asset)
                table = outcomes_table(outcomes)
                yield check_result(verdict_of(outcomes), asset=key, predicates=table)

    return stored


def _made_in_this_run(context: dg.AssetCheckExecutionContext, target: Target) -> bool:
    made = EventLog(context.instance).latest(*target)
    return made is not None and made.run_id == context.run.run_id


def check_stored(
    definitions: dg.Definitions,
    instance: dg.DagsterInstance,
    region: Region,
    partitions: Sequence[str],
) -> Iterator[RunResult]:
    """Evaluate the checks of what is on disk of a region, and record the evaluations.

    Yields
    ------
    RunResult
        One for the assets that all partitions share, then one for each of the given partitions,
        such as ``21d|ridge``.
    """
    every = definitions.resolve_implicit_global_asset_job_def()
    with unfrozen_at_the_end():
        for partition in (None, *partitions):
            chosen = every.get_subset(
                asset_selection=frozenset(),
                asset_check_selection=check_keys(region, partitioned=partition is not None),
            )
            planned = PlannedRun(region.name, chosen.name, partition, "shared assets")
            logger.info("checking %s", planned.name)
            # A job of nothing but checks has no partitions of its own, and refuses a partition key.
            tags = {PARTITION_TAG: partition, **dimension_tags(partition)} if partition else {}
            yield execute(chosen, instance, planned, tags=tags)
