"""The whole graph in one process: prepare, train every partition, summarize; what came of it."""

import gc
import logging
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import asdict, dataclass, replace
from itertools import groupby
from typing import Any, Literal

import dagster as dg

from model2_assets.config.partition import Partition
from model2_assets.defs.assets import asset_names
from model2_assets.defs.kubernetes import memory_tags
from model2_assets.defs.maintenance import (
    PROCESS_TAG,
    cancel_runs,
    close_dead_runs,
    this_process,
)
from model2_assets.defs.publication import FORCED_TAG
from model2_assets.defs.recorded import outdated
from model2_assets.defs.region import STAGES, Region, job_name
from model2_assets.defs.steps import failure_reason
from model2_assets.defs.stop import Stopped, deferred
from model2_assets.errors import one_line

logger = logging.getLogger(__name__)

Status = Literal["passed", "failed", "skipped", "current"]
"""``skipped``: it never started, since something before it failed; ``current``: nor had it to."""


@dataclass(frozen=True)
class StepResult:
    """What became of one step of a run, such as ``us/fitted_models``; wall time in seconds."""

    step: str
    status: Status
    seconds: float = 0.0
    reason: str = ""


@dataclass(frozen=True)
class CheckResult:
    """One evaluation of an asset check: ``error`` fails the gate, ``warn`` is only told."""

    asset: str
    name: str
    passed: bool
    severity: Literal["error", "warn"]
    description: str
    partition: str | None = None

    @property
    def is_failure(self) -> bool:
        """Whether it fails the gate."""
        return not self.passed and self.severity == "error"

    @property
    def is_warning(self) -> bool:
        """Whether it does not hold, and is only told."""
        return not self.passed and self.severity == "warn"

    def __str__(self) -> str:
        """Return its name in a message."""
        return f"check {self.name} of {self.asset}{_of_partition(self.partition)}"


@dataclass(frozen=True)
class PlannedRun:
    """One run to execute; it has a title where its job does not say what it does.

    It makes the `assets` of these names, all of its job where there are none.
    """

    region: str
    job: str
    partition: str | None = None
    title: str = ""
    assets: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """What the run does, such as ``us 21d|ridge`` or ``us preparation``."""
        job = self.job.removeprefix(f"{self.region}_")
        return f"{self.region} {self.partition or self.title or job}"


@dataclass(frozen=True, kw_only=True)
class RunResult(PlannedRun):
    """What became of one run; wall time in seconds, no id where it was skipped.

    `reason` says why it was skipped, or why it failed where no step and no check says so.
    """

    status: Status
    seconds: float = 0.0
    reason: str = ""
    run_id: str = ""
    steps: tuple[StepResult, ...] = ()
    checks: tuple[CheckResult, ...] = ()

    @property
    def success(self) -> bool:
        """Whether all its steps succeeded and no error-level check failed, or it is current."""
        return self.status in ("passed", "current")

    @property
    def failures(self) -> tuple[str, ...]:
        """One sentence for each failed step, error-level check, or for the run itself."""
        where = _of_partition(self.partition)
        found = [
            f"step {step.step}{where}: {one_line(step.reason)}"
            for step in self.steps
            if step.status == "failed"
        ]
        found += [f"{c}: {one_line(c.description)}" for c in self.checks if c.is_failure]
        if self.status == "failed" and not found:
            found.append(f"run {self.name}: {one_line(self.reason) or 'failed'}")
        return tuple(found)

    @property
    def warnings(self) -> tuple[str, ...]:
        """One sentence for each check of level warn that does not hold."""
        return tuple(f"{c}: {one_line(c.description)}" for c in self.checks if c.is_warning)

    def document(self) -> dict[str, Any]:
        """Return everything as JSON can hold it."""
        shown = asdict(self).items()
        values = {name: value for name, value in shown if name not in ("title", "assets")}
        return {"name": self.name, **values}


def _of_partition(partition: str | None) -> str:
    return "" if partition is None else f" {partition}"


def plan_region(
    region: str, partitions: Iterable[Partition], *, readers: Sequence[str] = ()
) -> list[PlannedRun]:
    """Return the runs that retrain a region, in order: preparation, each partition, summary.

    Assets that are `readers` are made first, in a run of their own, so that what follows can be
    compared with what they read.
    """
    preparation, training, summary = (job_name(region, stage) for stage in STAGES)
    read = PlannedRun(region, preparation, title="market data", assets=tuple(readers))
    return [
        *([read] if readers else []),
        PlannedRun(region, preparation),
        *(PlannedRun(region, training, partition.key) for partition in partitions),
        PlannedRun(region, summary),
    ]


