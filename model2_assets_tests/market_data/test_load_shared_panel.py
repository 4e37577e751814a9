from pathlib import Path

import pytest

from model2_assets.config import MarketDataConfig
from model2_assets.labels import build_labels_from_config
from model2_assets.market_data import load_market_data

PATH = Path(__file__).parents[3] / "shared" / "data" / "sp500_ohlcv_2013_2018.parquet"

pytestmark = [
    pytest.mark.shared_data,
    pytest.mark.skipif(not PATH.is_file(), reason=f"the shared panel is not at {PATH}"),
]


@pytest.fixture(scope="module")
def data():
    return load_market_data(MarketDataConfig(source="parquet", path=str(PATH)))


def test_dirt_of_the_real_panel_is_counted_exactly(data):
    assert data.counts == {
        "rows": 619_040,
        "instruments": 505,
        "dates": 1259,
        "missing_open": 11,
        "missing_high": 8,
        "missing_low": 8,
        "missing_volume": 0,
        "high_below_low": 1,
        "zero_volume": 4,
        "close_outside_range": 8,
        "open_outside_range": 3,
        "rows_without_close_dropped": 0,
        "duplicate_rows_dropped": 0,
        "times_floored": 0,
        "large_moves": 0,
        "short_instruments": 1,
        "instruments_spelled_alike": 0,
        "new_histories": 0,
        "frozen_instruments": 0,
        "mixed_adjustments": 0,
        "same_bars": 0,
    }


def test_range_of_the_inverted_row_is_missing_afterwards(data):
    assert data.panel["high"].isna().sum() == 9
    assert data.panel["low"].isna().sum() == 9
    assert data.panel["close"].notna().all()


def test_labels_of_the_real_panel_account_for_every_row(data):
    labels = build_labels_from_config(data.panel, {})
    counts = labels.attrs["counts"]
    assert len(labels) == counts["rows"] == 619_040
    for horizon in (21, 63):
        parts = ("labelled_rows", "too_recent_rows", "long_gap_rows")
        assert sum(counts[f"{part}_{horizon}d"] for part in parts) == 619_040
        label, end = labels[f"label_{horizon}d"], labels[f"label_end_{horizon}d"]
        assert (label.isna() == end.isna()).all()
        assert label.count() == counts[f"labelled_rows_{horizon}d"]
        assert counts[f"too_recent_rows_{horizon}d"] == 505 * (horizon + 1) - max(0, horizon - 43)
        assert (end.dropna() > labels.index.get_level_values("datetime")[end.notna()]).all()
