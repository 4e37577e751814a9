"""The core's log lines inside a Dagster run, and Dagster's own on the console."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import dagster as dg

from model2_assets.config import LoggingConfig
from model2_assets.logging import PACKAGE_LOGGER, stderr_handler
from model2_assets.redaction import without_secrets


class _Forward(logging.Handler):
    def __init__(self, log: logging.Logger) -> None:
        super().__init__()
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        self._log.log(record.levelno, without_secrets(record.getMessage()))


@contextmanager
def core_logs_to(log: logging.Logger) -> Iterator[None]:
    """Send the package's log lines to a run's log while the block runs.

    Parameters
    ----------
    log : logging.Logger
        ``context.log`` of the run.
    """
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
        if not event.is_step_failure:
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