def execute_plan(
    definitions: dg.Definitions,
    instance: dg.DagsterInstance,
    plan: Sequence[PlannedRun],
    *,
    regions: Iterable[Region] = (),
    tags: Mapping[str, str] | None = None,
    hold: Callable[[str], AbstractContextManager[object]] = nullcontext,
) -> Iterator[RunResult]:
    """Execute planned runs one after another, region by region; yield each as it has ended.

    A failed partition does not stop the others. After a failed preparation the rest of its
    region is skipped: it would train on yesterday's data. Of the `regions` given, whose assets
    `definitions` have, what is current is not made again, by the rule of the nightly: it is what
    `outdated` does not name, once the region's `readers` have read anew. Of other regions, and
    with the tag of a forced run, all is made. `hold`, given a region, returns what is held from
    its first run to its last: see `Store.hold`.
    """
    lookups = {region.name: region for region in regions}
    numbered, forced = enumerate(plan, start=1), FORCED_TAG in (tags or {})
    for name, runs in groupby(numbered, key=lambda item: item[1].region):
        prepared, region = True, lookups.get(name)
        with hold(name), unfrozen_at_the_end():
            close_dead_runs(instance)  # of whoever was killed while this process waited
            for number, planned in runs:
                if not prepared:
                    reason = f"the preparation of {name} failed"
                    yield RunResult(**asdict(planned), status="skipped", reason=reason)
                    continue
                due, said = _due(None if forced else region, instance, planned)
                logger.info("[%d/%d] %s%s", number, len(plan), planned.name, said)
                if due is None:
                    yield RunResult(**asdict(planned), status="current", reason="it is current")
                    continue
                job = definitions.resolve_job_def(planned.job)
                # For when it is repeated from the UI of a cluster.
                memory = memory_tags(region, instance, planned.partition) if region else {}
                finished = execute(job, instance, due, tags={**memory, **(tags or {})})
                yield finished
                prepared = finished.success or planned.job != job_name(name, "preparation")


@contextmanager
def unfrozen_at_the_end() -> Iterator[None]:
    """Have garbage looked for again in what `execute` froze: definitions end with its caller."""
    try:
        yield
    finally:
        gc.unfreeze()


def _due(
    region: Region | None, instance: dg.DagsterInstance, planned: PlannedRun
) -> tuple[PlannedRun | None, str]:
    """Return a run of what is not current, with why; no run where all is."""
    if region is None or planned.assets:
        return planned, ""
    stage = next(stage for stage in STAGES if job_name(region.name, stage) == planned.job)
    names = asset_names(region, stage)
    keys = [region.key(name) for name in names]
    results, is_stored = region.results(instance), region.store.exists
    problems = outdated(results, keys, planned.partition, is_stored=is_stored)
    if stage == "summary":  # it reads the event log besides: what is outdated, what all has cost
        problems = {region.key("leaderboard"): "sums up", **problems}
    if not problems:
        return None, ": current, skipped"
    due = tuple(key.path[-1] for key in problems)
    current = ", ".join(name for name in names if name not in due)
    said = f": {next(iter(problems.values()))}"
    return replace(planned, assets=due), f"{said}; current, skipped: {current}" if current else said


def execute(
    job: dg.JobDefinition,
    instance: dg.DagsterInstance,
    planned: PlannedRun,
    *,
    tags: Mapping[str, str] | None = None,
) -> RunResult:
    """Execute a job in this process.

    Raises `Stopped` where a signal asks to end: the run is cancelled, if it had not succeeded.
    """
    started, run_id = time.monotonic(), str(uuid.uuid4())
    # What the runs before have imported stays: looking for garbage in it took a tenth of the time.
    gc.collect()
    gc.freeze()
    keys = [dg.AssetKey([planned.region, name]) for name in planned.assets]
    try:
        with deferred():  # to where Dagster looks for it, or a step begins
            result = job.execute_in_process(
                instance=instance,
                partition_key=planned.partition if job.partitions_def is not None else None,
                asset_selection=keys or None,
                raise_on_error=False,
                run_config={"loggers": {"console": {}}},
                tags={PROCESS_TAG: this_process(), **(tags or {})},
                run_id=run_id,
            )
    except Stopped:
        cancel_runs(instance, run_id)
        raise
    return run_result(result, instance, planned, seconds=time.monotonic() - started)


def run_result(
    result: dg.ExecuteInProcessResult,
    instance: dg.DagsterInstance,
    planned: PlannedRun,
    *,
    seconds: float,
) -> RunResult:
    """Return what became of an executed run; it failed if a step or an error-level check did."""
    checks = tuple(_check(found) for found in result.get_asset_check_evaluations())
    failed = not result.success or any(check.is_failure for check in checks)
    event = next((e for e in result.all_events if e.is_job_failure), None)
    return RunResult(
        **asdict(planned),
        status="failed" if failed else "passed",
        seconds=seconds,
        reason=(event.message or "") if event is not None else "",
        run_id=result.run_id,
        steps=tuple(_steps(planned.region, result, instance)),
        checks=checks,
    )


def _check(found: dg.AssetCheckEvaluation) -> CheckResult:
    is_error = found.severity == dg.AssetCheckSeverity.ERROR
    return CheckResult(
        asset=found.asset_key.to_user_string(),
        name=found.check_name,
        passed=found.passed,
        severity="error" if is_error else "warn",
        description=found.description or "",
        partition=found.partition,
    )


def _steps(
    region: str, result: dg.ExecuteInProcessResult, instance: dg.DagsterInstance
) -> Iterator[StepResult]:
    """Yield every step of the job; Dagster has no event of one whose inputs failed."""
    events = (e for e in result.all_events if e.is_step_success or e.is_step_failure)
    ended = {event.step_key: event for event in events}
    seconds = {
        stats.step_key: stats.end_time - stats.start_time
        for stats in instance.get_run_step_stats(result.run_id)
        if stats.start_time is not None and stats.end_time is not None
    }
    for node in result.job_def.nodes_in_topological_order:
        name = node.name.replace(f"{region}__", f"{region}/", 1)
        event = ended.get(node.name)
        if event is None:
            yield StepResult(name, "skipped", reason="not executed, since a step before it failed")
        elif event.is_step_failure:
            yield StepResult(name, "failed", seconds.get(node.name, 0.0), failure_reason(event))
        else:
            yield StepResult(name, "passed", seconds.get(node.name, 0.0))
