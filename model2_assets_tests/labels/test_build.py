import logging
from collections import Counter
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model2_assets.config import LabelsConfig
from model2_assets.errors import ConfigError, LabelError
from model2_assets.labels import build_labels_from_config
from model2_assets.market_data import synthetic_panel, validate_panel
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


DELISTED = {"A": dict.fromkeys(range(40), 10.0), "B": dict(enumerate([10.0, 20.0, 40.0, 10.0]))}
"""The last bar of B is that of day 3; the panel has 36 more dates."""


def delisted(final=np.nan, **changes):
    panel = panel_of(DELISTED)
    panel["delisting_return"] = np.nan
    panel.loc[("B", DATES[3]), "delisting_return"] = final
    return build_labels_from_config(panel, plain(horizons=[2], execution_lag_days=1) | changes)


def test_a_position_in_a_delisted_name_ends_at_its_last_close():
    # Entered at 20, 40 and 10; the row of the last bar has no entry bar.
    labels = delisted()
    returns = [1e4 * (10 / 20 - 1), 1e4 * (10 / 40 - 1), 0.0, np.nan]
    for name in ("forward_return_2d", "label_2d"):
        np.testing.assert_array_equal(labels.loc["B", name], returns)
    # The first window is whole. That B is delisted shows on the eleventh date after its last bar.
    assert labels.loc["B", "label_end_2d"].tolist() == [DATES[3], DATES[14], DATES[14], pd.NaT]
    assert labels.attrs["counts"] == {
        "rows": 44,
        "names_that_came_back": 0,
        "labelled_rows_2d": 37 + 3,
        "labelled_at_delisting_rows_2d": 2,
        "too_recent_rows_2d": 3,
        "delisted_rows_2d": 1,
        "long_gap_rows_2d": 0,
        "few_names_rows_2d": 0,
        "few_names_dates_2d": 0,
    }


def test_a_delisting_return_comes_after_the_last_close_and_is_known_with_it():
    labels = delisted(final=-0.6)
    # A window that is whole is sold at the last close, before the name is delisted.
    returns = [-5000.0, 1e4 * (0.4 * 10 / 40 - 1), -6000.0, np.nan]
    np.testing.assert_allclose(labels.loc["B", "label_2d"], returns)
    assert labels.loc["B", "label_end_2d"].tolist() == [DATES[3]] * 3 + [pd.NaT]


def test_a_total_loss_is_minus_ten_thousand_bps():
    assert delisted(final=-1.0).loc["B", "label_2d"].tolist()[1:3] == [-10000.0, -10000.0]


def test_dropped_rows_of_a_delisted_name_are_counted_as_such():
    for final in (np.nan, -0.6):
        labels = delisted(final=final, delisting="drop")
        assert labels.loc["B", "label_2d"].notna().tolist() == [True, False, False, False]
        counts = labels.attrs["counts"]
        assert (counts["delisted_rows_2d"], counts["too_recent_rows_2d"]) == (3, 3)
        assert counts["labelled_at_delisting_rows_2d"] == 0


@pytest.mark.parametrize(("n_dates", "is_delisted"), [(14, False), (15, True)])
def test_a_name_is_delisted_eleven_dates_after_its_last_bar(n_dates, is_delisted):
    panel = panel_of(DELISTED | {"A": dict.fromkeys(range(n_dates), 10.0)})
    labels = build_labels_from_config(panel, plain(horizons=[2], execution_lag_days=1))
    counts = labels.attrs["counts"]
    assert counts["labelled_at_delisting_rows_2d"] == (2 if is_delisted else 0)
    assert counts["too_recent_rows_2d"] == (3 if is_delisted else 3 + 3)


def test_bars_behind_a_delisting_return_are_another_history():
    own = dict.fromkeys(range(4), 10.0) | dict.fromkeys(range(4, 8), 99.0)
    panel = panel_of({"A": dict.fromkeys(range(8), 10.0), "B": own})
    panel["delisting_return"] = np.nan
    panel.loc[("B", DATES[3]), "delisting_return"] = 0.5
    labels = build_labels_from_config(panel, plain(horizons=[2], execution_lag_days=1))
    np.testing.assert_allclose(labels.loc["B", "label_2d"][:4], [0.0, 5000.0, 5000.0, np.nan])
    np.testing.assert_allclose(labels.loc["B", "label_2d"][4:], [0.0, np.nan, np.nan, np.nan])


