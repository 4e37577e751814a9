"""How a step calls the core: its log lines and its errors become Dagster's."""

from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg

from model2_assets.defs.run_log import core_logs_to
from model2_assets.errors import Model2Error


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
        In place of any `Model2Error`; shows its message and is not retried.
    """
    with core_logs_to(context.log):
        try:
            yield
        except Model2Error as error:
            raise dg.Failure(
                description=str(error),
                metadata={"error": type(error).__name__},
                allow_retries=False,
            ) from error
