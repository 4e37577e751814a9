"""Types of bars: text instruments, timezone-naive dates, float64 numbers."""

from numbers import Number

import numpy as np
import pandas as pd
from pandas.api.types import infer_dtype, is_float_dtype, is_integer_dtype, is_object_dtype

from model2_assets.errors import MarketDataError
from model2_assets.market_data._columns import BAR_COLUMNS, CURRENCY, REQUIRED_COLUMNS
from model2_assets.market_data._names import instrument_names
from model2_assets.market_data._shown import first_row, reason, shown

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
