"""SQLite databases of a Dagster instance, held open while runs write to them.

Dagster opens a connection for every event and closes it again. When the last connection is
closed, SQLite folds its write-ahead log into the database and waits for the disk several times;
with an idle connection beside it, a commit waits once.
"""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress

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
