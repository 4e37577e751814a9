"""Runs that nobody looks at any more, and their events, leave the Dagster instance."""

import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import dagster as dg

INDEX = "index"
"""Database of the events of assets and checks, of all runs."""


@contextmanager
def held_open(instance: dg.DagsterInstance, *databases: str) -> Iterator[None]:
    """Hold databases of the event log open while the block runs.

    Parameters
    ----------
    instance : DagsterInstance
        Whose event log it is. Nothing is done where that is not kept in SQLite.
    *databases : str
        `INDEX`, or the id of a run, which need not be there yet.
    """
    path_of: Callable[[str], str] | None = getattr(
        instance.event_log_storage, "path_for_shard", None
    )
    paths = [path_of(database) for database in databases] if path_of is not None else []
    with ExitStack() as stack:
        for path in paths:
            with suppress(sqlite3.Error):  # slower, and no worse
                connection = stack.enter_context(closing(sqlite3.connect(path)))
                connection.execute("PRAGMA journal_mode=WAL").fetchone()
                # A connection counts as open once it has read.
                connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        yield


FINISHED = (
    dg.DagsterRunStatus.SUCCESS,
    dg.DagsterRunStatus.FAILURE,
    dg.DagsterRunStatus.CANCELED,
)
_BACKFILL_TAG = "dagster/backfill"
_SQLITE_SUFFIXES = ("", "-wal", "-shm")
_PATIENCE_S = 30.0


@dataclass(frozen=True)
class Prunable:
    """What may be deleted of an instance.

    Attributes
    ----------
    runs : tuple of str
        Ids of finished runs that are old enough and that nothing builds on.
    needed : tuple of str
        Ids of those that are old enough, and stay.
    """

    runs: tuple[str, ...]
    needed: tuple[str, ...]


def find_prunable(instance: dg.DagsterInstance, *, before: datetime, keep: int) -> Prunable:
    """Find the runs that can be deleted.

    Stay: unfinished runs, runs of unfinished backfills, those with one of the latest `keep`
    materializations of an asset or of one of its partitions, the last run that was to make
    an asset, and the run that was created last and the one that ended last: SQLite would
    give their numbers in the log to later events.

    Parameters
    ----------
    instance : DagsterInstance
        The instance.
    before : datetime
        With a time zone; what has changed since stays.
    keep : int
        Materializations of each asset or partition to keep, at least 1.

    Returns
    -------
    Prunable
        Oldest first.
    """
    filters = dg.RunsFilter(statuses=list(FINISHED), updated_before=before)
    old = instance.get_run_records(filters=filters, ascending=True)
    needed = {*_runs_of_materializations(instance, keep), *_newest_runs(instance)}
    in_use = {
        record.dagster_run.run_id
        for record in old
        if record.dagster_run.run_id in needed or _is_of_open_backfill(instance, record.dagster_run)
    }
    ids = [record.dagster_run.run_id for record in old]
    return Prunable(
        runs=tuple(run_id for run_id in ids if run_id not in in_use),
        needed=tuple(run_id for run_id in ids if run_id in in_use),
    )


def _runs_of_materializations(instance: dg.DagsterInstance, keep: int) -> Iterator[str]:
    for asset in instance.all_asset_keys():
        wanted: list[dg.AssetKey | dg.AssetRecordsFilter] = [asset]
        for partition in instance.get_materialized_partitions(asset):
            wanted.append(dg.AssetRecordsFilter(asset, asset_partitions=[partition]))
        for records in wanted:
            found = instance.fetch_materializations(records, limit=max(keep, 1)).records
            yield from (record.run_id for record in found)
    for record in instance.get_asset_records():
        if record.asset_entry.last_run_id:
            yield record.asset_entry.last_run_id


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
    """Delete runs with their events, captured output and, under SQLite, databases.

    Evaluations of checks outlive their runs.

    Parameters
    ----------
    instance : DagsterInstance
        The instance.
    run_ids : iterable of str
        Of finished runs.
    """
    for run_id in run_ids:
        instance.compute_log_manager.delete_logs(prefix=[run_id])
        instance.delete_run(run_id)
        for path in _database_files(instance, run_id):
            path.unlink(missing_ok=True)


def forget_abandoned(instance: dg.DagsterInstance, *, before: datetime) -> int:
    """Delete what is left of runs whose deletion was interrupted.

    Parameters
    ----------
    instance : DagsterInstance
        Nothing is done where its event log is not kept in SQLite.
    before : datetime
        With a time zone; databases that have changed since stay.

    Returns
    -------
    int
        Runs of which something was left.
    """
    index = _database(instance, INDEX)
    if index is None:
        return 0
    old = [path for path in index.parent.glob("*.db") if path != index]
    old = [path for path in old if path.stat().st_mtime < before.timestamp()]
    left = [path.stem for path in old if not instance.has_run(path.stem)]
    delete_runs(instance, left)
    return len(left)


def compact(instance: dg.DagsterInstance) -> tuple[Path, ...]:
    """Give the space of deleted rows back to the disk (VACUUM), where SQLite keeps them.

    Parameters
    ----------
    instance : DagsterInstance
        The instance.

    Returns
    -------
    tuple of Path
        Databases that another process kept busy, which are as large as before.
    """
    index = _database(instance, INDEX)
    if index is None:
        return ()
    databases = [index, index.parent.parent / "runs.db"]
    return tuple(path for path in databases if path.exists() and not _vacuum(path))


def _vacuum(database: Path) -> bool:
    try:
        with closing(sqlite3.connect(database, timeout=_PATIENCE_S)) as connection:
            connection.execute("VACUUM")
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    except sqlite3.OperationalError:
        return False
    return True


def log_bytes(instance: dg.DagsterInstance) -> int | None:
    """Return the size of the databases of runs and events; None where SQLite keeps none."""
    index = _database(instance, INDEX)
    if index is None:
        return None
    files = [*index.parent.iterdir(), *index.parent.parent.glob("runs.db*")]
    return sum(path.stat().st_size for path in files)


def _database(instance: dg.DagsterInstance, name: str) -> Path | None:
    storage = instance.event_log_storage
    path_of: Callable[[str], str] | None = getattr(storage, "path_for_shard", None)
    return Path(path_of(name)) if path_of is not None else None


def _database_files(instance: dg.DagsterInstance, run_id: str) -> list[Path]:
    path = _database(instance, run_id)
    return [path.with_name(path.name + suffix) for suffix in _SQLITE_SUFFIXES] if path else []
