"""The nightly retrain: what begins a night, and what follows in it, stage by stage.

A night is the runs that carry its tags. The schedule, or the watch of the market data files,
begins it with a run of the market data, and of features that read files besides; a sensor requests
each further stage once all runs of the stage before have ended. What was made by hand carries no
tag, so nothing follows it.
"""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import dagster as dg

from model2_assets.config.sections import ScheduleConfig
from model2_assets.defs.assets import asset_names
from model2_assets.defs.kubernetes import memory_tags
from model2_assets.defs.maintenance import ENDED, OPEN
from model2_assets.defs.recorded import PARTITION_TAG, Target, outdated
from model2_assets.defs.region import STAGES, Region, job_name
from model2_assets.errors import ConfigError, MarketDataError
from model2_assets.storage.record import document_digest

NIGHTLY, NIGHT, STAGE = "model2/nightly", "model2/night", "model2/stage"
"""Tags of the runs of a night: the region, when it began, and the stage.

A run that is re-executed keeps them, and so belongs to the night.
"""

FIRST = "market_data"
_ORDER = (FIRST, *STAGES)


def begin(
    instance: dg.DagsterInstance, region: Region, moment: datetime
) -> dg.RunRequest | dg.SkipReason:
    """Return the request that begins a night of a region, unless one is under way."""
    under_way = _open_run(instance, region)
    if under_way is not None:
        return dg.SkipReason(f"waits for the night under way: {under_way}")
    night = moment.astimezone(UTC).isoformat(timespec="seconds")
    return dg.RunRequest(
        job_name=job_name(region.name, "preparation"),
        asset_selection=[region.key(name) for name in region.readers or (FIRST,)],
        tags=_tags(region, night, FIRST),
    )


