"""When a night begins."""

import json
from dataclasses import asdict, dataclass

import dagster as dg
from dagster._core.definitions.run_request import InstigatorType

from model2_assets.defs.jobs import job_names
from model2_assets.defs.nightly import STARTED_BY
from model2_assets.defs.partitions import accepted_previews
from model2_assets.defs.region import Region
from model2_assets.errors import MarketDataError


def nightly_sensor(region: Region) -> dg.AutomationConditionSensorDefinition:
    """Return the switch of a region's nightly retrain, named ``<region>_nightly``."""
    schedule = region.config.schedule
    with accepted_previews():
        return dg.AutomationConditionSensorDefinition(
            name=nightly_name(region.name),
            target=dg.AssetSelection.groups(region.name),
            default_status=dg.DefaultSensorStatus.STOPPED,
            minimum_interval_seconds=schedule.look_every_seconds,
            use_user_code_server=True,  # Custom conditions are evaluated nowhere else.
            emit_backfills=False,  # A backfill would start its runs one look later.
            description=(
                f"Retrains region {region.name} at '{schedule.cron}' ({schedule.timezone}), in the "
                f"order of the graph: the market data, then what is outdated."
            ),
        )


def nightly_name(region: str) -> str:
    """Return the name of the switch of a region's nightly retrain."""
    return f"{region}_nightly"


UNFINISHED = (
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
)


@dataclass(frozen=True)
class Seen:
    """What the watch remembers between two looks.

    Attributes
    ----------
    used : str
        Fingerprint of the files that the market data were last made from, as far as the
        watch knows.
    last : str
        Fingerprint at the last look.
    """

    used: str
    last: str


def has_input_files(region: Region) -> bool:
    """Tell whether a region's market data come from files that can change."""
    source = region.settings.market_data
    return source.path is not None or source.universe is not None


def data_watch(region: Region) -> dg.SensorDefinition:
    """Return the watch of a region's files, named ``<region>_market_data_changed``."""

    @dg.sensor(
        name=f"{region.name}_market_data_changed",
        target=dg.AssetSelection.assets(region.key("market_data")),
        default_status=dg.DefaultSensorStatus.STOPPED,
        minimum_interval_seconds=region.config.schedule.look_every_seconds,
        description=(
            f"Begins a retrain of region {region.name} once its market data files have changed "
            f"and two looks agree. {nightly_name(region.name)} has to be on."
        ),
    )
    def market_data_changed(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        from model2_assets.market_data.files import fingerprint_inputs

        try:
            found = fingerprint_inputs(region.settings.market_data)
        except MarketDataError as error:
            return dg.SensorResult(skip_reason=str(error), cursor=context.cursor)
        assert found is not None
        files = f"{found.n_files:,} file{'s' if found.n_files > 1 else ''}"
        seen = Seen(**json.loads(context.cursor)) if context.cursor else None
        if seen is None:
            return _wait(f"{files}; waits for a change", Seen(found.digest, found.digest))
        if found.digest == seen.used:
            return _wait(f"{files}, unchanged", Seen(seen.used, found.digest))
        seen_now = Seen(seen.used, found.digest)
        if found.digest != seen.last:
            return _wait(f"{files}, changed; waits until two looks agree", seen_now)
        reason = _reason_to_wait(context.instance, region.name)
        if reason is not None:
            return _wait(f"{files}, changed; {reason}", seen_now)
        request = dg.RunRequest(
            asset_selection=[region.key("market_data")], tags={STARTED_BY: found.digest}
        )
        return dg.SensorResult([request], cursor=_dump(Seen(found.digest, found.digest)))

    return market_data_changed


def _reason_to_wait(instance: dg.DagsterInstance, region: str) -> str | None:
    switch = nightly_name(region)
    if not _is_on(instance, switch):
        return f"needs {switch}, which is off: switch it on"
    names = job_names(region)
    jobs = (names.preparation, names.training, names.summary)
    for run in instance.get_runs(filters=dg.RunsFilter(statuses=list(UNFINISHED))):
        if run.job_name in jobs or any(key.path[0] == region for key in run.asset_selection or ()):
            return f"waits for run {run.run_id} to end"
    return None


def _is_on(instance: dg.DagsterInstance, sensor: str) -> bool:
    states = instance.all_instigator_state(instigator_type=InstigatorType.SENSOR)
    return any(state.instigator_name == sensor and state.is_running for state in states)


def _wait(reason: str, seen: Seen) -> dg.SensorResult:
    return dg.SensorResult(skip_reason=reason, cursor=_dump(seen))


def _dump(seen: Seen) -> str:
    return json.dumps(asdict(seen))
