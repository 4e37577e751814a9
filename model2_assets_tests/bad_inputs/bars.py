"""Good bars, into which cases plant what is bad."""

import datetime as dt

import pandas as pd
import pyarrow as pa

from model2_assets.market_data import synthetic_panel

HEADER = "instrument,datetime,close\n"

ROWS = "".join(
    f"{name},2024-01-{day:02d},{price + day}\n"
    for day in (2, 3, 4, 5, 8)
    for name, price in (("A", 10), ("B", 20), ("C", 30))
).replace("B,2024-01-04,24\n", "B,2024-01-04,25\n")
"""Three instruments on five dates; fifteen data rows."""

GOOD = HEADER + ROWS

DAYS = [dt.datetime(2024, 1, day) for day in (2, 3, 4, 5, 8)]


def table(**columns: pa.Array | None) -> pa.Table:
    """Return two instruments on five dates, with other columns where given, or none."""
    base = {
        "instrument": pa.array(["A", "B"] * 5),
        "datetime": pa.array([day for day in DAYS for _ in range(2)], pa.timestamp("us")),
        "close": pa.array([10.0, 20.0, 11.0, 19.0, 12.0, 21.0, 13.0, 20.0, 12.5, 22.0]),
    }
    return pa.table({name: one for name, one in {**base, **columns}.items() if one is not None})


def market(n_instruments: int = 8, n_dates: int = 300) -> pd.DataFrame:
    """Return open, high, low, close and volume of a market that trains."""
    return synthetic_panel(n_instruments=n_instruments, n_dates=n_dates, seed=1, start="2018-01-02")
