"""The Dagster instance that commands work on, and what to say where the system gives up."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from model2_assets.errors import ConfigError
from model2_assets.lack_of_memory import lack_of_memory
from model2_assets.redaction import without_secrets
from model2_assets.storage import repository_root

if TYPE_CHECKING:
    from dagster import DagsterInstance

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
def open_instance() -> "Iterator[DagsterInstance]":
    """Open the Dagster instance of the home; see `dagster_home`.

    Raises
    ------
    ConfigError
        If its ``dagster.yaml`` cannot be understood, or names an environment variable that is
        not set.
    """
    import dagster as dg

    settings = dagster_home() / "dagster.yaml"
    try:
        instance = dg.DagsterInstance.get()
    except Exception as error:
        if refusal(error):
            raise
        reason = without_secrets(_one_line(_first_reason(error))).rstrip(".")
        raise ConfigError(
            f"{settings}: {reason}; correct the file, or set what it names"
        ) from error
    with instance:
        yield instance


def refusal(error: BaseException | None) -> str | None:
    """Return one sentence where memory, the disk or a database gave up, and None elsewhere.

    Parameters
    ----------
    error : exception, optional
        What came out; its causes are looked at as well.

    Returns
    -------
    str or None
        What happened, and what to do.
    """
    if lack_of_memory(error) is not None:
        return f"out of memory; give the process more, then run again: {_AFTER}"
    while error is not None:
        if isinstance(error, OSError) and not isinstance(error, BrokenPipeError):
            return f"the system refuses: {error}; mend the cause, then run again: {_AFTER}"
        if type(error).__name__ == "OperationalError":
            reason = getattr(error, "orig", error)
            return (
                f"Dagster's database cannot be used: {_one_line(reason)}; {_needs(reason)}, then "
                f"run again: {_AFTER}"
            )
        error = error.__cause__
    return None


def _first_reason(error: Exception) -> str:
    """Return what Dagster says of the first of its settings that is wrong."""
    reasons = getattr(error, "errors", None)
    text = str(reasons[0].message if reasons else error)
    return text.partition("Stack Trace:")[0]


def _needs(reason: object) -> str:
    home = os.environ.get(HOME_VARIABLE)
    if isinstance(reason, sqlite3.Error):
        return f"it needs space, memory and the right to write {home}"
    return f"the server that dagster.yaml in {home} names has to run, and to let its user in"


def _one_line(error: object) -> str:
    return " ".join(str(error).split())
