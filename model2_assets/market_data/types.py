"""Types of bars: text instruments, timezone-naive dates, float64 numbers."""

import re
import unicodedata
from numbers import Number

import numpy as np
import pandas as pd
from pandas.api.types import infer_dtype, is_float_dtype, is_integer_dtype, is_object_dtype

from model2_assets.errors import MarketDataError
from model2_assets.market_data.columns import (
    BAR_COLUMNS,
    CURRENCY,
    REQUIRED_COLUMNS,
    first_row,
    reason,
    shown,
)

LONGEST_NAME = 100
"""Characters; a longer name is a quote that was never closed, or another column."""


def instrument_names(column: pd.Series, *, origin: str) -> "pd.Series[str]":
    """Return the names of instruments as text.

    Parameters
    ----------
    column : Series of shape (n_rows,)
        Text, categories of text, or whole numbers, which become text.
    origin : str
        What messages call the data.

    Returns
    -------
    Series of shape (n_rows,), str

    Raises
    ------
    MarketDataError
        If the column holds something else, or a name is empty, longer than `LONGEST_NAME`, has
        white space around it or a character that cannot be printed.
    """
    missing = column.isna()
    if isinstance(column.dtype, pd.CategoricalDtype):
        column = column.astype(column.cat.categories.dtype)
    if is_integer_dtype(column.dtype):
        column = column.astype("str")
    elif infer_dtype(column, skipna=True) not in ("string", "empty"):
        raise MarketDataError(
            f"{origin}: column 'instrument' holds {column.dtype}, not text; write names as text"
        )
    names = column.astype("str")
    empty = (missing | (names.str.strip() == "")).to_numpy(dtype=bool)
    if empty.any():
        raise MarketDataError(
            f"{origin}: column 'instrument' is empty in data row {first_row(empty)}; name the "
            f"instrument or remove the row"
        )
    _refuse_odd_names(names, origin)
    return names


def _refuse_odd_names(names: "pd.Series[str]", origin: str) -> None:
    for name in names.unique():
        reason = _reason(name)
        if reason:
            row = first_row((names == name).to_numpy(dtype=bool))
            raise MarketDataError(
                f"{origin}: column 'instrument', data row {row}: the name "
                f"'{shown(name)}' {reason}; correct it in the source"
            )


def _reason(name: str) -> str:
    if name != name.strip():
        return "has white space around it"
    if not name.isprintable():
        return "has a character that cannot be printed"
    if len(name) > LONGEST_NAME:
        return f"has {len(name):,} characters, more than {LONGEST_NAME}"
    return ""


def spelled_alike(names: pd.Index) -> list[tuple[str, ...]]:
    """Return the names that differ in case or Unicode form alone.

    Parameters
    ----------
    names : Index of shape (n_instruments,), str
        Distinct names.

    Returns
    -------
    list of tuple of str
        Each with two names or more, in the order given.

    Examples
    --------
    >>> spelled_alike(pd.Index(["AA", "B", "Aa"]))
    [('AA', 'Aa')]
    """
    groups: dict[str, list[str]] = {}
    for name in names:
        groups.setdefault(unicodedata.normalize("NFKC", name).casefold(), []).append(name)
    return [tuple(group) for group in groups.values() if len(group) > 1]


EARLIEST = pd.Timestamp("1800-01-01")
BEHIND_LATEST = pd.Timestamp("2262-01-01")
"""Dates outside of these are the placeholders and overflows of other software."""

_NUMBERS_IN_OBJECTS = ("floating", "integer", "mixed-integer-float", "decimal", "empty")


def typed_bars(frame: pd.DataFrame, *, origin: str) -> pd.DataFrame:
    """Return bars with the types of the market_data table.

    Conversions that lose nothing are made: whole-number instruments become text, integers
    and decimals become float64, datetimes become microseconds.

    Parameters
    ----------
    frame : DataFrame of shape (n_rows, n_columns)
        Columns instrument, datetime, close and any of open, high, low, volume,
        adjusted_close, vwap, currency; others are left out.
    origin : str
        What messages call the data.

    Returns
    -------
    DataFrame of shape (n_rows, n_bar_columns)
        instrument and currency str, datetime datetime64[us], numbers float64, on a fresh
        RangeIndex. An unknown currency is empty.

    Raises
    ------
    MarketDataError
        If a column is missing, twice there or of a wrong type, an instrument or date is
        empty, or a date is before 1800 or after 2261.
    """
    names = list(frame.columns)
    for name in REQUIRED_COLUMNS:
        if name not in names:
            raise MarketDataError(
                f"{origin}: no column {name!r} among {', '.join(map(str, names)) or 'none'}; bars "
                f"need instrument, datetime and close"
            )
    for name in (*BAR_COLUMNS, CURRENCY):
        if names.count(name) > 1:
            raise MarketDataError(f"{origin}: column {name!r} is there more than once; keep one")
    arrays = {
        name: _converted(frame[name], name, origin).reset_index(drop=True)
        for name in (*BAR_COLUMNS, CURRENCY)
        if name in names
    }
    return pd.DataFrame(arrays, copy=False)


