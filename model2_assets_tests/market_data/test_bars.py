from decimal import Decimal

import numpy as np
import pandas as pd
import pytest

from model2_assets.errors import MarketDataError
from model2_assets.market_data import validate_panel
from model2_assets_tests.market_data.small_bars import DAY, bars


@pytest.mark.parametrize("column", ["instrument", "datetime", "close"])
def test_missing_column_is_refused(column):
    with pytest.raises(MarketDataError, match=f"no column '{column}'"):
        validate_panel(bars().drop(columns=column))


def test_wrong_types_are_refused():
    cases = {
        "'close', data row 1: '11' is str": bars(close="11"),
        "'volume', data row 1: True is": bars(volume=True),
        "'close', data row 2: 'x' is str": bars(
            close=pd.Series([1.0, "x", 3, 4, 5, 6], dtype=object)
        ),
        "'instrument' holds float64": bars(instrument=1.5),
        "'datetime' holds str": bars(datetime="2024-01-02"),
        "'datetime' holds int64": bars(datetime=20240102),
        "time zone": bars(datetime=pd.date_range(DAY, periods=6, tz="America/New_York")),
        "'in_universe' holds": bars(in_universe=1),
    }
    for message, frame in cases.items():
        with pytest.raises(MarketDataError, match=message):
            validate_panel(frame, origin="prices.parquet")


def test_lossless_types_are_converted():
    frame = bars(
        instrument=pd.Categorical([7, 7, 7, 12, 12, 12]),
        volume=pd.array([1, 2, None, 4, 5, 6], dtype="Int64"),
        close=np.float32(1.5),
        open=None,
    )
    frame["datetime"] = frame["datetime"].astype("datetime64[s]")
    panel, counts = validate_panel(frame)
    assert panel.index.levels[0].tolist() == ["12", "7"]
    assert counts["missing_volume"] == 1
    assert counts["missing_open"] == 6
    assert (panel["close"] == 1.5).all()


@pytest.mark.parametrize("name", ["", "  ", None, np.nan])
def test_empty_instrument_is_refused_with_its_row(name):
    frame = bars()
    frame.loc[3, "instrument"] = name
    with pytest.raises(MarketDataError, match="'instrument' is empty in data row 4"):
        validate_panel(frame)


def test_empty_date_is_refused_with_its_row():
    frame = bars()
    frame.loc[1, "datetime"] = pd.NaT
    with pytest.raises(MarketDataError, match="'datetime' is empty in data row 2"):
        validate_panel(frame)


def test_column_given_twice_is_refused():
    frame = bars()
    with pytest.raises(MarketDataError, match="'close' is there more than once"):
        validate_panel(pd.concat([frame, frame[["close"]]], axis=1))


def test_columns_that_are_not_ours_are_left_out():
    assert "sector" not in validate_panel(bars(sector="tech"))[0]


@pytest.mark.parametrize("column", ["instrument", "datetime", "close"])
def test_a_decimal_that_may_not_be_looked_at_is_refused(column):
    frame = bars()
    frame[column] = np.array([Decimal("sNaN")] * len(frame), dtype=object)
    with pytest.raises(MarketDataError, match=f"panel: column '{column}' holds"):
        validate_panel(frame)
