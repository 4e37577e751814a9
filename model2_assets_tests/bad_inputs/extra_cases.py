"""Files of features of one's own that cannot be joined."""

from typing import Any

import pandas as pd
import pyarrow as pa

from model2_assets_tests.bad_inputs.bars import GOOD
from model2_assets_tests.bad_inputs.case import Case, Content, Refused, region_config

_OWN = "instrument,datetime,available_at,pe\n"
_UTC = pa.timestamp("us", tz="UTC")


def _case(
    identifier: str, planted: str, content: Content, message: str, columns: Any = None, **entry: Any
) -> Case:
    name = "own.csv" if isinstance(content, str) else "own.parquet"
    given = {"path": f"{{folder}}/{name}", "columns": columns or ["pe"], **entry}
    return Case(
        id=f"extra-{identifier}",
        planted=planted,
        enters="features.extra",
        files={"bars.csv": GOOD, name: content},
        config=region_config(
            {"source": "csv", "path": "{folder}/bars.csv"},
            features={"min_history_bars": 0, "extra": [given]},
        ),
        outcome=Refused(message.replace("FILE", f"{{folder}}/{name}")),
        until="features",
    )


CASES = (
    _case(
        "name-taken",
        "the name of a feature of the set",
        f"{_OWN}A,2024-01-02,2024-01-02,1\n",
        "features.extra.0: the set has a feature 'MA5' already; name yours otherwise, such as "
        "`columns: {my_MA5: pe}`",
        columns={"MA5": "pe"},
    ),
    _case(
        "column-missing",
        "no column of that name",
        f"{_OWN}A,2024-01-02,2024-01-02,1\n",
        "FILE: no column 'PE', which features.extra.0.columns gives for 'pe'; the file has: "
        "instrument, datetime, available_at, pe",
        columns={"pe": "PE"},
    ),
    _case(
        "text",
        "text where a number belongs",
        f"{_OWN}A,2024-01-02,2024-01-02,1\nA,2024-01-03,2024-01-03,high\n",
        "FILE: column 'pe', data row 2: 'high' is text, not a number; write numbers such as 1234.5",
    ),
    _case(
        "known-before",
        "a value that is known before its own date",
        f"{_OWN}A,2024-01-02,2024-01-03,1\nB,2024-01-03,2024-01-02 12:00,1\n",
        "FILE: column 'available_at', data row 2: 2024-01-02 12:00:00 is before its own date; "
        "correct available_at, or date the row when it became known",
    ),
    _case(
        "known-never",
        "a value that is known at no time",
        f"{_OWN}A,2024-01-02,2024-01-03,1\nB,2024-01-03,,1\n",
        "FILE: column 'available_at' is empty in data row 2; date the row or remove it",
    ),
    _case(
        "dates-with-zone",
        "dates that carry a time zone",
        pa.table(
            {
                "instrument": ["A"],
                "datetime": pa.array([pd.Timestamp("2024-01-02")], pa.timestamp("us")),
                "available_at": pa.array([pd.Timestamp("2024-01-03")], _UTC),
                "pe": [1.0],
            }
        ),
        "FILE: column 'available_at' carries the time zone UTC but no time of day; store dates "
        "without time zone, or moments",
    ),
    _case(
        "time-of-day",
        "a time of day, and nothing that says when it is known",
        "instrument,datetime,pe\nA,2024-01-02 18:00,1\n",
        "FILE: column 'datetime', data row 1: 2024-01-02 18:00:00 has a time of day; write the "
        "session date, and the moment as available_at",
    ),
    _case(
        "two-values",
        "two values of a date",
        "instrument,datetime,pe\nA,2024-01-02,1\nB,2024-01-02,2\nA,2024-01-02,3\n",
        "FILE: two rows of A on 2024-01-02 differ; keep one, or say by available_at when each "
        "became known",
    ),
    _case(
        "age-without-moment",
        "a largest age, and nothing that says when it is known",
        "instrument,datetime,pe\nA,2024-01-02,1\n",
        "FILE: has no column 'available_at', so a value counts on its own date alone; name the "
        "column by features.extra.0.columns, or remove max_age_days",
        max_age_days=30,
    ),
    _case(
        "infinite",
        "an infinite value",
        f"{_OWN}A,2024-01-02,2024-01-02,inf\n",
        "FILE: column 'pe', data row 1: inf is too large for a float32; correct the value, or "
        "leave it empty",
    ),
    _case(
        "other-names",
        "instruments of other names",
        f"{_OWN}A US,2024-01-02,2024-01-02,1\n",
        "features.extra.0: 'pe' has no value on any date of the features: its file has A US to "
        "A US, 2024-01-02 to 2024-01-02, the market data A to C, 2024-01-02 to 2024-01-08; give "
        "both the same names and dates, or raise max_age_days",
    ),
    _case(
        "too-old",
        "values older than max_age_days",
        f"{_OWN}A,2022-01-03,2022-01-03,1\n",
        "features.extra.0: 'pe' has no value on any date of the features: its file has A to A, "
        "2022-01-03 to 2022-01-03, the market data A to C, 2024-01-02 to 2024-01-08; give both "
        "the same names and dates, or raise max_age_days",
    ),
    _case(
        "no-file",
        "no file",
        "",
        "FILE.gz: no such file; correct path in features.extra (a relative path starts at the "
        "working directory)",
        path="{folder}/own.csv.gz",
    ),
)
