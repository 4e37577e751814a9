"""Daily bars: their columns, the types of these, and how messages show them."""

from numbers import Number

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pandas.api.types import infer_dtype, is_integer_dtype, is_object_dtype

from model2_assets.errors import MarketDataError
from model2_assets.panel import DELISTING_RETURN

PRICE_COLUMNS = ("open", "high", "low", "close", "adjusted_close", "vwap")
"""Columns in the currency of the market, all positive."""

NUMERIC_COLUMNS = (
    *("open", "high", "low", "close", "volume", "adjusted_close", "vwap"),
    DELISTING_RETURN,
)
"""Every number of a bar, in the order of the market_data table."""

CURRENCY = "currency"
"""Optional text, read to be checked; the market_data table does not have it."""

REQUIRED_COLUMNS = ("instrument", "datetime", "close")

LONGEST_NAME = 100
"""Characters; a longer name is a quote that was never closed, or another column."""

EARLIEST = pd.Timestamp("1800-01-01")
BEHIND_LATEST = pd.Timestamp("2262-01-01")
"""Dates outside of these are the placeholders and overflows of other software."""

_NUMBERS = ("floating", "integer", "mixed-integer-float", "decimal", "empty")


def shown(text: str, *, longest: int = 60) -> str:
    """Return a text without what a terminal would act on, cut where it is long."""
    cut = text if len(text) <= longest else f"{text[:longest]}…"
    return "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in cut)


def reason(error: Exception) -> str:
    """Return on one line what a library says is wrong; it may quote a damaged file."""
    return shown(" ".join(str(error).split()), longest=300)


def first_row(marks: "NDArray[np.bool_] | pd.Series[bool]") -> int:
    """Return the number of the first row that is marked; the first data row is 1."""
    return int(np.flatnonzero(np.asarray(marks, dtype=bool))[0]) + 1


def typed_bars(frame: pd.DataFrame, *, origin: str) -> pd.DataFrame:
    """Return the columns of bars with the types of the market_data table, on a fresh RangeIndex.

    Conversions that lose nothing are made: whole-number instruments become text, integers
    and decimals become float64, datetimes become microseconds. An unknown currency is empty.
    Whatever else is found is refused.
    """
    names = list(frame.columns)
    for name in REQUIRED_COLUMNS:
        if name not in names:
            raise MarketDataError(
                f"{origin}: no column {name!r} among {', '.join(map(str, names)) or 'none'}; bars "
                f"need instrument, datetime and close"
            )
    columns = {}
    for name in ("instrument", "datetime", *NUMERIC_COLUMNS, CURRENCY):
        if names.count(name) > 1:
            raise MarketDataError(f"{origin}: column {name!r} is there more than once; keep one")
        if name in names:
            columns[name] = _converted(frame[name], name, origin).reset_index(drop=True)
    return pd.DataFrame(columns, copy=False)


def _converted(column: pd.Series, name: str, origin: str) -> pd.Series:
    try:
        if name == "instrument":
            return instrument_names(column, origin=origin)
        if name == "datetime":
            return sessions(checked_dates(column, origin=origin), origin)
        if name == CURRENCY:
            codes = _text(column, origin=origin, remedy="write codes such as USD")
            return codes.fillna("").str.strip()
        return numbers(column, origin)
    except ArithmeticError as error:  # decimals have a NaN that may not even be looked at
        raise MarketDataError(
            f"{origin}: column {name!r} holds a decimal that is no number; leave the value empty"
        ) from error


def instrument_names(column: pd.Series, *, origin: str) -> "pd.Series[str]":
    """Return names of instruments as text, of text or whole numbers; refuse those that mislead."""
    missing = column.isna()
    names = _text(column, origin=origin, remedy="write names as text", or_integers=True)
    empty = missing | (names.str.strip() == "")
    if empty.any():
        raise MarketDataError(
            f"{origin}: column 'instrument' is empty in data row {first_row(empty)}; name the "
            f"instrument or remove the row"
        )
    for name in names.unique():
        if oddity := _oddity(name):
            raise MarketDataError(
                f"{origin}: column 'instrument', data row {first_row(names == name)}: the name "
                f"'{shown(name)}' {oddity}; correct it in the source"
            )
    return names


def _oddity(name: str) -> str:
    if name != name.strip():
        return "has white space around it"
    if not name.isprintable():
        return "has a character that cannot be printed"
    return f"has {len(name):,} characters, more than 100" if len(name) > LONGEST_NAME else ""


def _text(
    column: pd.Series, *, origin: str, remedy: str, or_integers: bool = False
) -> "pd.Series[str]":
    if isinstance(column.dtype, pd.CategoricalDtype):
        column = column.astype(column.cat.categories.dtype)
    is_text = infer_dtype(column, skipna=True) in ("string", "empty")
    if not is_text and not (or_integers and is_integer_dtype(column.dtype)):
        raise MarketDataError(
            f"{origin}: column {column.name!r} holds {column.dtype}, not text; {remedy}"
        )
    return column.astype("str")


def checked_dates(column: pd.Series, *, origin: str, may_be_missing: bool = False) -> pd.Series:
    """Return dates as they are; refuse what has a time zone, or is no date."""
    place = f"{origin}: column {column.name!r}"
    if isinstance(column.dtype, pd.DatetimeTZDtype):
        raise MarketDataError(
            f"{place} carries the time zone {column.dtype.tz}; store the session date of the "
            f"market without a time zone"
        )
    if not pd.api.types.is_datetime64_dtype(column.dtype):
        raise MarketDataError(
            f"{place} holds {column.dtype}, not dates; store it as timezone-naive dates"
        )
    missing = column.isna()
    if missing.any() and not may_be_missing:
        raise MarketDataError(
            f"{place} is empty in data row {first_row(missing)}; date the row or remove it"
        )
    return column


def sessions(dates: pd.Series, origin: str) -> pd.Series:
    """Return dates in microseconds; refuse the placeholders of other software."""
    outside = (dates < EARLIEST) | (dates >= BEHIND_LATEST)
    if outside.any():
        row = first_row(outside)
        raise MarketDataError(
            f"{origin}: column 'datetime', data row {row}: {dates.iloc[row - 1]} is before 1800 or "
            f"after 2261; correct the date, or remove the row"
        )
    in_microseconds: pd.Series = dates.dt.as_unit("us")
    return in_microseconds


def numbers(column: pd.Series, origin: str) -> pd.Series:
    """Return numbers as float64; refuse what is none."""
    if column.dtype == np.float64:
        return column
    if infer_dtype(column, skipna=True) not in _NUMBERS:
        raise MarketDataError(f"{origin}: {_not_a_number(column)}; store it as numbers")
    try:
        values = column.to_numpy(dtype=np.float64, na_value=np.nan)
    except (ArithmeticError, TypeError, ValueError) as error:
        raise MarketDataError(
            f"{origin}: column {column.name!r} holds a number that no float64 can hold "
            f"({reason(error)}); correct the value"
        ) from error
    return pd.Series(values, index=column.index, name=column.name)


def _not_a_number(column: pd.Series) -> str:
    offending = column.notna().to_numpy(dtype=bool)
    if is_object_dtype(column.dtype):
        offending = offending & [not isinstance(value, Number) for value in column]
    if not offending.any():
        return f"column {column.name!r} holds {column.dtype}, not numbers"
    row = first_row(offending)
    value = column.astype(object).iloc[row - 1]
    return (
        f"column {column.name!r}, data row {row}: {shown(repr(value))} is "
        f"{type(value).__name__}, not a number"
    )
