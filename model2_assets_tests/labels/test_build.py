import logging

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model2_assets.config import LabelsConfig
from model2_assets.errors import ConfigError, LabelError
from model2_assets.labels import build_labels_from_config
from model2_assets.market_data import synthetic_panel, validate_panel
from model2_assets_tests.labels.panels import DATES, at, panel_of, plain


def test_lag_moves_entry_and_exit_together():
    panel = panel_of({"A": dict(enumerate([100.0, 110.0, 121.0, 60.5, 121.0]))})
    expected = {
        0: [1000.0, 1000.0, -5000.0, 10000.0],
        1: [1000.0, -5000.0, 10000.0, np.nan],
        2: [-5000.0, 10000.0, np.nan, np.nan],
    }
    for lag, returns in expected.items():
        labels = build_labels_from_config(panel, plain(horizons=[1], execution_lag_days=lag))
        np.testing.assert_allclose(
            labels["forward_return_1d"], [*returns, np.nan], rtol=1e-12, atol=1e-9
        )
        ends = [DATES[day + lag + 1] if day + lag + 1 < 5 else pd.NaT for day in range(5)]
        assert list(labels["label_end_1d"]) == ends
        np.testing.assert_array_equal(labels["label_1d"], labels["forward_return_1d"])


def test_a_gap_is_bridged_on_own_bars_and_moves_the_label_end():
    others = dict.fromkeys(range(10), 50.0)
    panel = panel_of({"A": {0: 100.0, 1: 100.0, 3: 110.0, 4: 121.0}, "B": others})
    labels = build_labels_from_config(panel, plain(horizons=[2]))
    assert at(labels, "forward_return_2d", "A", 0) == pytest.approx(1000.0)
    assert at(labels, "label_end_2d", "A", 0) == DATES[3]
    assert at(labels, "forward_return_2d", "A", 1) == pytest.approx(2100.0)
    assert at(labels, "label_end_2d", "A", 1) == DATES[4]


@pytest.mark.parametrize(("exit_day", "is_made"), [(6, True), (7, False)])
def test_a_window_longer_than_twice_horizon_and_lag_is_not_made(exit_day, is_made):
    # Signal on day 0, entry on day 1, exit two own bars later: horizon 2, lag 1, limit 6 dates.
    own = {0: 100.0, 1: 100.0, 2: 100.0, exit_day: 130.0}
    panel = panel_of({"A": own, "B": dict.fromkeys(range(12), 50.0)})
    labels = build_labels_from_config(panel, plain(horizons=[2], execution_lag_days=1))
    assert np.isnan(at(labels, "label_2d", "A", 0)) == (not is_made)
    assert np.isnan(at(labels, "forward_return_2d", "A", 0)) == (not is_made)
    assert pd.isna(at(labels, "label_end_2d", "A", 0)) == (not is_made)
    counts = labels.attrs["counts"]
    assert counts["long_gap_rows_2d"] == (0 if is_made else 1)
    assert counts["too_recent_rows_2d"] == 3 + 3
    assert counts["labelled_rows_2d"] == 9 + is_made


def test_a_gap_is_measured_in_dates_of_the_panel_not_of_the_calendar():
    # Nobody trades between days 1 and 30: the panel has consecutive dates there.
    days = [0, 1, 30, 31, 32]
    panel = panel_of({"A": dict.fromkeys(days, 10.0), "B": dict.fromkeys(days, 20.0)})
    labels = build_labels_from_config(panel, plain(horizons=[1]))
    assert labels.attrs["counts"]["long_gap_rows_1d"] == 0
    assert at(labels, "label_end_1d", "A", 1) == DATES[30]


def test_late_listing_has_labels_from_its_first_bar():
    panel = panel_of({"A": dict.fromkeys(range(8), 10.0), "B": {5: 10.0, 6: 20.0, 7: 30.0}})
    labels = build_labels_from_config(panel, plain(horizons=[1]))
    assert labels.loc["B", "label_1d"].dropna().tolist() == pytest.approx([10000.0, 5000.0])
    assert labels.loc["B"].index[0] == DATES[5]


