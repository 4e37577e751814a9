"""Types of bars: text instruments, timezone-naive dates, float64 numbers."""

from numbers import Number

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pandas.api.types import infer_dtype, is_float_dtype, is_integer_dtype, is_object_dtype

from model2_assets.errors import MarketDataError
from model2_assets.market_data._columns import BAR_COLUMNS, REQUIRED_COLUMNS

_NUMBERS_IN_OBJECTS = ("floating", "integer", "mixed-integer-float", "decimal", "empty")


def typed_bars(frame: pd.DataFrame, *, origin: str) -> pd.DataFrame:
    """Return bars with the types of the market_data table.

    Conversions that lose nothing are made: whole-number instruments become text, integers
    and decimals become float64, datetimes become microseconds.

    Parameters
    ----------
    frame : DataFrame of shape (n_rows, n_columns)
        Columns instrument, datetime, close and any of open, high, low, volume,
        adjusted_close, vwap; others are left out.
    origin : str
        What messages call the data.

    Returns
    -------
    DataFrame of shape (n_rows, n_bar_columns)
        instrument str, datetime datetime64[us], numbers float64, on a fresh RangeIndex.

    Raises
    ------
    MarketDataError
        If a column is missing, twice there or of a wrong type, or an instrument or date
        is empty.
    """
    names = list(frame.columns)
    for name in REQUIRED_COLUMNS:
        if name not in names:
            raise MarketDataError(
                f"{origin}: no column {name!r} among {', '.join(map(str, names)) or 'none'}; bars "
                f"need instrument, datetime and close"
            )
    for name in BAR_COLUMNS:
        if names.count(name) > 1:
            raise MarketDataError(f"{origin}: column {name!r} is there more than once; keep one")
    converted: dict[str, pd.Series] = {
        "instrument": _instruments(frame["instrument"], origin),
        "datetime": _datetimes(frame["datetime"], origin),
    }
    for name in BAR_COLUMNS[2:]:
        if name in names:
            converted[name] = _numbers(frame[name], origin)
    arrays = {name: column.reset_index(drop=True) for name, column in converted.items()}
    return pd.DataFrame(arrays, copy=False)


def _instruments(column: pd.Series, origin: str) -> pd.Series:
    missing = column.isna()
    if isinstance(column.dtype, pd.CategoricalDtype):
        column = column.astype(column.cat.categories.dtype)
    if is_integer_dtype(column.dtype):
        column = column.astype("str")
    elif infer_dtype(column, skipna=True) not in ("string", "empty"):
        raise MarketDataError(
            f"{origin}: column 'instrument' holds {column.dtype}, not text; write names as text"
        )
    text = column.astype("str")
    empty = (missing | (text.str.strip() == "")).to_numpy(dtype=bool)
    if empty.any():
        raise MarketDataError(
            f"{origin}: column 'instrument' is empty in data row {_first(empty)}; name the "
            f"instrument or remove the row"
        )
    return text


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
            f"{origin}: column 'datetime' is empty in data row {_first(missing)}; date the row or "
            f"remove it"
        )
    dates: pd.Series = column.dt.as_unit("us")
    return dates


def _numbers(column: pd.Series, origin: str) -> pd.Series:
    kind = column.dtype
    if kind == np.float64:
        return column
    is_number = is_integer_dtype(kind) or is_float_dtype(kind)
    if is_object_dtype(kind):
        is_number = infer_dtype(column, skipna=True) in _NUMBERS_IN_OBJECTS
    if not is_number:
        raise MarketDataError(f"{origin}: {_not_a_number(column)}; store it as numbers")
    values = column.to_numpy(dtype=np.float64, na_value=np.nan)
    return pd.Series(values, index=column.index, name=column.name)


def _not_a_number(column: pd.Series) -> str:
    offending = column.notna().to_numpy(dtype=bool)
    if is_object_dtype(column.dtype):
        offending = offending & np.array(
            [not isinstance(value, Number) for value in column], dtype=bool
        )
    if not offending.any():
        return f"column {column.name!r} holds {column.dtype}, not numbers"
    row = _first(offending)
    value = column.astype(object).iloc[row - 1]
    return (
        f"column {column.name!r}, data row {row}: {value!r} is {type(value).__name__}, not a number"
    )


def _first(mask: NDArray[np.bool_]) -> int:
    return int(np.flatnonzero(mask)[0]) + 1