def test_a_name_that_comes_back_is_not_delisted_and_is_named(caplog):
    # Ten missed dates are a halt, eleven had looked like a delisting.
    others = {name: dict.fromkeys(range(40), 10.0) for name in "ABC"}
    halted, back = [0, 1, 2, 13, 14, 15, 16], [0, 1, 2, 14, 15, 16, 17]
    panel = panel_of(others | {"H": dict.fromkeys(halted, 5.0), "X": dict.fromkeys(back, 5.0)})
    with caplog.at_level(logging.INFO, logger="model2_assets.labels"):
        labels = build_labels_from_config(panel, plain(horizons=[2], excess=True))
    assert labels.attrs["counts"]["names_that_came_back"] == 1
    assert labels.attrs["came_back"] == "X"
    assert "labels: X came back after more than labels.delisted_after (10)" in caplog.text
    # Over the gap neither has a label. But X had one for a while, in the mean of both dates, as on
    # day 13 its position seemed to have ended on day 2; on day 14 it came back.
    for name in ("H", "X"):
        assert labels.loc[name, "label_2d"].isna().tolist()[:3] == [False, True, True]
    ends = [at(labels, "label_end_2d", "A", day) for day in range(4)]
    assert ends == [DATES[2], DATES[14], DATES[14], DATES[5]]
    before = panel[panel.index.get_level_values("datetime") <= DATES[13]]
    assert at(build_labels_from_config(before, plain(horizons=[2])), "label_2d", "X", 1) == 0.0
    dropped = build_labels_from_config(panel, plain(horizons=[2], excess=True, delisting="drop"))
    assert at(dropped, "label_end_2d", "A", 1) == DATES[3]


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


@st.composite
def ragged_panels(draw):
    n_instruments = draw(st.integers(1, 6))
    n_dates = draw(st.integers(8, 30))
    generator = np.random.default_rng(draw(st.integers(0, 10_000)))
    exists = generator.random((n_dates, n_instruments)) > draw(st.sampled_from([0.0, 0.2, 0.6]))
    if draw(st.booleans()):  # halts, listings and delistings
        for column in range(n_instruments):
            first, behind = np.sort(generator.integers(0, n_dates + 6, 2))
            exists[first:behind, column] = False
    exists[:, 0] = True
    day, name = np.nonzero(exists)
    panel = pd.DataFrame(
        {
            "close": np.round(np.exp(generator.normal(3.0, 0.5, len(day))), 2) + 0.01,
            "in_universe": generator.random(len(day)) > draw(st.sampled_from([0.0, 0.3])),
        },
        index=panel_index([f"N{number}" for number in name], DATES[day]),
    )
    panel.loc["N0", "in_universe"] = True
    if draw(st.booleans()):
        said = (generator.random(len(day)) < 0.05) & (name > 0)
        panel["delisting_return"] = np.where(said, generator.uniform(-1.0, 0.5, len(day)), np.nan)
    return panel


LABEL_SETTINGS = st.fixed_dictionaries(
    {
        "horizons": st.sampled_from([[1], [2, 4], [3]]),
        "execution_lag_days": st.integers(0, 2),
        "excess": st.booleans(),
        "winsorize": st.sampled_from([0.0, 0.1, 0.33]),
        "min_names": st.integers(1, 3),
        "delisting": st.sampled_from(["last_close", "drop"]),
        "delisted_after": st.integers(0, 4),
    }
)


@dataclass(frozen=True)
class Bar:
    day: int  # position of the date in the panel
    close: float
    member: bool
    final: float  # delisting return