def test_excess_is_over_the_mean_of_the_rows_that_have_the_return():
    panel = panel_of(
        {
            "A": {0: 100.0, 1: 110.0, 2: 110.0},
            "B": {0: 100.0, 1: 100.0, 2: 90.0},
            "C": {0: 100.0, 1: 104.0, 2: 104.0},
            "D": {0: 100.0},
        }
    )
    labels = build_labels_from_config(panel, plain(horizons=[1], excess=True))
    first = labels.xs(DATES[0], level="datetime")["label_1d"]
    mean = (1000.0 + 0.0 + 400.0) / 3
    np.testing.assert_allclose(first, [1000 - mean, -mean, 400 - mean, np.nan], rtol=1e-9)
    np.testing.assert_allclose(
        labels.xs(DATES[0], level="datetime")["forward_return_1d"], [1000, 0, 400, np.nan]
    )


def test_cross_sectional_label_ends_with_the_latest_exit_of_its_date():
    # B skips days 1 to 3, so its one-bar window of day 0 reaches to day 4.
    panel = panel_of(
        {"A": dict.fromkeys(range(8), 10.0), "B": dict.fromkeys([0, 2, 3, 4, 5, 6, 7], 10.0)}
    )
    raw = build_labels_from_config(panel, plain(horizons=[1]))
    assert at(raw, "label_end_1d", "A", 0) == DATES[1]
    assert at(raw, "label_end_1d", "B", 0) == DATES[2]
    for cross_sectional in ({"excess": True}, {"winsorize": 0.1}):
        labels = build_labels_from_config(panel, plain(horizons=[1]) | cross_sectional)
        assert at(labels, "label_end_1d", "A", 0) == DATES[2]
        assert at(labels, "label_end_1d", "B", 0) == DATES[2]
        assert at(labels, "label_end_1d", "A", 1) == DATES[2]
        assert at(labels, "label_end_1d", "A", 2) == DATES[3]


def test_an_unlabelled_row_does_not_move_the_label_end_of_its_date():
    panel = panel_of(
        {"A": dict.fromkeys(range(8), 10.0), "B": {0: 10.0, 6: 11.0}, "C": {0: 10.0, 1: 12.0}}
    )
    labels = build_labels_from_config(panel, plain(horizons=[1], excess=True))
    assert labels.attrs["counts"]["long_gap_rows_1d"] == 1
    assert at(labels, "label_end_1d", "A", 0) == DATES[1]
    assert at(labels, "label_1d", "A", 0) == pytest.approx(-1000.0)


def test_winsorizing_clips_at_the_quantiles_of_the_date_after_excess_and_centres_again():
    returns = [-0.5, -0.02, 0.0, 0.01, 0.9]
    panel = panel_of(
        {name: {0: 100.0, 1: 100 * (1 + r)} for name, r in zip("ABCDE", returns, strict=True)}
    )
    labels = build_labels_from_config(panel, plain(horizons=[1], excess=True, winsorize=0.25))
    # Five values: the quartiles are the second and the fourth.
    mean = sum(returns) / 5
    clipped = np.clip(np.subtract(returns, mean), -0.02 - mean, 0.01 - mean)
    # Their own mean is (-0.02 - 0.02 + 0.0 + 0.01 + 0.01) / 5 less that of the returns.
    expected = (clipped - (-0.004 - mean)) * 1e4
    np.testing.assert_allclose(expected, [-160.0, -160.0, 40.0, 140.0, 140.0])
    np.testing.assert_allclose(labels["label_1d"].iloc[:5], expected, rtol=1e-9)
    np.testing.assert_allclose(labels["forward_return_1d"].iloc[:5], np.multiply(returns, 1e4))


