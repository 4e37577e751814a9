"""Cron expressions and time zones."""

import re
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

_CRON_FIELDS = (
    ("minute", 0, 59),
    ("hour", 0, 23),
    ("day of month", 1, 31),
    ("month", 1, 12),
    ("day of week", 0, 7),
)
_CRON_ITEM = re.compile(r"(?:\*|([0-9]+)(?:-([0-9]+))?)(?:/([1-9][0-9]*))?")
_MONTH = "jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec"
_DAY = "sun|mon|tue|wed|thu|fri|sat"
_CRON_NAMES = {
    "day of month": re.compile("l", re.IGNORECASE),
    "month": re.compile(f"(?:{_MONTH})(?:-(?:{_MONTH}))?", re.IGNORECASE),
    "day of week": re.compile(
        f"(?:{_DAY})(?:-(?:{_DAY}))?|[0-7]#[1-5]|(?:{_DAY})#[1-5]|l[0-7]", re.IGNORECASE
    ),
}

_NO_DATES = {
    (day, month, "*")
    for day, months in {"30": ("2",), "31": ("2", "4", "6", "9", "11")}.items()
    for month in months
}


def five_fields(cron: str) -> str:
    """Check the five fields of a cron expression: numbers, names such as mon, L and #."""
    fields = cron.split()
    if len(fields) != len(_CRON_FIELDS):
        names = ", ".join(name for name, _, _ in _CRON_FIELDS)
        raise ValueError(f"not five fields ({names}) such as 0 2 * * 2-6")
    for field, (name, low, high) in zip(fields, _CRON_FIELDS, strict=True):
        for item in field.split(","):
            if name in _CRON_NAMES and _CRON_NAMES[name].fullmatch(item):
                continue
            match = _CRON_ITEM.fullmatch(item)
            numbers = [int(number) for number in match.groups()[:2] if number] if match else [-1]
            if any(not low <= number <= high for number in numbers) or numbers != sorted(numbers):
                raise ValueError(f"{name} {item!r} is not *, a number or range of {low} to {high}")
    _, _, day, month, weekday = fields
    if (day, month, weekday) in _NO_DATES:
        raise ValueError(f"there is no day {day} of month {month}")
    return cron


def known_timezone(name: str) -> str:
    """Check that a name is one of an IANA time zone."""
    try:
        ZoneInfo(name)
    except (ValueError, OSError, ZoneInfoNotFoundError):
        raise ValueError("no such IANA time zone; write one such as America/New_York") from None
    return name