def naive_histories(panel):
    """Cut every instrument's bars behind each that has a delisting return: (name, bars)."""
    calendar = sorted(set(panel.index.get_level_values("datetime")))
    final = panel.get("delisting_return", pd.Series(np.nan, index=panel.index))
    rows = zip(panel.index, panel["close"], panel["in_universe"], final, strict=True)
    histories = {}
    for (name, date), close, member, last in sorted(rows, key=lambda row: row[0]):
        own = histories.setdefault(name, [[]])
        if own[-1] and not np.isnan(own[-1][-1].final):
            own.append([])
        own[-1].append(Bar(calendar.index(date), close, member, last))
    return [(name, bars) for name, own in histories.items() for bars in own]


def naive_returns(histories, config, horizon, today):
    """Walk every history up to a day: {(day, name): forward return, or why there is none}."""
    lag, returns = config["execution_lag_days"], {}
    for name, whole in histories:
        bars = [bar for bar in whole if bar.day <= today]
        is_said = bool(bars) and not np.isnan(bars[-1].final)
        is_over = is_said or (bars and today - bars[-1].day > config["delisted_after"])
        for k, bar in enumerate(bars):
            entry, exit_bar = k + lag, k + lag + horizon
            if exit_bar < len(bars):
                sold, price = bars[exit_bar], bars[exit_bar].close
            else:
                sold, price = bars[-1], bars[-1].close * (1 + bars[-1].final if is_said else 1)
            if exit_bar >= len(bars) and not is_over:
                found = "too recent"
            elif exit_bar >= len(bars) and (entry >= len(bars) or config["delisting"] == "drop"):
                found = "delisted"
            elif sold.day - bar.day > 2 * (horizon + lag):
                found = "long gap"
            else:
                found = 1e4 * (price / bars[entry].close - 1)
            if bar.member:
                returns[bar.day, name] = found
    return returns


def windows_of(returns, day=None):
    return {
        row: value
        for row, value in returns.items()
        if not isinstance(value, str) and day in (None, row[0])
    }


def naive_ends(histories, config, horizon, last_day):
    """Return, of every row with a window, the day from which on no later bar changes anything.

    That is found by looking at the panel as it was on every day. What may not change is the
    row's own window or, with a cross-section, all windows of its date.
    """
    final = naive_returns(histories, config, horizon, last_day)
    crossed = config["excess"] or config["winsorize"]
    ends = dict.fromkeys(windows_of(final), 0)
    for today in range(last_day):
        then = naive_returns(histories, config, horizon, today)
        for day, name in ends:
            if crossed:
                same = windows_of(then, day) == windows_of(final, day)
            else:
                same = then.get((day, name)) == final[day, name]
            if not same:
                ends[day, name] = today + 1
    return ends


def naive_labels(panel, config, horizon):
    """Apply excess, winsorizing and the label end date by date, in canonical order."""
    histories, last_day = naive_histories(panel), panel.index.get_level_values(1).nunique() - 1
    returns = naive_returns(histories, config, horizon, last_day)
    ends = naive_ends(histories, config, horizon, last_day)
    q, crossed = config["winsorize"], config["excess"] or config["winsorize"]
    rows = []
    for day in range(last_day + 1):
        found = windows_of(returns, day)
        if crossed and len(found) < config["min_names"]:
            returns |= dict.fromkeys(found, "few names")
            found = {}
        label = np.array(list(found.values()))
        if found and config["excess"]:
            label = label - label.mean()
        if found and q:
            label = np.clip(label, np.quantile(label, q), np.quantile(label, 1 - q))
            label = label - label.mean() if config["excess"] else label
        ends_of = [ends[row] for row in found]
        rows += [
            (*row, *values)
            for row, *values in zip(found, found.values(), label, ends_of, strict=True)
        ]
    table = pd.DataFrame(rows, columns=["day", "instrument", "forward", "label", "end"])
    why = Counter("labelled" if not isinstance(value, str) else value for value in returns.values())
    return table.set_index(["day", "instrument"]).reindex(sorted(returns)), why