def test_outsiders_have_no_rows_and_no_say_but_their_bars_count():
    panel = panel_of(
        {
            "A": {0: 100.0, 1: 110.0, 2: 110.0, 3: 110.0},
            "B": {0: 100.0, 1: 120.0, 2: 130.0, 3: 130.0},
            "C": {0: 100.0, 1: 900.0, 2: 100.0, 3: 100.0},
        }
    )
    names = panel.index.get_level_values("instrument")
    dates = panel.index.get_level_values("datetime")
    panel["in_universe"] = (names == "A") | ((names == "B") & (dates == DATES[0]))
    labels = build_labels_from_config(panel, plain(horizons=[1], excess=True))
    assert list(labels.loc["B"].index) == [DATES[0]]
    assert "C" not in labels.index.get_level_values("instrument")
    assert at(labels, "forward_return_1d", "B", 0) == pytest.approx(2000.0)
    assert at(labels, "label_1d", "A", 0) == pytest.approx(-500.0)
    assert at(labels, "label_1d", "A", 1) == 0.0
    few = build_labels_from_config(panel, plain(horizons=[1], excess=True, min_names=2))
    assert few.attrs["counts"]["few_names_dates_1d"] == 2


def test_a_date_of_too_few_names_has_no_label():
    # Names list one after the other; the last bar of all has no exit.
    panel = panel_of({name: dict.fromkeys(range(k, 9), 10.0 + k) for k, name in enumerate("ABCDE")})
    for cross_sectional in ({"excess": True}, {"winsorize": 0.1}):
        settings = plain(horizons=[1, 4]) | cross_sectional | {"min_names": 3}
        labels = build_labels_from_config(panel, settings)
        for horizon, n_last in ((1, 8), (4, 5)):
            counts = labels.attrs["counts"]
            for column in labels.filter(like=f"_{horizon}d"):
                dates = labels[column].dropna().index.get_level_values("datetime")
                assert sorted(set(dates)) == list(DATES[2:n_last])
            assert counts[f"few_names_dates_{horizon}d"] == 2
            assert counts[f"few_names_rows_{horizon}d"] == 1 + 2
    alone = build_labels_from_config(panel, plain(horizons=[1], min_names=3))
    assert alone.attrs["counts"]["few_names_rows_1d"] == 0
    with pytest.raises(LabelError, match=r"labels\.min_names: no date has 6 names.* over 1 bars"):
        build_labels_from_config(panel, plain(horizons=[1], excess=True, min_names=6))


def test_returns_are_of_the_adjusted_close():
    panel = panel_of({"A": {0: 100.0, 1: 50.0}})
    panel["adjusted_close"] = [50.0, 55.0]
    labels = build_labels_from_config(panel, plain(horizons=[1]))
    assert labels["label_1d"].iloc[0] == pytest.approx(1000.0)


def test_every_horizon_has_its_columns_types_and_own_counts():
    panel = panel_of({"A": dict.fromkeys(range(10), 10.0), "B": dict.fromkeys(range(10), 10.0)})
    labels = build_labels_from_config(panel, LabelsConfig(horizons=(5, 2), min_names=2))
    assert list(labels.columns) == [
        *("forward_return_2d", "label_2d", "label_end_2d"),
        *("forward_return_5d", "label_5d", "label_end_5d"),
    ]
    assert [str(kind) for kind in labels.dtypes] == ["float64", "float64", "datetime64[us]"] * 2
    counts = labels.attrs["counts"]
    assert (counts["labelled_rows_2d"], counts["labelled_rows_5d"]) == (14, 8)
    assert all(type(count) is int for count in counts.values())


def test_horizon_beyond_the_history_names_the_key_and_the_longest_history():
    panel = panel_of({"A": dict.fromkeys(range(10), 10.0), "B": {0: 1.0}})
    with pytest.raises(LabelError, match=r"labels\.horizons.*20 bars.*takes 22.*has 10"):
        build_labels_from_config(panel, {"horizons": [2, 20], "min_names": 1})


def test_history_long_enough_but_without_labels_says_why():
    panel = panel_of({"A": dict.fromkeys(range(10), 10.0)})
    panel["in_universe"] = [False] * 9 + [True]
    with pytest.raises(LabelError, match="1 in-universe rows have no exit bar"):
        build_labels_from_config(panel, {"horizons": [2]})


