"""Parquet files of other writers."""

import datetime as dt
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa

from model2_assets_tests.bad_inputs.bars import DAYS, GOOD, table
from model2_assets_tests.bad_inputs.case import (
    Case,
    Content,
    Handled,
    Refused,
    as_bytes,
    region_config,
)

_PATH = "{folder}/bars.parquet"
_NUMBERS = "store it as numbers"
_DATES = "not dates; store it as timezone-naive dates"


def _case(
    identifier: str,
    planted: str,
    content: Content,
    outcome: Refused | Handled,
    **market_data: Any,
) -> Case:
    return Case(
        id=f"parquet-{identifier}",
        planted=planted,
        enters="Parquet file",
        files={"bars.parquet": content},
        config=region_config({"source": "parquet", "path": _PATH, **market_data}),
        outcome=outcome,
    )


def _ten(value: Any, kind: pa.DataType | None = None) -> pa.Array:
    return pa.array([value] * 10, kind)


def _wrong(identifier: str, planted: str, message: str, **columns: pa.Array) -> Case:
    return _case(identifier, planted, table(**columns), Refused(f"{_PATH}: {message}"))


def _good(identifier: str, planted: str, counts: dict[str, int], **columns: pa.Array) -> Case:
    return _case(identifier, planted, table(**columns), Handled({"rows": 10, **counts}))


_WHOLE = as_bytes(table())
_NO_MAGIC = (
    "cannot be read as Parquet (Parquet magic bytes not found in footer. Either the file is "
    "corrupted or this is not a parquet file.); correct the path or write the file again"
)
_ALL_DAYS = [day for day in DAYS for _ in range(2)]