def _converted(column: pd.Series, name: str, origin: str) -> pd.Series:
    try:
        if name == "instrument":
            return instrument_names(column, origin=origin)
        if name == "datetime":
            return _datetimes(column, origin)
        return _currencies(column, origin) if name == CURRENCY else _numbers(column, origin)
    except ArithmeticError as error:  # decimals have a NaN that may not even be looked at
        raise MarketDataError(
            f"{origin}: column {name!r} holds a decimal that is no number; leave the value empty"
        ) from error


def _datetimes(column: pd.Series, origin: str) -> pd.Series:
    if isinstance(column.dtype, pd.DatetimeTZDtype):
        raise MarketDataError(
            f"{origin}: column 'datetime' carries the time zone {column.dtype.tz}; store the "
            f"session date of the market without a time zone"
        )
    if not pd.api.types.is_datetime64_dtype(column.dtype):
        raise MarketDataError(
            f"{origin}: column 'datetime' holds {column.dtype}, not dates; store it as "
            f"timezone-naive dates"
        )
    missing = column.isna().to_numpy(dtype=bool)
    if missing.any():
        raise MarketDataError(
            f"{origin}: column 'datetime' is empty in data row {first_row(missing)}; date the row "
            f"or remove it"
        )
    outside = ((column < EARLIEST) | (column >= BEHIND_LATEST)).to_numpy(dtype=bool)
    if outside.any():
        row = first_row(outside)
        raise MarketDataError(
            f"{origin}: column 'datetime', data row {row}: {column.iloc[row - 1]} is before 1800 "
            f"or after 2261; correct the date, or remove the row"
        )
    dates: pd.Series = column.dt.as_unit("us")
    return dates


def _currencies(column: pd.Series, origin: str) -> pd.Series:
    if isinstance(column.dtype, pd.CategoricalDtype):
        column = column.astype(column.cat.categories.dtype)
    if infer_dtype(column, skipna=True) not in ("string", "empty"):
        raise MarketDataError(
            f"{origin}: column 'currency' holds {column.dtype}, not text; write codes such as USD"
        )
    return column.astype("str").fillna("").str.strip()


def _numbers(column: pd.Series, origin: str) -> pd.Series:
    kind = column.dtype
    if kind == np.float64:
        return column
    is_number = is_integer_dtype(kind) or is_float_dtype(kind)
    if is_object_dtype(kind):
        is_number = infer_dtype(column, skipna=True) in _NUMBERS_IN_OBJECTS
    if not is_number:
        raise MarketDataError(f"{origin}: {_not_a_number(column)}; store it as numbers")
    try:
        values = column.to_numpy(dtype=np.float64, na_value=np.nan)
    except (ArithmeticError, TypeError, ValueError) as error:
        raise MarketDataError(
            f"{origin}: column {column.name!r} holds a number that no float64 can hold "
            f"({reason(error)}); "
            f"correct the value"
        ) from error
    return pd.Series(values, index=column.index, name=column.name)


def _not_a_number(column: pd.Series) -> str:
    offending = column.notna().to_numpy(dtype=bool)
    if is_object_dtype(column.dtype):
        offending = offending & np.array(
            [not isinstance(value, Number) for value in column], dtype=bool
        )
    if not offending.any():
        return f"column {column.name!r} holds {column.dtype}, not numbers"
    row = first_row(offending)
    value = column.astype(object).iloc[row - 1]
    return (
        f"column {column.name!r}, data row {row}: {shown(repr(value))} is "
        f"{type(value).__name__}, not a number"
    )


_ISO = re.compile(r"\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2}([.]\d{1,9})?)?)?", flags=re.ASCII)


def parse_iso_dates(
    values: "pd.Series[str]", *, column: str, origin: str, allow_empty: bool = False
) -> "pd.Series[pd.Timestamp]":
    """Parse dates in ISO 8601 and nothing else.

    Other notations are refused, never guessed: ``03/04/12`` has three readings.

    Parameters
    ----------
    values : Series of shape (n_rows,), str
        Dates such as ``2024-01-31``, or timestamps without time zone such as
        ``2024-01-31 16:00``.
    column : str
        Name of the column, for the message.
    origin : str
        What messages call the file.
    allow_empty : bool, default False
        Whether an empty or missing value is a missing date instead of an error.

    Returns
    -------
    Series of shape (n_rows,), datetime64[us]
        Missing dates are NaT.

    Raises
    ------
    MarketDataError
        At the first value that is not such a date; names it and its row.
    """
    codes, distinct = pd.factorize(values.fillna(""))
    texts = [str(text) for text in distinct]
    is_iso = np.array([_ISO.fullmatch(text) is not None for text in texts], dtype=bool)
    readable = [text if ok else None for text, ok in zip(texts, is_iso, strict=True)]
    parsed = pd.to_datetime(
        pd.Index(readable, dtype="str"), format="ISO8601", errors="coerce"
    ).as_unit("us")
    is_bad = np.array(parsed.isna())
    if allow_empty:
        is_bad &= np.array([bool(text) for text in texts], dtype=bool)
    if is_bad.any():
        first = int(np.flatnonzero(is_bad)[0])
        row = int(np.flatnonzero(codes == first)[0]) + 1
        raise MarketDataError(
            f"{origin}: column {column!r}, data row {row}: {shown(repr(texts[first]))} is not a "
            f"date in ISO format without time zone; write dates as 2024-01-31"
        )
    return pd.Series(parsed.to_numpy()[codes], index=values.index, name=values.name)
