"""How a step calls the core: its log lines and its errors become Dagster's."""

from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg

from model2_assets.defs.run_log import core_logs_to
from model2_assets.errors import Model2Error
from model2_assets.redaction import tells_secret, without_secrets


@contextmanager
def core_call(context: dg.AssetExecutionContext | dg.AssetCheckExecutionContext) -> Iterator[None]:
    """Send the core's log lines to the run's log, and end the step on a user's mistake.

    Parameters
    ----------
    context : AssetExecutionContext or AssetCheckExecutionContext
        The running step.

    Raises
    ------
    dagster.Failure
        In place of any `Model2Error`; shows its message and is not retried. In place of any
        other error, too, that has a secret in its text.
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
    except Model2Error as error:
        failure = dg.Failure(
            description=str(error),
            metadata={"error": type(error).__name__},
            allow_retries=False,
        )
        raise failure from (None if tells_secret(error) else error)
    except Exception as error:
        if not tells_secret(error):
            raise
        kind = type(error).__name__
        raise dg.Failure(
            description=without_secrets(f"{kind}: {error}"), metadata={"error": kind}
        ) from None
