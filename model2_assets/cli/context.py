"""What a command works on: configuration, chosen partitions, Dagster instance; refusals."""

import os
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import click

from model2_assets.config import Model2Config, Partition, load_config
from model2_assets.config.load import load_object
from model2_assets.defs.stop import before_end
from model2_assets.errors import ConfigError, lack_of_memory, one_line, without_secrets
from model2_assets.logging import setup_logging
from model2_assets.storage import (
    HOME_VARIABLE,
    default_base,
    instance_home,
    repository_root,
)

if TYPE_CHECKING:
    import dagster as dg

LOCK_SECONDS = 60
"""Seconds for which a locked SQLite database of Dagster is waited for."""

_AFTER = (
    "then run again: results on disk are whole, and the next retrain closes what this one left open"
)


def read_config() -> Model2Config:
    """Read the configuration, and set up the log as it says; refuse a base path that none opens."""
    config = load_config()
    default_base()
    setup_logging(config.logging.level, config.logging.format)
    return config


def validate_imports(config: Model2Config, chosen: Mapping[str, Iterable[Partition]]) -> None:
    """Refuse models, builders and splitters that cannot be imported or take no such settings.

    Models are those of the partitions chosen, by region: libraries of others are not loaded.
    """
    from model2_assets.training import ModelRegistry

    for name, partitions in chosen.items():
        region, registry = config.region(name), ModelRegistry.from_config(config, name)
        for partition in partitions:
            registry.trainer(partition.model, partition.horizon)
        for key, path in (
            ("labels.builder", region.labels.builder),
            ("features.builder", region.features.builder),
            ("cross_validation.splitter", region.cross_validation.splitter),
        ):
            if path is not None:
                load_object(path, key=f"regions.{name}.{key}")


def chosen_regions(config: Model2Config, region: str | None) -> list[str]:
    """Return the region that an option names, or all where it names none."""
    return _chosen(region, config.regions, "region")


def chosen_partitions(
    config: Model2Config, *, region: str | None, horizon: str | None, model: str | None
) -> dict[str, list[Partition]]:
    """Return the partitions that options name, by region; what is not named is not limited."""
    chosen = {}
    for name in chosen_regions(config, region):
        horizons = _chosen(horizon, config.region(name).labels.horizon_keys, "horizon")
        models = _chosen(model, config.models_of(name), "model")
        chosen[name] = [Partition(h, m) for h in horizons for m in models]
    return chosen


def _chosen(value: str | None, known: Iterable[str], what: str) -> list[str]:
    known = list(known)
    if value is None:
        return known
    if value not in known:
        raise ConfigError(f"unknown {what} {value!r}; known: {', '.join(known)}")
    return [value]


def dagster_home() -> Path:
    """Return the folder of the Dagster instance, and make Dagster use it."""
    home = instance_home() or repository_root() or Path.cwd() / ".dagster"
    home.mkdir(parents=True, exist_ok=True)
    os.environ[HOME_VARIABLE] = str(home)
    return home


@contextmanager
def open_instance() -> "Iterator[dg.DagsterInstance]":
    """Open the Dagster instance of the home; a ``dagster.yaml`` that is wrong is a ConfigError."""
    import dagster as dg
    from sqlalchemy import Engine, event

    from model2_assets.defs.maintenance import cancel_runs

    event.listen(Engine, "connect", _wait_for_locks)
    settings = dagster_home() / "dagster.yaml"
    try:
        instance = dg.DagsterInstance.get()
    except Exception as error:
        if refusal(error):
            raise
        # What Dagster says of the first of its settings that is wrong.
        reasons = getattr(error, "errors", None)
        text, *_ = str(reasons[0].message if reasons else error).partition("Stack Trace:")
        raise ConfigError(
            f"{settings}: {without_secrets(one_line(text)).rstrip('.')}; correct the file, or set "
            f"what it names"
        ) from error
    with instance:
        before_end(partial(cancel_runs, instance))
        yield instance


def _wait_for_locks(connection: object, _record: object) -> None:
    """Have every SQLite database wait for others; Dagster's own time is 5 s for some of them."""
    if isinstance(connection, sqlite3.Connection):
        connection.execute(f"PRAGMA busy_timeout = {1000 * LOCK_SECONDS}")


def end_dead_runs(instance: "dg.DagsterInstance") -> None:
    """Mark runs as failed whose process was killed, so that they hold no slot of the queue."""
    from model2_assets.defs.maintenance import close_dead_runs

    closed = close_dead_runs(instance)
    if closed:
        click.echo(f"closed {closed} runs whose process was killed", err=True)


def refusal(error: BaseException | None) -> str | None:
    """Return one sentence where memory, the disk or a database gave up, and None elsewhere.

    What the error came from is looked at as well.
    """
    if lack_of_memory(error) is not None:
        return f"out of memory; give the process more, {_AFTER}"
    while error is not None:
        if isinstance(error, OSError) and not isinstance(error, BrokenPipeError):
            return f"the system refuses: {error}; mend the cause, {_AFTER}"
        if {"DatabaseError", "CommandError"} & {kind.__name__ for kind in type(error).__mro__}:
            return f"Dagster's database {_database_fault(error)}, {_AFTER}"
        error = error.__cause__
    return None


def _database_fault(error: BaseException) -> str:
    """Return what a database, or Alembic of its tables, refuses, and what helps."""
    home, reason = Path(os.environ.get(HOME_VARIABLE, "")), getattr(error, "orig", None) or error
    text, code = one_line(str(reason)), getattr(reason, "sqlite_errorname", "")
    if code.startswith(("SQLITE_BUSY", "SQLITE_LOCKED", "SQLITE_PROTOCOL")):
        return (
            f"in {home} is locked: another process has held it for {LOCK_SECONDS} s, or the folder "
            f"is on a network disk; let that process end, or set {HOME_VARIABLE} to a local disk"
        )
    if code.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB")):
        damaged = ", ".join(str(path) for path in sorted(home.rglob("*.db")) if _is_damaged(path))
        return (
            f"in {home} is damaged ({text}): {damaged}; put a copy back, or move the folders "
            f"history and schedules away, and Dagster begins without the runs so far"
        )
    if type(error).__name__ != "OperationalError" or code == "SQLITE_ERROR":
        return (
            f"is of another version than this Dagster {version('dagster')}: {text}; install the "
            f"version that wrote it or, if that was an older one, run dagster instance migrate"
        )
    if isinstance(reason, sqlite3.Error):
        return f"cannot be used: {text}; it needs space, memory and the right to write {home}"
    return (
        f"cannot be used: {text}; the server that dagster.yaml in {home} names has to run, and to "
        f"let its user in"
    )


def _is_damaged(path: Path) -> bool:
    try:
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
            return bool(database.execute("PRAGMA quick_check(1)").fetchone() != ("ok",))
    except sqlite3.DatabaseError:
        return True
