import logging

import numpy as np
import pandas as pd
import pytest

from model2_assets.config import FeaturesConfig
from model2_assets.errors import ConfigError, FeatureError
from model2_assets.features import build_features_from_config
from model2_assets.market_data import synthetic_panel, validate_panel
from model2_assets.panel import is_canonical, to_canonical
from model2_assets_tests.features.sample_panels import (
    one_instrument,
    random_panel,
    raw_features,
    same_bits,
)


@pytest.fixture(scope="module")
def panel():
    return random_panel(20, 90, seed=21, missing=0.03, gaps=0.04)


@pytest.mark.parametrize("normalization", ["none", "rank", "zscore"])
def test_row_order_and_index_level_order_of_the_input_do_not_matter(panel, normalization):
    config = {"normalization": normalization}
    ordered = build_features_from_config(panel, config)
    assert is_canonical(ordered.index)
    shuffled = build_features_from_config(panel.sample(frac=1.0, random_state=1), config)
    by_instrument = build_features_from_config(panel.sort_index(), config)
    assert same_bits(shuffled, ordered)
    assert same_bits(by_instrument, ordered)


@pytest.mark.parametrize("normalization", ["rank", "zscore"])
def test_thread_count_does_not_change_a_bit(panel, normalization):
    config = {"normalization": normalization, "min_history_bars": 5}
    one, three = (build_features_from_config(panel, config, n_threads=n) for n in (1, 3))
    assert same_bits(one, three)


def test_input_is_left_untouched(panel):
    before = panel.copy(deep=True)
    build_features_from_config(panel, {})
    pd.testing.assert_frame_equal(panel, before)


def test_table_is_float32_over_one_block_with_canonical_index(panel):
    features = build_features_from_config(panel, FeaturesConfig())
    assert set(features.dtypes) == {np.dtype("float32")}
    assert features.index.names == ["instrument", "datetime"]
    assert features.index.levels[0].dtype == panel.index.levels[0].dtype
    assert features.index.levels[1].dtype == np.dtype("datetime64[us]")
    assert features.to_numpy().flags.c_contiguous
    assert np.may_share_memory(features["KMID"].to_numpy(), features["VSUMD60"].to_numpy())


@pytest.mark.parametrize("min_history_bars", [0, 1, 7, 60])
def test_a_row_needs_that_many_earlier_own_bars(min_history_bars):
    panel = random_panel(3, 70, seed=2, gaps=0.05)
    features = raw_features(panel[["close"]], min_history_bars=min_history_bars)
    for name, bars in panel.groupby(level="instrument"):
        own = features.xs(name, level="instrument", drop_level=False)
        assert own.index.equals(bars.index[min_history_bars:])
    lacking = features.attrs["counts"]["too_little_history"]
    assert lacking == 3 * min_history_bars == len(panel) - len(features)


def test_outsiders_feed_windows_but_are_in_no_row_and_no_cross_section(panel):
    names = panel.index.get_level_values("instrument")
    dates = panel.index.get_level_values("datetime")
    never = names == "S000"
    early = (names == "S001") & (dates < "2019-04-20")
    universe = panel.copy()
    universe["in_universe"] = ~(never | early)
    features = build_features_from_config(universe, {"normalization": "none"})
    everyone = build_features_from_config(panel, {"normalization": "none"})
    inside = universe["in_universe"].reindex(everyone.index).to_numpy()
    assert same_bits(features, everyone[inside])
    joined = features.xs("S001", level="instrument")
    assert joined.index.min() >= pd.Timestamp("2019-04-20")
    assert joined["ROC60"].notna().any()

    ranks = build_features_from_config(universe, {"normalization": "rank"})
    noisy = universe.copy()
    noisy.loc[never, ["open", "high", "low", "close", "vwap"]] *= 7.0
    assert same_bits(ranks, build_features_from_config(noisy, {"normalization": "rank"}))
    counts = ranks.attrs["counts"]
    assert counts["outside_universe"] == int((never | early).sum())
    assert counts["rows"] == len(ranks)
    assert counts["bars"] == len(panel)
    assert counts["bars"] == sum(
        counts[key] for key in ("rows", "outside_universe", "too_little_history")
    )


def test_panel_without_universe_column_is_all_inside(panel):
    config = {"normalization": "rank"}
    assert same_bits(
        build_features_from_config(panel.drop(columns="in_universe"), config),
        build_features_from_config(panel, config),
    )


def test_what_is_left_out_is_logged_and_attached(caplog):
    with caplog.at_level(logging.INFO, logger="model2_assets.features"):
        features = raw_features(random_panel(1, 70)[["close", "volume"]])
    assert len(features.attrs["left_out"]) == 158 - 115
    assert features.attrs["left_out"]["KMID"] == ["open"]
    assert features.attrs["left_out"]["RSV20"] == ["high", "low"]
    assert features.attrs["counts"]["features"] == 115
    messages = [record.getMessage() for record in caplog.records]
    assert messages == ["115 of the 158 Alpha158 features; missing columns: high, low, open, vwap"]


def test_missing_values_are_counted():
    panel = one_instrument({"close": [1.0, 2.0, np.nan, 3.0]})
    features = raw_features(panel)
    assert features.attrs["counts"]["missing_values"] == int(features.isna().sum().sum()) > 0


