import numpy as np
import pandas as pd
import pytest

from model2_assets.features import build_features_from_config
from model2_assets_tests.features.sample_panels import random_panel, same_bits


@pytest.fixture(scope="module")
def panel():
    panel = random_panel(7, 150, seed=11, missing=0.05, gaps=0.03)
    names = panel.index.get_level_values("instrument")
    dates = panel.index.get_level_values("datetime")
    absent = ((names == "S001") & (dates < "2019-02-20")) | (
        (names == "S002") & (dates > "2019-06-01")
    )
    panel = panel[~absent].copy()
    names = panel.index.get_level_values("instrument")
    dates = panel.index.get_level_values("datetime")
    panel["in_universe"] = ~((names == "S003") & (dates < "2019-05-15"))
    panel["volume"] = panel["volume"].mask((names == "S004") & (dates < "2019-07-01"))
    return panel


@pytest.mark.parametrize("normalization", ["none", "rank", "zscore"])
def test_cutting_history_leaves_earlier_rows_equal_to_the_bit(panel, normalization):
    config = {"normalization": normalization, "min_history_bars": 20}
    full = build_features_from_config(panel, config)
    dates = panel.index.get_level_values("datetime")
    row_dates = full.index.get_level_values("datetime")
    for cut in np.unique(row_dates)[[0, 1, 17, 60, -2]]:
        known = build_features_from_config(panel[dates <= cut], config)
        assert known.index.get_level_values("datetime").max() == cut
        assert same_bits(known, full[row_dates <= cut])


def test_the_future_can_be_anything(panel):
    config = {"normalization": "rank", "min_history_bars": 20}
    dates = panel.index.get_level_values("datetime")
    cut = pd.Timestamp("2019-05-01")
    other = panel.copy()
    later = dates > cut
    other.loc[later, ["open", "high", "low", "close", "vwap"]] *= 1e3
    other.loc[later, "volume"] = 0.0
    left, right = (build_features_from_config(frame, config) for frame in (panel, other))
    up_to_cut = left.index.get_level_values("datetime") <= cut
    assert same_bits(left[up_to_cut], right[up_to_cut])
    assert not same_bits(left, right)


def test_todays_bar_is_used(panel):
    config = {"normalization": "none", "min_history_bars": 20}
    other = panel.copy()
    other.iloc[-1, :6] *= 1.5
    left, right = (build_features_from_config(frame, config) for frame in (panel, other))
    assert same_bits(left.iloc[:-1], right.iloc[:-1])
    changed = left.iloc[-1].ne(right.iloc[-1])
    assert changed[["ROC5", "MA60", "STD20", "VMA30"]].all()
