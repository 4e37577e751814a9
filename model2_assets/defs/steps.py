"""How a step calls the core: its log lines, its errors, and its region's lock."""

import logging
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import dagster as dg

from model2_assets.config.sections import LoggingConfig
from model2_assets.defs.maintenance import PROCESS_TAG, WORKER_TAG, this_process
from model2_assets.defs.model_settings import report_model_settings
from model2_assets.defs.recorded import PARTITION_TAG
from model2_assets.defs.region import Region
from model2_assets.defs.stop import stop_here, stopped
from model2_assets.errors import Model2Error, lack_of_memory, tells_secret, without_secrets
from model2_assets.logging import PACKAGE_LOGGER, stderr_handler


class _Forward(logging.Handler):
    def __init__(self, log: logging.Logger) -> None:
        super().__init__()
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        self._log.log(record.levelno, without_secrets(record.getMessage()))


@contextmanager
def core_logs_to(log: logging.Logger) -> Iterator[None]:
    """Send the package's log lines to a run's log while the block runs."""
    logger = logging.getLogger(PACKAGE_LOGGER)
    before = (logger.handlers, logger.level, logger.propagate)
    logger.handlers, logger.propagate = [_Forward(log)], False
    logger.setLevel(min(logger.level or logging.INFO, logging.INFO))
    try:
        yield
    finally:
        logger.handlers, logger.propagate = before[0], before[2]
        logger.setLevel(before[1])


class _RunRecords(logging.Filter):
    """Keep what people read: our lines, and failures as one sentence."""

    def filter(self, record: logging.LogRecord) -> bool:
        metadata: dict[str, Any] = getattr(record, "dagster_meta", {})
        event = metadata.get("dagster_event")
        if event is None:
            record.msg = metadata.get("orig_message", record.getMessage())
            record.args = ()
            return True
        if not event.is_step_failure or stopped() is not None:
            return bool(record.levelno > logging.ERROR)
        data = event.step_failure_data
        user_failure = data.user_failure_data
        reason = user_failure.description if user_failure else data.error_display_string
        record.msg, record.args = f"{event.step_key} failed: {reason}", ()
        return True


def console_logger(config: LoggingConfig) -> dg.LoggerDefinition:
    """Return the console logger of runs, in the format that the configuration asks for."""

    def console(_context: dg.InitLoggerContext) -> logging.Logger:
        logger = logging.Logger("model2_assets.run", level=config.level)
        handler = stderr_handler(config.format)
        handler.addFilter(_RunRecords())
        logger.addHandler(handler)
        return logger

    return dg.LoggerDefinition(
        console, config_schema={}, description="Lines for people, or JSON lines."
    )


@contextmanager
def core_call(
    context: dg.AssetExecutionContext
    | dg.AssetCheckExecutionContext
    | dg.InputContext
    | dg.OutputContext,
) -> Iterator[None]:
    """Send the core's log lines to the run's log, and end the step on a user's mistake.

    Raises
    ------
    dagster.Failure
        In place of any `Model2Error`, and where the system refuses a file or memory; shows one
        sentence. In place of any other error, too, that has a secret in its text.
    """
    stop_here()
    with core_logs_to(context.log), stored_errors():
        yield


@contextmanager
def stored_errors() -> Iterator[None]:
    """Have errors of the block stored by Dagster without secrets, ours as one sentence.

    Dagster stores the errors that an error came from, with their texts: where one of them
    tells a secret, it is left out.
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


def failure_reason(event: dg.DagsterEvent) -> str:
    """Return why a step failed: the failure's own sentence, or the innermost error."""
    data = event.step_failure_data
    if data.user_failure_data and data.user_failure_data.description:
        return data.user_failure_data.description
    error = data.error
    while error is not None and error.cause is not None:
        error = error.cause
    return str(error.message).strip() if error is not None else "failed"


def lock_key(region: str) -> str:
    """Return the key of the resource that all assets of a region require."""
    return f"{region}_lock"


def region_lock(region: Region) -> dg.ResourceDefinition:
    """Return the resource by which a run holds its region, or its partition if it makes no more.

    With it a run reports the settings of models that have changed, before a step follows them.

    Dagster makes a run's resources before its first step, so a run that waits for its turn
    has no place in a pool that others wait for. Of several regions it makes them in the order
    of their names, so no two runs wait for each other.
    """

    def lock(context: dg.InitResourceContext) -> Iterator[None]:
        run, instance = context.run, context.instance
        partition = run.tags.get(PARTITION_TAG) if run is not None else None
        specs = [region.specs.get(key) for key in (run and run.asset_selection) or ()]
        if any(spec.partitions_def is None for spec in specs if spec is not None):
            partition = None
        process = this_process()
        if run is not None and instance is not None and run.tags.get(PROCESS_TAG) != process:
            instance.add_run_tags(run.run_id, {WORKER_TAG: process})
        try:
            stop_here()
            with ExitStack() as stack:
                with ExitStack() as waiting:
                    if context.log is not None:
                        waiting.enter_context(core_logs_to(context.log))
                    stack.enter_context(region.store.hold(region.name, partition=partition))
                if instance is not None:
                    report_model_settings(instance, region)
                yield
        finally:  # before Dagster judges the run, which it would call a failure
            reason = stopped()
            if reason is not None and run is not None and instance is not None:
                instance.report_run_canceling(run, message=str(reason))

    return dg.ResourceDefinition(lock, description=f"One writer of region {region.name} at a time.")
