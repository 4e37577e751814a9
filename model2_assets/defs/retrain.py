"""The whole graph in one process: prepare, train every partition, summarize."""

import logging
import os
import socket
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from itertools import groupby

import dagster as dg

from model2_assets.config.partition import Partition
from model2_assets.defs.jobs import job_names
from model2_assets.defs.maintenance import INDEX, held_open
from model2_assets.defs.run_result import RunResult, run_result

logger = logging.getLogger(__name__)

PROCESS_TAG = "model2/process"

_UNFINISHED = (
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
)


@dataclass(frozen=True)
class PlannedRun:
    """One run to execute.

    Attributes
    ----------
    region, job : str
        Such as ``us`` and ``us_training``.
    partition : str or None
        Such as ``21d|ridge``.
    """

    region: str
    job: str
    partition: str | None = None

    def __str__(self) -> str:
        """Return what the run does, in words."""
        return f"{self.region} {self.partition or self.job.removeprefix(f'{self.region}_')}"


@dataclass(frozen=True)
class FinishedRun:
    """What became of a run.

    Attributes
    ----------
    planned : PlannedRun
        The run.
    result : RunResult
        Its steps and checks.
    """

    planned: PlannedRun
    result: RunResult

    @property
    def success(self) -> bool:
        """Whether all its steps succeeded and no error-level check failed."""
        return self.result.status == "passed"

    @property
    def failures(self) -> tuple[str, ...]:
        """One sentence per failed step or error-level check."""
        return self.result.failures

    @property
    def warnings(self) -> tuple[str, ...]:
        """One sentence per failed check of level warn."""
        return self.result.warnings

    @property
    def seconds(self) -> float:
        """Wall time."""
        return self.result.seconds

    @property
    def is_summary(self) -> bool:
        """Whether the run made the leaderboard."""
        return self.planned.job == job_names(self.planned.region).summary


def plan_region(region: str, *, horizons: Sequence[str], models: Sequence[str]) -> list[PlannedRun]:
    """Return the runs that retrain a region, in order.

    Parameters
    ----------
    region : str
        Its name.
    horizons, models : sequence of str
        Partitions to train.

    Returns
    -------
    list of PlannedRun
        Preparation, each partition, summary.
    """
    names = job_names(region)
    training = [
        PlannedRun(region, names.training, Partition(horizon, model).key)
        for horizon in horizons
        for model in models
    ]
    return [PlannedRun(region, names.preparation), *training, PlannedRun(region, names.summary)]


def execute_plan(
    definitions: dg.Definitions,
    instance: dg.DagsterInstance,
    plan: Sequence[PlannedRun],
    *,
    hold: Callable[[str], AbstractContextManager[object]] = nullcontext,
) -> Iterator[FinishedRun]:
    """Execute planned runs one after another.

    A failed partition does not stop the others. After a failed preparation the rest of
    its region is skipped: it would train on yesterday's data.

    Parameters
    ----------
    definitions : Definitions
        The code location.
    instance : DagsterInstance
        Where runs are recorded.
    plan : sequence of PlannedRun
        What to execute, region by region.
    hold : callable, optional
        Given a region, returns what is held from its first run to its last, such as the
        region itself: see `model2_assets.region_lock.hold_region`.

    Yields
    ------
    FinishedRun
        As each run ends.
    """
    numbered = enumerate(plan, start=1)
    for region, runs in groupby(numbered, key=lambda item: item[1].region):
        with hold(region):
            close_dead_runs(instance)  # of whoever was killed while this process waited
            for number, planned in runs:
                logger.info("[%d/%d] %s", number, len(plan), planned)
                finished = _execute(definitions, instance, planned)
                yield finished
                if not finished.success and planned.job == job_names(region).preparation:
                    break


def _execute(
    definitions: dg.Definitions, instance: dg.DagsterInstance, planned: PlannedRun
) -> FinishedRun:
    started = time.monotonic()
    run_id = str(uuid.uuid4())
    with held_open(instance, INDEX, run_id):
        result = definitions.resolve_job_def(planned.job).execute_in_process(
            instance=instance,
            partition_key=planned.partition,
            raise_on_error=False,
            run_config={"loggers": {"console": {}}},
            tags={PROCESS_TAG: this_process()},
            run_id=run_id,
        )
    ended = run_result(
        result,
        instance,
        region=planned.region,
        partition=planned.partition,
        seconds=time.monotonic() - started,
    )
    return FinishedRun(planned, ended)


def not_started(plan: Sequence[PlannedRun], finished: Sequence[FinishedRun]) -> list[RunResult]:
    """Return what became of the planned runs that `execute_plan` skipped."""
    started = {run.planned for run in finished}
    return [
        RunResult(
            region=planned.region,
            job=planned.job,
            partition=planned.partition,
            status="skipped",
            reason=f"the preparation of {planned.region} failed",
        )
        for planned in plan
        if planned not in started
    ]


def this_process() -> str:
    """Return host, process id and start time of this process, as a run tag."""
    return f"{socket.gethostname()}:{os.getpid()}:{_start_time(os.getpid())}"


def close_dead_runs(instance: dg.DagsterInstance) -> int:
    """Mark runs of this command whose process is gone as failed.

    A process that was killed cannot say so itself; its run would show as started for
    ever and hold a slot of the run queue, and of the pool of training steps.

    Parameters
    ----------
    instance : DagsterInstance
        The instance to look through.

    Returns
    -------
    int
        Runs closed.
    """
    closed = 0
    for run in instance.get_runs(filters=dg.RunsFilter(statuses=list(_UNFINISHED))):
        tag = run.tags.get(PROCESS_TAG)
        if tag is not None and not _is_alive(tag):
            # The place first: once the run has ended, nobody looks for it here again.
            instance.event_log_storage.free_concurrency_slots_for_run(run.run_id)
            instance.report_run_failed(run, message=f"the process {tag} that ran it is gone")
            closed += 1
    return closed


def _is_alive(tag: str) -> bool:
    host, pid, start_time = tag.rsplit(":", 2)
    if host != socket.gethostname():
        return True
    return _start_time(int(pid)) == start_time


def _start_time(pid: int) -> str:
    """Return when a process started, in clock ticks since boot; empty if there is none."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:  # noqa: PTH123
            return file.read().rpartition(")")[2].split()[19]
    except OSError:
        return _alive_without_proc(pid)


def _alive_without_proc(pid: int) -> str:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return ""
    except PermissionError:
        return "unknown"
    return "unknown"
