"""The whole graph in one process: prepare, train every partition, summarize.

One process that executes one run after another is the cheapest arrangement: imports are
paid once, training uses every core by itself, and the runs are recorded in the same
Dagster instance that the UI shows.
"""

import logging
import os
import socket
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import dagster as dg

from model2_assets.defs.jobs import job_names
from model2_assets.defs.partitions import partition_key

logger = logging.getLogger(__name__)

PROCESS_TAG = "model2/process"


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
    success : bool
        Whether all its steps succeeded and no error-level check failed.
    failures : tuple of str
        One sentence per failed step or error-level check.
    warnings : tuple of str
        One sentence per failed check of level warn.
    seconds : float
        Wall time.
    """

    planned: PlannedRun
    success: bool
    failures: tuple[str, ...]
    warnings: tuple[str, ...]
    seconds: float

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
        PlannedRun(region, names.training, partition_key(horizon, model))
        for horizon in horizons
        for model in models
    ]
    return [PlannedRun(region, names.preparation), *training, PlannedRun(region, names.summary)]


def execute_plan(
    definitions: dg.Definitions, instance: dg.DagsterInstance, plan: Sequence[PlannedRun]
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
        What to execute.

    Yields
    ------
    FinishedRun
        As each run ends.
    """
    unprepared: set[str] = set()
    for number, planned in enumerate(plan, start=1):
        if planned.region in unprepared:
            continue
        logger.info("[%d/%d] %s", number, len(plan), planned)
        finished = _execute(definitions, instance, planned)
        if not finished.success and planned.job == job_names(planned.region).preparation:
            unprepared.add(planned.region)
        yield finished


def _execute(
    definitions: dg.Definitions, instance: dg.DagsterInstance, planned: PlannedRun
) -> FinishedRun:
    started = time.monotonic()
    result = definitions.resolve_job_def(planned.job).execute_in_process(
        instance=instance,
        partition_key=planned.partition,
        raise_on_error=False,
        run_config={"loggers": {"console": {}}},
        tags={PROCESS_TAG: this_process()},
    )
    failed = [check for check in result.get_asset_check_evaluations() if not check.passed]
    errors = [check for check in failed if check.severity == dg.AssetCheckSeverity.ERROR]
    steps = [event for event in result.all_events if event.is_step_failure]
    failures = [f"{event.step_key}: {_reason(event)}" for event in steps]
    failures += [_sentence(check) for check in errors]
    return FinishedRun(
        planned=planned,
        success=result.success and not errors,
        failures=tuple(failures),
        warnings=tuple(_sentence(check) for check in failed if check not in errors),
        seconds=time.monotonic() - started,
    )


def _reason(event: dg.DagsterEvent) -> str:
    """Return what a person needs to know: the failure's own sentence, or the innermost error."""
    data = event.step_failure_data
    if data.user_failure_data and data.user_failure_data.description:
        return data.user_failure_data.description
    error = data.error
    while error is not None and error.cause is not None:
        error = error.cause
    return str(error.message).strip() if error is not None else "failed"


def _sentence(check: dg.AssetCheckEvaluation) -> str:
    where = f" of {check.partition}" if check.partition else ""
    asset = check.asset_key.to_user_string()
    return f"check {check.check_name} of {asset}{where}: {check.description}"


def this_process() -> str:
    """Return host, process id and start time of this process, as a run tag."""
    return f"{socket.gethostname()}:{os.getpid()}:{_start_time(os.getpid())}"


def close_dead_runs(instance: dg.DagsterInstance) -> int:
    """Mark runs of this command whose process is gone as failed.

    A process that was killed cannot say so itself; its run would show as started for
    ever and hold a slot of the run queue.

    Parameters
    ----------
    instance : DagsterInstance
        The instance to look through.

    Returns
    -------
    int
        Runs closed.
    """
    unfinished = [dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.STARTING]
    closed = 0
    for run in instance.get_runs(filters=dg.RunsFilter(statuses=unfinished)):
        tag = run.tags.get(PROCESS_TAG)
        if tag is not None and not _is_alive(tag):
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
