"""Errors that a user can mend, and texts that tell no secret."""

import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

STRUCK_OUT = "***"

_SECRET_WORDS = (
    r"sig|signature|token|secret|password|passwd|pwd|credentials?|api_?key|access_?key(?:_?id)?|"
    r"private_?key|account_?key"
)
_PARAMETER = re.compile(rf"(?i)([?&;#](?:[\w.-]*[-_.])?(?:{_SECRET_WORDS})=)[^&;#\s'\"]+")
_USER_INFO = re.compile(r"(?i)\b([a-z][a-z0-9+.-]*://)[^\s/?#@'\"]*:[^\s@'\"]*@")
_WEB_USER = re.compile(r"(?i)\b(https?://)[^\s/?#@'\"]+@")
_SECRET_VARIABLE = re.compile(rf"(?i)(?:^|_)(?:{_SECRET_WORDS}|key)(?:$|_)")
_URL_PASSWORD = re.compile(r"(?i)^[a-z][a-z0-9+.-]*://[^/?#@]*:([^@]+)@")
_QUERY_SECRET = re.compile(
    r"(?i)\b(?:password|passwd|pwd|\w*(?:secret|access_key|session_token)\w*)\s*(?:=\s*'?|')[^\s']"
)
_SHORTEST = 6
"""Characters below which the value of a variable is no secret worth striking out."""

NO_SECRET_IN_URLS = (
    "the URL carries a password, key or signature, and paths are written into logs and "
    "metadata; remove it, and give it by the environment variables that the file system "
    "reads, such as AWS_SECRET_ACCESS_KEY, or FSSPEC_SFTP_PASSWORD for sftp://"
)
"""What a person is told of a URL for which `url_carries_secret` is true."""


def without_secrets(text: str) -> str:
    """Return a text with `STRUCK_OUT` in place of secrets.

    Struck out are user names and passwords in URLs, parameters of URLs that sign or authorize,
    and, wherever they stand, the values of environment variables whose name says that they are
    secret, unless they are paths that exist, and passwords of URLs in environment variables.

    Examples
    --------
    >>> without_secrets("sftp://me:hunter2@host/prices.csv: no such file")
    'sftp://***@host/prices.csv: no such file'
    """
    for secret in _secrets_of_environment():
        text = text.replace(secret, STRUCK_OUT)
    text = _USER_INFO.sub(rf"\1{STRUCK_OUT}@", text)
    text = _WEB_USER.sub(rf"\1{STRUCK_OUT}@", text)
    return _PARAMETER.sub(rf"\1{STRUCK_OUT}", text)


def url_carries_secret(url: str) -> bool:
    """Tell whether a URL, which a local path never is, has a password or a signing parameter."""
    return "://" in url and any(
        pattern.search(url) for pattern in (_USER_INFO, _WEB_USER, _PARAMETER)
    )


def query_carries_secret(query: str) -> bool:
    """Tell whether a query of a database has a password or key in it."""
    return url_carries_secret(query) or _QUERY_SECRET.search(query) is not None


def tells_secret(error: BaseException) -> bool:
    """Tell whether an exception, or one that it came from, has a secret in its text."""
    return any(str(link) != without_secrets(str(link)) for link in _chain(error))


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    waiting: list[BaseException | None] = [error]
    while waiting:
        link = waiting.pop()
        if link is not None and id(link) not in seen:
            seen.add(id(link))
            yield link
            waiting += [link.__cause__, link.__context__]


def _secrets_of_environment() -> list[str]:
    found = set()
    for name, value in os.environ.items():
        # PWD is the working folder, and a variable may name the file that holds a key.
        if _SECRET_VARIABLE.search(name) and not _is_there(value):
            found.add(value)
        if match := _URL_PASSWORD.match(value):
            found.add(match[1])
    # The longest first, so that none is struck out in part.
    return sorted((secret for secret in found if len(secret) >= _SHORTEST), key=len, reverse=True)


def _is_there(path: str) -> bool:
    try:
        return Path(path).exists()
    except OSError:  # no name that a file could have
        return False


def one_line(text: str) -> str:
    """Return a text with every run of white space, line breaks among them, as one blank."""
    return " ".join(text.split())


class Model2Error(Exception):
    """Base of every error caused by input, configuration or stored files.

    Its message is free of secrets, whatever a library wrote into the one that it quotes.
    """

    def __init__(self, message: str = "") -> None:
        super().__init__(without_secrets(message))


class ConfigError(Model2Error):
    """The configuration is wrong; the message names the key."""


class MarketDataError(Model2Error):
    """Market data cannot be used; the message names the file, column, instrument or date."""


class LabelError(Model2Error):
    """Labels cannot be made from the panel; the message names the horizon."""


class FeatureError(Model2Error):
    """Features cannot be made from the panel; the message names the column."""


class CrossValidationError(Model2Error):
    """Splits are impossible or invalid; the message names the split and its counts."""


class EngineError(Model2Error):
    """Workers or their scheduler cannot be used; the message names the address and the cause."""


class LostWorkerError(EngineError):
    """A worker was lost or failed in a task of all workers, which may be begun once more."""


class TrainingError(Model2Error):
    """A model cannot be fitted or used; the message names the model and the cause."""


class ContractError(Model2Error):
    """A table breaks its contract; the message names the column and the first offending row."""


class StoreError(Model2Error):
    """A stored file is missing, damaged or of another version; the message names it."""


def named(found: Sequence[str], *, most: int = 5) -> str:
    """Return the first of several names, and how many more there are."""
    rest = f" and {len(found) - most:,} more" if len(found) > most else ""
    return ", ".join(found[:most]) + rest


def lack_of_memory(error: BaseException | None) -> str | None:
    """Return the text of the error by which memory was refused, or None of another cause.

    Arrow's is a `MemoryError`, XGBoost's an error of its own that names the failed allocation.
    Errors of ours, which name the file or the fold, came from one: those are looked at as well,
    and the innermost tells, for others only quote it.
    """
    found = None
    while error is not None:
        of_xgboost = type(error).__name__ == "XGBoostError" and "alloc" in str(error)
        if isinstance(error, MemoryError) or of_xgboost:
            found = str(error)
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return found
