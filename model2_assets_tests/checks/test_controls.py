# ruff: noqa: PD011 -- a finding's values are a mapping
import numpy as np
import pandas as pd
import pytest

from model2_assets.checks import Finding
from model2_assets.checks.controls import compare_tables, lookahead_control
from model2_assets.config import FeaturesConfig
from model2_assets.errors import FeatureError
from model2_assets.features import build
from model2_assets.features.build import bars_of_windows, make_features
from model2_assets.market_data import adjusted_prices
from model2_assets.panel import panel_index
from model2_assets_tests.checks.builders import latest_bars
from model2_assets_tests.features.sample_panels import random_panel

BUILDERS = "model2_assets_tests.checks.feature_builders"
DATES = pd.bdate_range("2019-01-01", periods=160)


@pytest.fixture(scope="module")
def panel() -> pd.DataFrame:
    panel = random_panel(6, 160, seed=3, missing=0.05, gaps=0.03)
    names = panel.index.get_level_values("instrument")
    dates = panel.index.get_level_values("datetime")
    return panel.assign(in_universe=~((names == "S003") & (dates < "2019-05-15")))


def control(panel: pd.DataFrame, config: FeaturesConfig, **settings: int) -> Finding:
    return lookahead_control(make_features(panel, config), panel, config, **settings)


def dates_of(found: Finding) -> list[pd.Timestamp]:
    return [pd.Timestamp(date) for date in str(found.values["dates"]).split(", ") if date]


def plugged_in(builder: str) -> FeaturesConfig:
    return FeaturesConfig(builder=f"{BUILDERS}:{builder}")


@pytest.mark.parametrize("normalization", ["none", "rank", "zscore"])
@pytest.mark.parametrize("builder", [None, f"{BUILDERS}:ours"])
def test_our_features_are_the_same_to_the_bit(panel, normalization, builder):
    config = FeaturesConfig(normalization=normalization, min_history_bars=20, builder=builder)

    found = control(panel, config, n_dates=5)

    dates = dates_of(found)
    assert found.passed
    assert found.values["different_values"] == 0
    assert len(dates) == 5
    rows = make_features(panel, config).index.get_level_values("datetime")
    first = [rows.min() if builder else latest_bars(panel, date).min() for date in dates]
    ranges = zip(first, dates, strict=True)
    n_values = 158 * sum(int(((rows >= since) & (rows <= date)).sum()) for since, date in ranges)
    assert found.values["values"] == n_values
    assert found.description == (
        f"{n_values:,} values are the same when history ends on {found.values['dates']}"
    )


@pytest.mark.parametrize("min_history_bars", [1, 60, 75])
def test_bars_of_the_windows_suffice_for_every_date_to_the_bit(panel, min_history_bars):
    config = FeaturesConfig(min_history_bars=min_history_bars, normalization="zscore")
    history = (panel.index.get_level_values("datetime") >= DATES[70]).astype(int)
    panel = panel.assign(history=history * (panel.index.get_level_values(0) == "S001") + 1)
    features = make_features(panel, config)
    rows = features.index.get_level_values("datetime")

    for since in DATES[80:150:23]:
        bars = bars_of_windows(panel, since, config)

        pd.testing.assert_frame_equal(make_features(bars, config), features[rows >= since])
        counts = bars[bars.index.get_level_values("datetime") < since].groupby(level=0).size()
        assert counts.max() <= 2 * max(60, min_history_bars)


def ahead(prices: pd.DataFrame) -> pd.DataFrame:
    return prices.groupby(level="instrument").shift(-1).fillna(prices)


def filled_from_the_future(prices: pd.DataFrame) -> pd.DataFrame:
    return prices.groupby(level="instrument").bfill()


def scaled_by_all_history(prices: pd.DataFrame) -> pd.DataFrame:
    """Multiply closes by a number that history up to the end decides."""
    return prices.assign(close=prices["close"] * prices["close"].mean())


@pytest.mark.parametrize("leak", [ahead, filled_from_the_future, scaled_by_all_history])
def test_a_leak_planted_in_our_own_features_is_found_at_every_date(panel, monkeypatch, leak):
    names = panel.index.get_level_values("instrument")
    panel = panel.assign(volume=panel["volume"].mask(names == "S002"))
    dates = panel.index.get_level_values("datetime")
    panel.loc[(names == "S002") & (dates == DATES[-1]), "volume"] = 1e6
    config = FeaturesConfig(min_history_bars=20, normalization="none")
    monkeypatch.setattr(build, "adjusted_prices", lambda panel: leak(adjusted_prices(panel)))
    features = make_features(panel, config)

    found = [lookahead_control(features, panel, config, n_dates=1, seed=seed) for seed in range(30)]

    assert not any(each.passed for each in found)


def test_an_honest_builder_passes(panel):
    assert control(panel, plugged_in("honest"), n_dates=20).passed


def test_the_next_bar_is_named_with_its_feature_instrument_and_date(panel):
    found = control(panel, plugged_in("next_bar"), n_dates=1)

    (end,) = dates_of(found)
    features = make_features(panel, plugged_in("next_bar"))
    value = features["ahead"].xs(end, level="datetime").iloc[0]
    assert found.description.startswith(
        f"feature 'ahead' of S000 on {end:%Y-%m-%d} is {value!s}, but 0.0 "
        f"when history ends on {end:%Y-%m-%d}; 6 of "  # the last bar of every instrument
    )
    assert (found.passed, found.only_warns) == (False, False)
    assert found.values["different_values"] == 6


