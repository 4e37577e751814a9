"""Log lines for people, or JSON lines for machines."""

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Literal

from model2_assets.errors import without_secrets

PACKAGE_LOGGER = "model2_assets"

LogFormat = Literal["text", "json"]


def setup_logging(level: str = "INFO", format: LogFormat = "text") -> logging.Logger:  # noqa: A002
    """Send the package's log lines to standard error.

    Calling it again replaces the earlier setup. Inside a Dagster run the lines go to
    Dagster's own log instead.

    Parameters
    ----------
    level : {"DEBUG", "INFO", "WARNING", "ERROR"}, default "INFO"
        Threshold.
    format : {"text", "json"}, default "text"
        ``text``: time, level if not INFO, message. ``json``: one object a line with
        ``time`` (ISO 8601, UTC), ``level``, ``logger`` and ``message``.

    Returns
    -------
    logging.Logger
        The package's logger.
    """
    logger = logging.getLogger(PACKAGE_LOGGER)
    logger.handlers = [stderr_handler(format)]
    logger.setLevel(level)
    logger.propagate = False
    return logger


def stderr_handler(format: LogFormat) -> logging.Handler:  # noqa: A002
    """Return a handler that writes to standard error in the given format."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter() if format == "json" else TextFormatter())
    return handler


class TextFormatter(logging.Formatter):
    """``12:30:05  message``, with the level where it is not INFO."""

    def format(self, record: logging.LogRecord) -> str:
        """Return one line; a traceback follows if the record carries one."""
        level = "" if record.levelno == logging.INFO else f"{record.levelname}: "
        time = datetime.fromtimestamp(record.created).astimezone()
        text = f"{time:%H:%M:%S}  {level}{record.getMessage()}"
        if record.exc_info:
            text = f"{text}\n{self.formatException(record.exc_info)}"
        return without_secrets(text)


class JsonFormatter(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as a JSON object."""
        document = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(),
            "level": record.levelname,
            "logger": record.name,
            "message": without_secrets(record.getMessage()),
        }
        if record.exc_info:
            document["exception"] = without_secrets(self.formatException(record.exc_info))
        return json.dumps(document)