@settings(deadline=None, derandomize=True, max_examples=150)
@given(panel=ragged_panels(), config=LABEL_SETTINGS)
def test_labels_equal_the_definition_row_by_row(panel, config):
    try:
        labels = build_labels_from_config(panel, config)
    except LabelError:
        assert not all(naive_labels(panel, config, h)[1]["labelled"] for h in config["horizons"])
        return
    calendar = np.array(sorted(set(panel.index.get_level_values("datetime"))))
    counts = labels.attrs["counts"]
    for h in config["horizons"]:
        expected, why = naive_labels(panel, config, h)
        assert labels.index.tolist() == [(name, calendar[day]) for day, name in expected.index]
        np.testing.assert_array_equal(labels[f"forward_return_{h}d"], expected["forward"])
        np.testing.assert_allclose(labels[f"label_{h}d"], expected["label"], rtol=1e-11, atol=1e-8)
        ends = [pd.NaT if np.isnan(day) else calendar[int(day)] for day in expected["end"]]
        np.testing.assert_array_equal(labels[f"label_end_{h}d"], pd.DatetimeIndex(ends))
        for reason in ("labelled", "too recent", "delisted", "long gap", "few names"):
            assert counts[f"{reason.replace(' ', '_')}_rows_{h}d"] == why[reason]
        assert sum(why.values()) == counts["rows"]


@settings(deadline=None, derandomize=True, max_examples=40)
@given(panel=ragged_panels(), config=LABEL_SETTINGS, seed=st.integers(0, 100))
def test_labels_do_not_depend_on_row_order(panel, config, seed):
    shuffled = panel.iloc[np.random.default_rng(seed).permutation(len(panel))]
    config = config | {"min_names": 1}
    labels = build_labels_from_config(panel, config)
    again = build_labels_from_config(shuffled, config)
    pd.testing.assert_frame_equal(labels, again, check_exact=True)
    assert labels.attrs == again.attrs


@settings(deadline=None, derandomize=True, max_examples=150)
@given(panel=ragged_panels(), config=LABEL_SETTINGS, cut_share=st.floats(0.1, 0.95))
def test_later_rows_never_change_a_label_that_ended_before_them(panel, config, cut_share):
    dates = panel.index.get_level_values("datetime")
    cut = sorted(set(dates))[int(cut_share * (dates.nunique() - 1))]
    labels, before = (labels_or_none(bars, config) for bars in (panel, panel[dates <= cut]))
    for horizon in config["horizons"]:
        columns = [f"{name}_{horizon}d" for name in ("forward_return", "label", "label_end")]
        is_over = labels[columns[2]] <= cut
        pd.testing.assert_frame_equal(
            labels.loc[is_over, columns],
            before.reindex(labels.index[is_over], columns=columns),
            check_exact=True,
        )


def labels_or_none(panel, config):
    """Return labels, horizon by horizon; those of which there are none are missing."""
    tables = []
    for horizon in config["horizons"]:
        try:
            tables.append(build_labels_from_config(panel, config | {"horizons": [horizon]}))
        except LabelError:
            columns = {f"{name}_{horizon}d": np.nan for name in ("forward_return", "label")}
            missing = pd.DatetimeIndex([pd.NaT] * len(panel)).as_unit("us")
            columns[f"label_end_{horizon}d"] = missing
            tables.append(pd.DataFrame(columns, index=panel.index)[panel["in_universe"]])
    return pd.concat(tables, axis="columns")


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


def test_a_synthetic_market_has_labels_of_mean_zero_and_the_planted_momentum():
    panel, _ = validate_panel(synthetic_panel(n_instruments=200, n_dates=600, signal=0.15))
    labels = build_labels_from_config(panel, plain(horizons=[21], excess=True))
    by_date = labels.groupby(level="datetime")["label_21d"].mean().dropna()
    assert by_date.abs().max() < 1e-9
    past = panel.groupby(level="instrument")["close"].pct_change(60)
    both = pd.DataFrame({"past": past, "label": labels["label_21d"]}).dropna()
    ranks = both.groupby(level="datetime").rank(pct=True) - 0.5
    assert np.corrcoef(ranks["past"], ranks["label"])[0, 1] > 0.15
