"""The Dagster instance that a command opens, and what the system refuses it."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click
import dagster as dg

from model2_assets.defs.retrain import close_dead_runs
from model2_assets.defs.run_result import one_line
from model2_assets.errors import ConfigError, lack_of_memory, without_secrets
from model2_assets.storage import repository_root

HOME_VARIABLE = "DAGSTER_HOME"

_AFTER = "results on disk are whole, and the next retrain closes what this one left open"


def dagster_home() -> Path:
    """Return the folder of the Dagster instance, and make Dagster use it."""
    home = Path(os.environ.get(HOME_VARIABLE) or repository_root() or Path.cwd() / ".dagster")
    home = home.absolute()
    home.mkdir(parents=True, exist_ok=True)
    os.environ[HOME_VARIABLE] = str(home)
    return home


@contextmanager
def open_instance() -> Iterator[dg.DagsterInstance]:
    """Open the Dagster instance of the home; a ``dagster.yaml`` that is wrong is a ConfigError."""
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
        yield instance


def end_dead_runs(instance: dg.DagsterInstance) -> None:
    """Mark runs as failed whose process was killed, so that they hold no slot of the queue."""
    closed = close_dead_runs(instance)
    if closed:
        click.echo(f"closed {closed} runs whose process was killed", err=True)


def refusal(error: BaseException | None) -> str | None:
    """Return one sentence where memory, the disk or a database gave up, and None elsewhere.

    What the error came from is looked at as well.
    """
    if lack_of_memory(error) is not None:
        return f"out of memory; give the process more, then run again: {_AFTER}"
    while error is not None:
        if isinstance(error, OSError) and not isinstance(error, BrokenPipeError):
            return f"the system refuses: {error}; mend the cause, then run again: {_AFTER}"
        if type(error).__name__ == "OperationalError":
            reason, home = getattr(error, "orig", error), os.environ.get(HOME_VARIABLE)
            remedy = (
                f"it needs space, memory and the right to write {home}"
                if isinstance(reason, sqlite3.Error)
                else f"the server that dagster.yaml in {home} names has to run, and to let its "
                f"user in"
            )
            return (
                f"Dagster's database cannot be used: {one_line(str(reason))}; {remedy}, then run "
                f"again: {_AFTER}"
            )
        error = error.__cause__
    return None