def test_rows_that_exist_only_with_a_future_are_named(panel):
    found = control(panel, plugged_in("only_rows_with_a_future"), n_dates=1)

    assert found.description.startswith("S00")
    assert "has features, but none when history ends on 2019-" in found.description
    assert (found.passed, found.only_warns) == (False, False)


def test_scaling_by_the_whole_history_changes_the_very_first_value(panel):
    found = control(panel, plugged_in("scaled_by_full_history"))

    assert "feature 'reversal' of S000 on 2019-01-0" in found.description
    assert found.values["different_values"] > 0.4 * found.values["values"]


def test_a_gap_filled_from_the_future_shows_at_the_gap_alone(panel):
    names = panel.index.get_level_values("instrument")
    dates = panel.index.get_level_values("datetime")
    is_gap = (names == "S002") & (dates >= DATES[100]) & (dates < DATES[111])
    gap = panel.assign(volume=panel["volume"].fillna(1.0).mask(is_gap))
    config = plugged_in("gaps_filled_from_the_future")
    features = make_features(gap, config)

    within = [lookahead_control(features, gap, config, n_dates=1, seed=seed) for seed in range(120)]

    for found in within:
        (end,) = dates_of(found)
        is_in_gap = DATES[100] <= end < DATES[110]
        assert found.passed != is_in_gap, end
        if is_in_gap:
            assert "feature 'volume' of S002 on 2019-05-21 is" in found.description
            assert "but nan" in found.description
    assert not all(found.passed for found in within)


def test_features_that_come_and_go_are_named(panel):
    config = plugged_in("features_of_the_last_year")
    longer = pd.concat([panel, panel.rename(index=lambda d: d + pd.DateOffset(years=1), level=1)])

    found = control(longer.sort_index(level=["datetime", "instrument"]), config, n_dates=9)

    assert "feature 'age_in_2020' is there, but not when history ends on 2019" in (
        found.description
    )


def test_a_builder_that_fails_on_shorter_history_is_named_with_the_date(panel):
    config = plugged_in("needs_long_history")

    with pytest.raises(FeatureError, match=r"needs_long_history fails on history that ends on 20"):
        control(panel, config, n_dates=9)


def test_dates_are_sampled_by_the_seed_and_leave_something_to_cut_off(panel):
    config = plugged_in("honest")
    features = make_features(panel, config)
    last = panel.index.get_level_values("datetime").max()

    all_dates = dates_of(lookahead_control(features, panel, config, n_dates=1000))
    chosen = [dates_of(lookahead_control(features, panel, config, seed=seed)) for seed in (1, 1, 2)]

    assert list(all_dates) == sorted(all_dates)
    assert len(all_dates) == len(set(all_dates)) == 159
    assert last not in all_dates
    assert chosen[0] == chosen[1] != chosen[2]
    assert [len(dates) for dates in chosen] == [3, 3, 3]


def test_nothing_can_be_cut_where_features_are_of_the_last_date_only(panel):
    config = plugged_in("honest")
    features = make_features(panel, config)
    last = features[features.index.get_level_values("datetime") == DATES[-1]]

    found = lookahead_control(last, panel, config)

    assert (found.passed, found.only_warns) == (False, True)
    assert (found.values["dates"], found.values["values"]) == ("", 0)
    assert found.description == (
        "no date that has features has later bars, so nothing could be cut off"
    )


def table(values: list[list[float]]) -> pd.DataFrame:
    names = [f"S{number}" for number in range(len(values))]
    index = panel_index(names, ["2020-01-02"] * len(values))
    return pd.DataFrame(np.array(values, dtype=np.float32), index=index, columns=["F0", "F1"])


def test_equality_is_of_bits_but_missing_equals_missing():
    other_nan = np.array([0x7FC00001], dtype=np.uint32).view(np.float32)[0]
    left = table([[0.0, np.nan], [1.0, 2.0]])

    assert compare_tables(left, table([[0.0, other_nan], [1.0, 2.0]])).n_different == 0
    assert compare_tables(left, table([[-0.0, np.nan], [1.0, 2.0]])).n_different == 1
    one_bit = compare_tables(left, table([[0.0, np.nan], [1.0, np.nextafter(np.float32(2), 3)]]))
    assert one_bit.first_difference.startswith("feature 'F1' of S1 on 2020-01-02 is 2.0, but 2.0")


def test_first_difference_is_that_of_the_earliest_row_then_of_the_leftmost_feature():
    left = table([[1.0, 2.0], [3.0, 4.0]])

    found = compare_tables(left, table([[1.0, 9.0], [9.0, 4.0]]))
    tied = compare_tables(left, table([[9.0, 9.0], [3.0, 4.0]]))

    assert (found.n_values, found.n_different) == (4, 2)
    assert "'F1' of S0" in found.first_difference
    assert "'F0' of S0" in tied.first_difference


def test_a_column_of_text_is_left_to_the_contract():
    left, right = table([[1.0, 2.0], [3.0, 4.0]]), table([[1.0, 2.0], [9.0, 4.0]])

    found = compare_tables(left.assign(stranger="x"), right.assign(stranger="x"))

    assert (found.n_values, found.n_different) == (4, 1)
    assert "'F0' of S1" in found.first_difference


def test_rows_of_one_table_only_are_named_where_no_value_differs():
    left = table([[1.0, 2.0], [3.0, 4.0]])

    fewer, more = compare_tables(left, left.iloc[1:]), compare_tables(left.iloc[1:], left)

    assert (fewer.n_values, fewer.n_different) == (2, 0)
    assert fewer.first_difference == "S0 on 2020-01-02 has features, but none"
    assert more.first_difference == "S0 on 2020-01-02 has no features, but some"
