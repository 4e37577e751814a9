"""Numbers and dates as a report prints them."""

import math

import pandas as pd

MISSING = "–"
_MINUS = "\N{MINUS SIGN}"


def number(value: float, spec: str) -> str:
    """Return a number by its format, with a true minus sign; a dash where there is none."""
    if pd.isna(value) or math.isinf(value):
        return MISSING
    if spec.endswith("e"):
        return format(value, spec) if value else "0"
    return format(value, spec).replace("-", _MINUS)


def date(value: pd.Timestamp) -> str:
    """Return a date as ``2024-01-02``."""
    return MISSING if pd.isna(value) else f"{value:%Y-%m-%d}"


def period(dates: pd.DatetimeIndex) -> str:
    """Return the first and the last of ascending dates."""
    return f"{date(dates[0])} to {date(dates[-1])}"
