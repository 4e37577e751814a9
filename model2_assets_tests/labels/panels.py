"""Small panels of bars by hand, and settings that leave returns as they are."""

import pandas as pd

from model2_assets.panel import panel_index

DATES = pd.bdate_range("2024-01-01", periods=40).as_unit("us")


def panel_of(closes, **columns):
    """Bars out of {instrument: {date number: close}}."""
    rows = [(name, DATES[day]) for name, path in closes.items() for day in path]
    values = [close for path in closes.values() for close in path.values()]
    index = panel_index([name for name, _ in rows], [date for _, date in rows])
    frame = pd.DataFrame({"close": values, **columns}, index=index, dtype="float64")
    return frame.sort_index(level=["datetime", "instrument"])


def plain(**changes):
    settings = {"execution_lag_days": 0, "excess": False, "winsorize": 0.0, "min_names": 1}
    return settings | changes


def at(labels, column, instrument, day):
    return labels.loc[(instrument, DATES[day]), column]
