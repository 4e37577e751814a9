"""A small market in files, read back, and bars by hand into which tests plant what is bad."""

import numpy as np
import pandas as pd
import pytest

from model2_assets.config import MarketDataConfig
from model2_assets.errors import MarketDataError
from model2_assets.market_data import load_market_data, synthetic_panel, validate_panel

BARS = synthetic_panel(n_instruments=4, n_dates=70, missing_days=0.05, late_listings=0.5, seed=3)
PANEL, _ = validate_panel(BARS)

DAY = pd.Timestamp("2024-01-02")


def load(source, path, **settings):
    return load_market_data(MarketDataConfig(source=source, path=str(path), **settings))


def write(tmp_path, text, name="bars.csv"):
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return path


def assert_refused(message, source, path, **settings):
    with pytest.raises(MarketDataError, match=message):
        load(source, path, **settings)


def bars(n_days=3, instruments=("A", "B"), **columns):
    dates = pd.bdate_range(DAY, periods=n_days)
    frame = pd.DataFrame(
        {
            "instrument": np.repeat(instruments, n_days),
            "datetime": np.tile(dates, len(instruments)),
            "open": 10.0,
            "high": 12.0,
            "low": 9.0,
            "close": 11.0,
            "volume": 100.0,
        }
    )
    return frame.assign(**columns)


def with_value(column, row, value):
    frame = bars()
    frame[column] = frame[column].astype("float64")
    frame.loc[row, column] = value
    return frame