def test_instruments_share_no_window():
    alone = raw_features(one_instrument({"close": np.arange(1.0, 80.0)}))
    both = raw_features(
        pd.concat(
            [
                one_instrument({"close": np.arange(1.0, 80.0)}),
                one_instrument({"close": np.full(79, 1e9)}, name="B"),
            ]
        )
    )
    assert same_bits(both[both.index.get_level_values("instrument") == "A"], alone)


def test_bars_behind_a_delisting_return_share_no_window_with_those_before():
    bars = synthetic_panel(n_instruments=3, n_dates=200, seed=4)
    panel, _ = validate_panel(bars)
    day = panel.index.get_level_values("datetime").factorize()[0]
    is_first = (panel.index.get_level_values("instrument") == "S001") & (day <= 120)
    panel["delisting_return"] = np.where(is_first & (day == 120), -0.3, np.nan)
    renamed = panel.drop(columns="delisting_return").reset_index()
    renamed.loc[is_first, "instrument"] = "S001 before"
    renamed = to_canonical(renamed.set_index(["instrument", "datetime"]))

    found, other = (build_features_from_config(frame, {}) for frame in (panel, renamed))

    other = other.rename(index={"S001 before": "S001"}, level="instrument")
    assert len(found) == 3 * 140 - 60
    pd.testing.assert_frame_equal(found, other.reindex(found.index), check_exact=True)


def test_integers_and_nullable_columns_are_welcome(panel):
    typed = panel.assign(
        volume=panel["volume"].astype("Int64"), high=panel["high"].astype("Float64")
    )
    assert same_bits(raw_features(typed), raw_features(panel))


def test_refuses_a_panel_without_closes(panel):
    with pytest.raises(FeatureError, match="no column 'close'"):
        build_features_from_config(panel[["open"]], {})


def test_refuses_text_for_prices(panel):
    with pytest.raises(FeatureError, match="column 'high'"):
        build_features_from_config(panel.assign(high=panel["high"].astype(str)), {})


def test_refuses_repeated_rows_by_name(panel):
    with pytest.raises(FeatureError, match=r"S000 on 2019-01-01 more than once"):
        build_features_from_config(pd.concat([panel, panel.iloc[[0]]]), {})


def test_refuses_another_index(panel):
    with pytest.raises(FeatureError, match="set its index"):
        build_features_from_config(panel.reset_index(), {})


def test_refuses_a_history_that_is_too_short_and_says_how_long_it_is():
    with pytest.raises(FeatureError, match=r"has 29 earlier bars .* is 60; give a longer"):
        build_features_from_config(one_instrument({"close": np.ones(30)}), {})


def test_refuses_an_empty_universe(panel):
    with pytest.raises(FeatureError, match="its 0 rows in the universe"):
        build_features_from_config(panel.assign(in_universe=False), {})


@pytest.mark.parametrize(
    ("config", "key"),
    [({"normalization": "percentile"}, "features: normalization"), ({"sett": 1}, "features: sett")],
)
def test_refuses_an_unknown_setting_by_its_key(panel, config, key):
    with pytest.raises(ConfigError, match=key):
        build_features_from_config(panel, config)


@pytest.fixture(scope="module")
def ragged():
    ragged = random_panel(7, 150, seed=11, missing=0.05, gaps=0.03)
    names = ragged.index.get_level_values("instrument")
    dates = ragged.index.get_level_values("datetime")
    absent = ((names == "S001") & (dates < "2019-02-20")) | (
        (names == "S002") & (dates > "2019-06-01")
    )
    ragged = ragged[~absent].copy()
    names = ragged.index.get_level_values("instrument")
    dates = ragged.index.get_level_values("datetime")
    ragged["in_universe"] = ~((names == "S003") & (dates < "2019-05-15"))
    ragged["volume"] = ragged["volume"].mask((names == "S004") & (dates < "2019-07-01"))
    return ragged


@pytest.mark.parametrize("normalization", ["none", "rank", "zscore"])
def test_cutting_history_leaves_earlier_rows_equal_to_the_bit(ragged, normalization):
    config = {"normalization": normalization, "min_history_bars": 20}
    full = build_features_from_config(ragged, config)
    dates = ragged.index.get_level_values("datetime")
    row_dates = full.index.get_level_values("datetime")
    for cut in np.unique(row_dates)[[0, 1, 17, 60, -2]]:
        known = build_features_from_config(ragged[dates <= cut], config)
        assert known.index.get_level_values("datetime").max() == cut
        assert same_bits(known, full[row_dates <= cut])


def test_the_future_can_be_anything(ragged):
    config = {"normalization": "rank", "min_history_bars": 20}
    dates = ragged.index.get_level_values("datetime")
    cut = pd.Timestamp("2019-05-01")
    other = ragged.copy()
    later = dates > cut
    other.loc[later, ["open", "high", "low", "close", "vwap"]] *= 1e3
    other.loc[later, "volume"] = 0.0
    left, right = (build_features_from_config(frame, config) for frame in (ragged, other))
    up_to_cut = left.index.get_level_values("datetime") <= cut
    assert same_bits(left[up_to_cut], right[up_to_cut])
    assert not same_bits(left, right)


def test_todays_bar_is_used(ragged):
    config = {"normalization": "none", "min_history_bars": 20}
    other = ragged.copy()
    other.iloc[-1, :6] *= 1.5
    left, right = (build_features_from_config(frame, config) for frame in (ragged, other))
    assert same_bits(left.iloc[:-1], right.iloc[:-1])
    changed = left.iloc[-1].ne(right.iloc[-1])
    assert changed[["ROC5", "MA60", "STD20", "VMA30"]].all()