CASES = (
    _case(
        "empty",
        "no byte",
        b"",
        Refused(f"{_PATH}: is empty; write the file again"),
    ),
    _case("csv", "a CSV file", GOOD, Refused(f"{_PATH}: {_NO_MAGIC}")),
    _case("truncated", "the end is missing", _WHOLE[:-20], Refused(f"{_PATH}: {_NO_MAGIC}")),
    _case(
        "no-rows",
        "no row",
        table().slice(0, 0),
        Refused(f"{_PATH}: has columns but no row; write the file again"),
    ),
    _case(
        "no-close",
        "no close",
        table(close=None),
        Refused(
            f"{_PATH}: no column 'close'; the file has: instrument, datetime. Say under "
            "market_data which one it is, such as `columns: {close: <its name in the file>}`"
        ),
    ),
    _case(
        "nested-column",
        "a close inside a struct",
        table(close=None, bar=_ten({"close": 1.0})),
        Refused(
            f"{_PATH}: no column 'bar.close', which market_data.columns gives for 'close'; the "
            f"file has: instrument, datetime, bar"
        ),
        columns={"close": "bar.close"},
    ),
    _wrong(
        "text-price",
        "prices as text",
        f"column 'close', data row 1: '1' is str, not a number; {_NUMBERS}",
        close=_ten("1"),
    ),
    _wrong(
        "truth-price",
        "truth values for prices",
        f"column 'close', data row 1: True is bool, not a number; {_NUMBERS}",
        close=_ten(True),
    ),
    _wrong(
        "list-price",
        "lists for prices",
        f"column 'close', data row 1: array([1.]) is ndarray, not a number; {_NUMBERS}",
        close=_ten([1.0]),
    ),
    _wrong(
        "bytes-price",
        "bytes for prices",
        f"column 'close', data row 1: b'1' is bytes, not a number; {_NUMBERS}",
        close=_ten(b"1"),
    ),
    _wrong(
        "time-price",
        "timestamps for prices",
        f"column 'close', data row 1: Timestamp('2024-01-02 00:00:00') is Timestamp, not a "
        f"number; {_NUMBERS}",
        close=pa.array(_ALL_DAYS, pa.timestamp("us")),
    ),
    _wrong(
        "null-price",
        "no price at all",
        "none of 10 rows has a close; give at least one bar with a price",
        close=pa.nulls(10),
    ),
    _good(
        "decimal-price",
        "decimals for prices",
        {},
        close=pa.array([Decimal(f"1{at}.5") for at in range(10)]),
    ),
    _good(
        "nullable-integer-price",
        "whole numbers, some missing",
        {"rows": 8, "rows_without_close_dropped": 2},
        close=pa.array([None, None, 11, 19, 12, 21, 13, 20, 12, 22]),
    ),
    _good(
        "category-price",
        "dictionary-encoded prices",
        {},
        close=table()["close"].combine_chunks().dictionary_encode(),
    ),
    _wrong(
        "huge-integer-price",
        "the largest unsigned number for a missing price",
        "column 'close' is 1.84467e+19 for A on 2024-01-02; it must be positive, from 1e-09 to "
        "1e+12: correct the value, or leave it empty if it is not known",
        close=pa.array([2**64 - 1] + [20] * 9, pa.uint64()),
    ),
    _wrong(
        "float-max-price",
        "the largest float32 for a missing price",
        "column 'close' is 3.40282e+38 for A on 2024-01-02; it must be positive, from 1e-09 to "
        "1e+12: correct the value, or leave it empty if it is not known",
        close=pa.array(np.array([3.4028235e38] + [20.0] * 9, dtype=np.float32)),
    ),
    _wrong(
        "aware",
        "a time zone",
        "column 'datetime' carries the time zone America/New_York; store the session date of the "
        "market without a time zone",
        datetime=pa.array(_ALL_DAYS, pa.timestamp("us", "America/New_York")),
    ),
    _wrong(
        "mixed-zones",
        "text dates, of which one has an offset",
        "column 'datetime', data row 10: '2024-01-08T00:00:00+01:00' is not a date in ISO format "
        "without time zone; write dates as 2024-01-31, or name their form under market_data: "
        "`date_format: '%d.%m.%Y'`",
        datetime=pa.array(
            [f"{day:%Y-%m-%d}" for day in _ALL_DAYS[:-1]] + ["2024-01-08T00:00:00+01:00"]
        ),
    ),
    _good(
        "integer-dates",
        "dates as whole numbers",
        {"dates": 5},
        datetime=pa.array([int(f"{day:%Y%m%d}") for day in _ALL_DAYS]),
    ),
    _wrong(
        "float-dates",
        "dates as serial numbers",
        f"column 'datetime' holds float64, {_DATES}",
        datetime=_ten(45293.0),
    ),
    _wrong(
        "missing-date",
        "a missing date",
        "column 'datetime' is empty in data row 10; date the row or remove it",
        datetime=pa.array([*_ALL_DAYS[:-1], None], pa.timestamp("us")),
    ),
    _wrong(
        "far-date",
        "a date beyond timestamps",
        "cannot be read as Parquet (Casting from date32[day] to timestamp[us] would result in out "
        "of bounds timestamp: 2147483647); correct the path or write the file again",
        datetime=_ten(2**31 - 1, pa.int32()).cast(pa.date32()),
    ),
    _wrong(
        "before-1800",
        "the first timestamp of nanoseconds",
        "column 'datetime', data row 1: 1677-09-21 00:12:43.145224193 is before 1800 or after "
        "2261; correct the date, or remove the row",
        datetime=_ten(-(2**63) + 1, pa.int64()).cast(pa.timestamp("ns")),
    ),
    _good(
        "calendar-dates",
        "calendar dates",
        {"times_floored": 0},
        datetime=pa.array([day.date() for day in _ALL_DAYS]),
    ),
    _good(
        "integer-names",
        "whole numbers for names",
        {"instruments": 2},
        instrument=pa.array([10, 20] * 5),
    ),
    _wrong(
        "integer-name-missing",
        "whole numbers for names, one missing",
        "column 'instrument' is empty in data row 10; name the instrument or remove the row",
        instrument=pa.array([10, 20] * 4 + [10, None]),
    ),
    _wrong(
        "float-names",
        "fractions for names",
        "column 'instrument' holds float64, not text; write names as text",
        instrument=pa.array([10.5, 20.5] * 5),
    ),
    _wrong(
        "truth-names",
        "truth values for names",
        "column 'instrument' holds bool, not text; write names as text",
        instrument=pa.array([True, False] * 5),
    ),
    _wrong(
        "bytes-names",
        "bytes for names",
        "column 'instrument' holds object, not text; write names as text",
        instrument=pa.array([b"A", b"B"] * 5),
    ),
    _good(
        "words-as-names",
        "names NaN and TRUE",
        {"instruments": 2},
        instrument=pa.array(["NaN", "TRUE"] * 5),
    ),
    _wrong(
        "time-of-day-dates",
        "times of day for dates",
        f"column 'datetime' holds object, {_DATES}",
        datetime=_ten(dt.time(16)),
    ),
    _wrong(
        "two-value-currencies",
        "numbers for currencies",
        "column 'currency' holds int64, not text; write codes such as USD",
        currency=_ten(840),
    ),
)
