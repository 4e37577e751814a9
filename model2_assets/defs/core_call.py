"""How a step calls the core: its log lines and its errors become Dagster's."""

from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg

from model2_assets.defs.run_log import core_logs_to
from model2_assets.errors import Model2Error
from model2_assets.lack_of_memory import lack_of_memory
from model2_assets.redaction import tells_secret, without_secrets


@contextmanager
def core_call(
    context: dg.AssetExecutionContext
    | dg.AssetCheckExecutionContext
    | dg.InputContext
    | dg.OutputContext,
) -> Iterator[None]:
    """Send the core's log lines to the run's log, and end the step on a user's mistake.

    Parameters
    ----------
    context : AssetExecutionContext, AssetCheckExecutionContext, InputContext or OutputContext
        The running step.

    Raises
    ------
    dagster.Failure
        In place of any `Model2Error`, and where the system refuses a file or memory; shows one
        sentence. In place of any other error, too, that has a secret in its text.
    """
    with core_logs_to(context.log), stored_errors():
        yield


@contextmanager
def stored_errors() -> Iterator[None]:
    """Have errors of the block stored by Dagster without secrets, ours as one sentence.

    Dagster stores the errors that an error came from, with their texts: where one of them
    tells a secret, it is left out.

    Raises
    ------
    dagster.Failure
        As `core_call` says.
    """
    try:
        yield
    except Exception as error:
        sentence = _sentence(error)
        if sentence is None and not tells_secret(error):
            raise
        kind = type(error).__name__
        failure = dg.Failure(
            description=sentence or without_secrets(f"{kind}: {error}"),
            metadata={"error": kind},
            allow_retries=not isinstance(error, Model2Error) and lack_of_memory(error) is None,
        )
        raise failure from (None if tells_secret(error) else error)


def _sentence(error: Exception) -> str | None:
    """Return what a person reads of an error; None where it is a fault of the program."""
    stays = "the last good result stays"
    refused = lack_of_memory(error)
    if refused is not None:
        detail = without_secrets(f" ({refused})") if refused else ""
        return (
            f"out of memory{detail}: lower execution.n_jobs or execution.max_rss_gb, choose "
            f"execution.profile fast, or give the process more memory; {stays}"
        )
    if isinstance(error, Model2Error):
        return str(error)
    if isinstance(error, OSError):
        text = f"the system refuses: {error}; mend the cause, then run again: {stays}"
        return without_secrets(text)
    return None
