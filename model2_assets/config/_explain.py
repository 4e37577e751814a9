"""What pydantic finds, one sentence a problem, with its key and the remedy."""

import re
from collections.abc import Mapping

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from model2_assets.redaction import url_carries_secret


def explain(error: ValidationError, origin: str) -> str:
    """Return a line for each problem, such as ``origin: key: what is wrong``."""
    problems = error.errors()
    lines = []
    for problem in problems:
        if problem["type"] == "too_short" and _has_inner_problem(problem["loc"], problems):
            continue
        key = _key_of(problem)
        lines.append(
            f"{origin}: {key}: {_reason(problem)}" if key else f"{origin}: {_reason(problem)}"
        )
    return "\n".join(dict.fromkeys(lines))


def _has_inner_problem(place: tuple[int | str, ...], problems: list[ErrorDetails]) -> bool:
    """Tell whether a container came out too short only because its items are wrong."""
    return any(
        len(other["loc"]) > len(place) and other["loc"][: len(place)] == place for other in problems
    )


def _key_of(problem: ErrorDetails) -> str:
    """Return the path of keys, without what pydantic calls the types that it tried."""
    place = problem["loc"]
    parts = [str(part) for part in place if _is_key(part)]
    if problem["type"] == "extra_forbidden" and not _is_key(place[-1]):
        parts.append(_clipped(place[-1]))
    return ".".join(parts)


def _is_key(part: str | int) -> bool:
    return isinstance(part, int) or re.fullmatch(r"\w+", part) is not None


def _reason(problem: ErrorDetails) -> str:
    message = problem["msg"].removeprefix("Value error, ")
    message = message.replace("Tuple", "List").replace("tuple", "list")
    message = _ANY_MAPPING.sub("a mapping of keys to values", message)
    place = problem["loc"]
    if problem["type"] == "extra_forbidden":
        return "unknown key; correct the spelling or remove it"
    if place and str(place[-1]).endswith("_variable"):
        return "write the name of an environment variable here, never a secret itself"
    if isinstance(problem["input"], str) and url_carries_secret(problem["input"]):
        return message
    if problem["type"] == "string_pattern_mismatch":
        return f"{_clipped(problem['input'])} is not allowed here: {message}"
    if "input" in problem and not isinstance(problem["input"], Mapping):
        return f"{message}, got {_clipped(problem['input'])}"
    return message


_ANY_MAPPING = re.compile(r"a valid dictionary( or instance of \w+)?")

_LONGEST_ECHO = 100


def _clipped(value: object) -> str:
    """Return a value as messages show it; a number of thousands of digits cannot be shown."""
    if isinstance(value, int) and value.bit_length() > _LONGEST_ECHO:
        return "a huge number"
    text = repr(value)
    return text if len(text) <= _LONGEST_ECHO else f"{text[:_LONGEST_ECHO]}…"