def test_empty_panel_is_a_clear_error():
    with pytest.raises(LabelError, match="longest history has 0"):
        build_labels_from_config(panel_of({"A": {0: 1.0}}).iloc[:0], {"horizons": [2]})


def test_unusable_panels_are_refused_by_name():
    good = panel_of({"A": dict.fromkeys(range(5), 10.0)})
    with pytest.raises(LabelError, match="indexed by"):
        build_labels_from_config(good.reset_index(), {"horizons": [1]})
    with pytest.raises(LabelError, match="'close'"):
        build_labels_from_config(good.rename(columns={"close": "price"}), {"horizons": [1]})
    with pytest.raises(LabelError, match="A on 2024-01-03 more than once"):
        build_labels_from_config(pd.concat([good, good.iloc[2:3]]), {"horizons": [1]})
    for bad in (0.0, -1.0, np.nan, np.inf):
        dirty = good.copy()
        dirty.iloc[3, 0] = bad
        with pytest.raises(LabelError, match="instrument A on 2024-01-04"):
            build_labels_from_config(dirty, {"horizons": [1]})


def test_settings_are_validated():
    panel = panel_of({"A": dict.fromkeys(range(5), 10.0)})
    with pytest.raises(ConfigError, match="labels: horizon: unknown key"):
        build_labels_from_config(panel, {"horizon": [1]})


def test_counts_are_logged(caplog):
    panel = panel_of({"A": dict.fromkeys(range(5), 10.0)})
    with caplog.at_level(logging.INFO, logger="model2_assets.labels"):
        build_labels_from_config(panel, plain(horizons=[1]))
    assert "labels 1d: 4 labelled rows, 0 of them to the end of a delisted name" in caplog.text
    assert "1 too recent, 0 delisted, 0 with a long gap, 0 on 0 dates" in caplog.text


@settings(deadline=None, derandomize=True, max_examples=50)
@given(
    values=st.lists(st.floats(1.0, 1e4), min_size=1, max_size=25),
    quantile=st.floats(0.01, 0.49),
)
def test_winsorizing_equals_numpy_quantiles_to_the_bit(values, quantile):
    closes = {f"N{number:02d}": {0: 100.0, 1: value} for number, value in enumerate(values)}
    config = plain(horizons=[1], winsorize=quantile)
    labels = build_labels_from_config(panel_of(closes), config).iloc[: len(values)]
    forward = labels["forward_return_1d"].to_numpy()
    low, high = np.quantile(forward, [quantile, 1.0 - quantile])
    np.testing.assert_array_equal(labels["label_1d"], np.clip(forward, low, high))


@pytest.mark.parametrize("winsorize", [0.0, 0.1, 0.4])
def test_the_mean_label_of_every_date_is_zero(winsorize):
    # A wild market: returns over 63 days are skewed, and clipping them moves their mean.
    bars = synthetic_panel(n_instruments=25, n_dates=300, tail_df=3, volatility=0.08, seed=2)
    panel, _ = validate_panel(bars)
    labels = build_labels_from_config(panel, {"winsorize": winsorize})
    for horizon in ("21d", "63d"):
        by_date = labels.groupby(level="datetime")[f"label_{horizon}"].mean().dropna()
        assert by_date.abs().max() < 1e-9


def test_a_synthetic_market_has_the_planted_momentum():
    panel, _ = validate_panel(synthetic_panel(n_instruments=200, n_dates=600, signal=0.15))
    labels = build_labels_from_config(panel, plain(horizons=[21], excess=True))
    past = panel.groupby(level="instrument")["close"].pct_change(60)
    both = pd.DataFrame({"past": past, "label": labels["label_21d"]}).dropna()
    ranks = both.groupby(level="datetime").rank(pct=True) - 0.5
    assert np.corrcoef(ranks["past"], ranks["label"])[0, 1] > 0.15
