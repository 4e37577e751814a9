"""Runs that nobody ends are closed, and runs that nobody looks at any more are deleted."""

import os
import socket
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import dagster as dg

from model2_assets.defs.recorded import EventLog
from model2_assets.defs.stop import deferred, stopped

PROCESS_TAG = "model2/process"
"""Tag of the runs of a command: the process that executes them."""

WORKER_TAG = "model2/worker"
"""Tag of other runs: the process that executes them, which a code server or a launcher started."""

IN_PROGRESS = (
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
)
OPEN = (dg.DagsterRunStatus.NOT_STARTED, *IN_PROGRESS)
"""A run that has not ended."""

ENDED = (
    dg.DagsterRunStatus.SUCCESS,
    dg.DagsterRunStatus.FAILURE,
    dg.DagsterRunStatus.CANCELED,
)

_BACKFILL_TAG = "dagster/backfill"
_SQLITE_SUFFIXES = ("", "-wal", "-shm")


def this_process() -> str:
    """Return host, process id and start time of this process, as a run tag."""
    return f"{socket.gethostname()}:{os.getpid()}:{_start_time(os.getpid())}"


def close_dead_runs(instance: dg.DagsterInstance) -> int:
    """Mark runs whose process was one of this host and is gone as failed, and return how many.

    A process that was killed cannot say so itself; its run would show as started for
    ever and hold a slot of the run queue, and of the pool of training steps. A code server says
    it of its own runs, unless it was ended with them, or its database was away at that moment.
    """
    closed = 0
    for run in instance.get_runs(filters=dg.RunsFilter(statuses=list(OPEN))):
        tag = run.tags.get(WORKER_TAG, run.tags.get(PROCESS_TAG))
        if tag is not None and not _is_alive(tag) and not _is_inherited(instance, run, tag):
            # The slot first: once the run has ended, nobody looks for it here again.
            instance.event_log_storage.free_concurrency_slots_for_run(run.run_id)
            instance.report_run_failed(run, message=f"the process {tag} that ran it is gone")
            closed += 1
    return closed


def cancel_runs(instance: dg.DagsterInstance, run_id: str | None = None) -> None:
    """Mark a run as cancelled, at a signal, if it has not succeeded; else the open ones of ours."""
    own = dg.RunsFilter(tags={PROCESS_TAG: this_process()}, statuses=list(OPEN))
    for run in instance.get_runs(filters=dg.RunsFilter(run_ids=[run_id]) if run_id else own):
        if run.status not in (dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.CANCELED):
            instance.event_log_storage.free_concurrency_slots_for_run(run.run_id)
            instance.report_run_canceled(run, message=str(stopped()))


@dg.sensor(
    name="dead_runs",
    default_status=dg.DefaultSensorStatus.RUNNING,
    minimum_interval_seconds=30,
    description="Marks runs as failed whose process on the code location's host is gone.",
)
def dead_runs_sensor(context: dg.SensorEvaluationContext) -> dg.SkipReason:
    """Close the runs of killed processes; on other hosts they are for the run launcher."""
    closed = close_dead_runs(context.instance)
    return dg.SkipReason(f"{closed} runs of killed processes closed" if closed else "none is dead")


def _is_inherited(instance: dg.DagsterInstance, run: dg.DagsterRun, tag: str) -> bool:
    """Tell whether a run that repeats another has that one's tag, as it has until it starts."""
    parent = instance.get_run_by_id(run.parent_run_id) if run.parent_run_id else None
    return parent is not None and tag in parent.tags.values()


def _is_alive(tag: str) -> bool:
    return not tag.startswith(f"{socket.gethostname()}:") or process_of(tag) is not None


def process_of(tag: str) -> int | None:
    """Return the id of a process that a run tag names; None where it does not live, or not here."""
    host, pid, start_time = (tag or "::").rsplit(":", 2)
    is_here = host == socket.gethostname() and _start_time(int(pid)) == start_time
    return int(pid) if is_here else None


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
    except PermissionError:  # somebody else's, and alive
        pass
    return "unknown"


@dataclass(frozen=True)
class Prunable:
    """Ids of finished runs that are old enough: to be deleted, and needed; oldest first."""

    runs: tuple[str, ...]
    needed: tuple[str, ...]


def find_prunable(instance: dg.DagsterInstance, *, before: datetime, keep: int) -> Prunable:
    """Find the runs that can be deleted, of those that have not changed since a moment.

    Stay: unfinished runs, runs of unfinished backfills, those with one of the latest `keep`
    materializations of an asset or of one of its partitions, the last run that was to make
    an asset, and the run that was created last and the one that ended last: SQLite would
    give their numbers in the log to later events.
    """
    filters = dg.RunsFilter(statuses=list(ENDED), updated_before=before)
    old = [r.dagster_run for r in instance.get_run_records(filters=filters, ascending=True)]
    needed = {*_runs_of_materializations(instance, keep), *_newest_runs(instance)}
    stay = {r.run_id for r in old if r.run_id in needed or _is_of_open_backfill(instance, r)}
    return Prunable(
        runs=tuple(run.run_id for run in old if run.run_id not in stay),
        needed=tuple(run.run_id for run in old if run.run_id in stay),
    )


def _runs_of_materializations(instance: dg.DagsterInstance, keep: int) -> Iterator[str]:
    log = EventLog(instance)
    for asset in instance.all_asset_keys():
        for partition in (None, *instance.get_materialized_partitions(asset)):
            for record in log.materializations(asset, partition, limit=max(keep, 1)):
                yield record.run_id
    for asset_record in instance.get_asset_records():
        if asset_record.asset_entry.last_run_id:
            yield asset_record.asset_entry.last_run_id


def _newest_runs(instance: dg.DagsterInstance) -> Iterator[str]:
    for order in (None, "update_timestamp"):
        for record in instance.get_run_records(limit=1, order_by=order):
            yield record.dagster_run.run_id


def _is_of_open_backfill(instance: dg.DagsterInstance, run: dg.DagsterRun) -> bool:
    backfill = instance.get_backfill(run.tags[_BACKFILL_TAG]) if _BACKFILL_TAG in run.tags else None
    return backfill is not None and not backfill.status.value.startswith(
        ("COMPLETED", "FAILED", "CANCELED")
    )


def delete_runs(instance: dg.DagsterInstance, run_ids: Iterable[str]) -> None:
    """Delete finished runs with their events, captured output and, under SQLite, databases.

    Evaluations of checks outlive their runs.
    """
    for run_id in run_ids:
        with deferred():
            instance.compute_log_manager.delete_logs(prefix=[run_id])
            instance.delete_run(run_id)
            for path in _database_files(instance, run_id):
                path.unlink(missing_ok=True)


def _database_files(instance: dg.DagsterInstance, run_id: str) -> list[Path]:
    """Return the files of a run's own database; `delete_run` empties it and leaves it there."""
    path_of: Callable[[str], str] | None = getattr(
        instance.event_log_storage, "path_for_shard", None
    )
    return [Path(path_of(run_id) + suffix) for suffix in _SQLITE_SUFFIXES] if path_of else []