def nightly_schedule(region: Region) -> dg.ScheduleDefinition:
    """Return the switch of a region's nightly retrain, named ``<region>_nightly``; it is off."""
    settings = region.config.schedule
    check_cron(settings)

    @dg.schedule(
        name=f"{region.name}_nightly",
        job_name=job_name(region.name, "preparation"),
        cron_schedule=settings.cron,
        execution_timezone=settings.timezone,
        description=(
            f"Retrains region {region.name} at '{settings.cron}' ({settings.timezone}), in the "
            f"order of the graph: the market data, then what is outdated."
        ),
    )
    def nightly(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        return begin(context.instance, region, context.scheduled_execution_time)

    return nightly


def check_cron(settings: ScheduleConfig) -> None:
    """Refuse a cron expression that Dagster does not take, as a `ConfigError`."""
    cron, timezone = settings.cron, settings.timezone
    try:
        dg.ScheduleDefinition(
            name="check", job_name="check", cron_schedule=cron, execution_timezone=timezone
        )
    except dg.DagsterInvalidDefinitionError as error:
        raise ConfigError(
            f"schedule.cron: {cron!r} is not a cron expression of five fields (minute, hour, day "
            f"of month, month, day of week) such as 0 2 * * 2-6"
        ) from error


def has_input_files(region: Region) -> bool:
    """Tell whether a region's market data, or features of one's own, come from files."""
    source, extra = region.settings.market_data, region.settings.features.extra
    return bool(source.path or source.universe or any(entry.path for entry in extra))


def data_watch(region: Region) -> dg.SensorDefinition:
    """Return the watch of a region's files, ``<region>_market_data_changed``; it is off.

    It does not look at a query: only asking it would tell of a change.

    Its cursor holds the fingerprint that a night was begun for, and that of the last look.
    """

    @dg.sensor(
        name=f"{region.name}_market_data_changed",
        job_name=job_name(region.name, "preparation"),
        minimum_interval_seconds=region.config.schedule.look_every_seconds,
        description=(
            f"Begins a retrain of region {region.name} once its market data files have changed "
            f"and two looks agree."
        ),
    )
    def market_data_changed(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        from model2_assets.market_data.files import file_stamps

        try:
            found = file_stamps(region.settings.market_data, region.settings.features.extra)
        except MarketDataError as error:
            return dg.SensorResult(skip_reason=str(error), cursor=context.cursor)
        digest = document_digest(found)
        files = f"{len(found):,} file{'s' if len(found) > 1 else ''}"
        used, last = json.loads(context.cursor) if context.cursor else (digest, None)

        def wait(reason: str) -> dg.SensorResult:
            cursor = json.dumps([used, digest])
            return dg.SensorResult(skip_reason=f"{files}{reason}", cursor=cursor)

        if last is None:
            return wait("; waits for a change")
        if digest == used:
            return wait(", unchanged")
        if digest != last:
            return wait(", changed; waits until two looks agree")
        begun = begin(context.instance, region, datetime.now(UTC))
        if isinstance(begun, dg.SkipReason):
            return wait(f", changed; {begun.skip_message}")
        return dg.SensorResult([begun], cursor=json.dumps([digest, digest]))

    return market_data_changed


def stages_sensor(region: Region, jobs: Sequence[Any]) -> dg.SensorDefinition:
    """Return the sensor that goes on with a night, ``<region>_nightly_stages``.

    It is on: without a night it has nothing to go on with. Its cursor holds the run that ended
    last, and what was said then, so that each tick says it until another run ends.
    """

    @dg.sensor(
        name=f"{region.name}_nightly_stages",
        jobs=jobs,
        default_status=dg.DefaultSensorStatus.RUNNING,
        minimum_interval_seconds=region.config.schedule.look_every_seconds,
        description=f"Makes what is outdated in a night of region {region.name}, in order.",
    )
    def nightly_stages(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        under_way = _open_run(context.instance, region)
        ended = _last_ended(context.instance, region)
        if under_way is not None or ended is None:
            reason = under_way or "no night has begun yet"
            return dg.SensorResult(skip_reason=reason, cursor=context.cursor)
        before = json.loads(context.cursor) if context.cursor else {}
        if before.get("ended") == ended:
            return dg.SensorResult(skip_reason=before["said"], cursor=context.cursor)
        requests, said = _next_stage(context.instance, region, ended)
        cursor = json.dumps({"ended": ended, "said": said})
        return dg.SensorResult(requests, skip_reason=None if requests else said, cursor=cursor)

    return nightly_stages


def _next_stage(
    instance: dg.DagsterInstance, region: Region, ended: str
) -> tuple[list[dg.RunRequest], str]:
    """Return what the newest night makes next; nothing, and why, where that is all."""
    first = dg.RunsFilter(tags={NIGHTLY: region.name, STAGE: FIRST})
    began = next((r.dagster_run for r in instance.get_run_records(first, limit=1)), None)
    if began is None:
        return [], "the runs that began the last night have been deleted"
    night = began.tags[NIGHT]
    said = f"night of {night}"
    if began.status != dg.DagsterRunStatus.SUCCESS:
        failed = " or ".join(sorted(key.path[-1] for key in began.asset_selection or ()))
        return [], f"{said}: {failed} failed, so nothing follows"
    of_night = dg.RunsFilter(tags={NIGHTLY: region.name, NIGHT: night})
    runs = [r.dagster_run for r in instance.get_run_records(of_night, ascending=True)]
    results = region.results(instance, of_any_code={run.run_id for run in runs})
    skipped: list[str] = []
    for stage in STAGES:
        assets = [region.key(name) for name in asset_names(region, stage) if name != FIRST]
        partitions = region.partition_keys if stage == "training" else (None,)
        tried = _tried(runs, stage)
        due = {each: outdated(results, assets, each) for each in partitions}
        requests = [
            dg.RunRequest(
                # A look that a killed daemon resumes requests nothing twice.
                run_key=f"{ended}:{stage}:{partition}",
                job_name=job_name(region.name, stage),
                asset_selection=untried,
                partition_key=partition,
                tags={
                    **_tags(region, night, stage),
                    **memory_tags(region, instance, partition),
                },
            )
            for partition, problems in due.items()
            if (untried := [asset for asset in problems if (asset, partition) not in tried])
        ]
        if requests:
            return requests, f"{said}: {stage} requested"
        held_back = [_of(each, next(iter(why.values()))) for each, why in due.items() if why]
        if held_back:
            return [], f"{said}: what follows {stage} is held back: {'; '.join(held_back)}"
        skipped += (_skipped(assets, partition, tried) for partition in partitions)
    listed = "; ".join(filter(None, skipped))
    return [], f"{said} is over; current and skipped: {listed or 'nothing'}"


def _tags(region: Region, night: str, stage: str) -> dict[str, str]:
    return {NIGHTLY: region.name, NIGHT: night, STAGE: stage}


def _tried(runs: Sequence[dg.DagsterRun], stage: str) -> set[Target]:
    """Return what a night has tried of a stage since a stage before it was last made.

    It is not tried again: a failure that nobody has mended would repeat all night.
    """
    tried: set[Target] = set()
    for run in runs:
        position = _ORDER.index(run.tags[STAGE]) - _ORDER.index(stage)
        if position < 0:
            tried.clear()
        elif position == 0:
            tried |= {(asset, run.tags.get(PARTITION_TAG)) for asset in run.asset_selection or ()}
    return tried


def _skipped(assets: Sequence[dg.AssetKey], partition: str | None, tried: set[Target]) -> str:
    """Say what is current of a partition, or of a stage without: what was not tried."""
    names = [asset.path[-1] for asset in assets if (asset, partition) not in tried]
    if partition is not None and len(names) == len(assets):
        return partition
    return _of(partition, ", ".join(names)) if names else ""


def _of(partition: str | None, what: str) -> str:
    return f"{partition}: {what}" if partition else what


def _open_run(instance: dg.DagsterInstance, region: Region) -> str | None:
    """Say which run of a night has not ended."""
    filters = dg.RunsFilter(tags={NIGHTLY: region.name}, statuses=list(OPEN))
    for record in instance.get_run_records(filters, limit=1):
        run = record.dagster_run
        where = f" of {run.tags[PARTITION_TAG]}" if PARTITION_TAG in run.tags else ""
        return f"{run.tags[STAGE]}{where}, run {run.run_id[:8]}, is {run.status.value.lower()}"
    return None


def _last_ended(instance: dg.DagsterInstance, region: Region) -> str | None:
    """Return the run of a night that ended last; tags that it is given later change nothing."""
    filters = dg.RunsFilter(tags={NIGHTLY: region.name}, statuses=list(ENDED))
    found = instance.get_run_records(filters, limit=1, order_by="end_time")
    return found[0].dagster_run.run_id if found else None
