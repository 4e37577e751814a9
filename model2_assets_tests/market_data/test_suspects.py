"""Histories of an instrument, and what is told of bars that are kept."""

import logging

import numpy as np
import pandas as pd
import pytest

from model2_assets.checks.controls import label_end_control, lookahead_control
from model2_assets.checks.inputs import exit_dates
from model2_assets.config import FeaturesConfig, LabelsConfig
from model2_assets.features import build_features_from_config
from model2_assets.labels import build_labels_from_config
from model2_assets.market_data import synthetic_panel, validate_panel
from model2_assets.panel import to_canonical
from model2_assets.training.live import find_live_rows
from model2_assets_tests.market_data.small_bars import bars

N_DATES = 130
GAPS = {"S001": (40, 61), "S002": (30, 40), "S003": (35, 56), "S004": (100, 121), "S005": (1, 60)}
"""First date without a bar, and the first with one again."""
MAX_GAP = 20
LATER = {("S001", 61), ("S003", 56), ("S004", 121), ("S005", 60)}
"""Dates missed: 21, 10, 21, 21 and 59."""


def gapped(**columns) -> pd.DataFrame:
    frame = synthetic_panel(n_instruments=8, n_dates=N_DATES, seed=5).assign(**columns)
    day = frame["datetime"].factorize()[0]
    first, stop = (frame["instrument"].map({n: g[i] for n, g in GAPS.items()}) for i in (0, 1))
    return frame[~((day >= first) & (day < stop))].reset_index(drop=True)


def renamed(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the bars with every history as an instrument of its own, told apart by hand."""
    days = sorted(frame["datetime"].unique())
    starts = {name: days[day] for name, day in LATER}
    later = frame["datetime"] >= frame["instrument"].map(starts)  # of the others NaT
    return frame.assign(instrument=frame["instrument"].mask(later, frame["instrument"] + "~"))


def under_old_names(table: pd.DataFrame) -> pd.DataFrame:
    names = table.index.get_level_values("instrument").unique()
    return to_canonical(table.rename(index={n: n.rstrip("~") for n in names}, level="instrument"))


@pytest.fixture(scope="module")
def panel() -> pd.DataFrame:
    return validate_panel(gapped(), max_gap_days=MAX_GAP)[0]


@pytest.fixture(scope="module")
def apart() -> pd.DataFrame:
    return validate_panel(renamed(gapped()), max_gap_days=N_DATES)[0]


def test_a_gap_longer_than_the_setting_starts_a_new_history_and_is_named(caplog):
    with caplog.at_level(logging.WARNING):
        panel, counts = validate_panel(gapped(), max_gap_days=MAX_GAP)
    assert counts["new_histories"] == 4
    days = sorted(panel.index.unique("datetime"))
    listed = ", ".join(f"{name} on {days[day]:%Y-%m-%d}" for name, day in sorted(LATER))
    assert "new histories: 4" in caplog.text
    assert f"more than {MAX_GAP} dates" in caplog.text
    assert listed in caplog.text
    later = panel["history"][panel["history"] > 1]
    assert set(later) == {2}
    assert {(n, days.index(d)) for n, d in later.groupby("instrument").head(1).index} == LATER
    again, longer = (validate_panel(gapped(), max_gap_days=days)[1] for days in (21, 59))
    assert (again["new_histories"], longer["new_histories"]) == (1, 0)
    assert validate_panel(gapped())[1]["new_histories"] == 0


def test_a_delisting_return_and_a_gap_number_histories_together():
    frame = bars(30, ("A", "B"))
    frame["delisting_return"] = np.nan
    frame.loc[[4, 9], "delisting_return"] = [-0.5, 0.0]
    panel, counts = validate_panel(frame.drop(index=[*range(10, 14), 20, 21]), max_gap_days=1)
    assert panel.loc["A", "history"].tolist() == [1] * 5 + [2] * 5 + [3] * 6 + [4] * 8
    assert set(panel.loc["B", "history"]) == {1}
    assert (counts["delistings"], counts["new_histories"]) == (2, 1)


def test_history_says_nothing_that_comes_later(panel):
    frame, days = gapped(), sorted(gapped()["datetime"].unique())
    for day in range(1, N_DATES, 7):
        known = validate_panel(frame[frame["datetime"] <= days[day]], max_gap_days=MAX_GAP)[0]
        pd.testing.assert_series_equal(known["history"], panel["history"][: len(known)])


@pytest.mark.parametrize("normalization", ["rank", "none"])
def test_features_are_those_of_histories_as_instruments(panel, apart, normalization):
    config = {"normalization": normalization, "min_history_bars": 5}
    found, other = (build_features_from_config(frame, config) for frame in (panel, apart))
    pd.testing.assert_frame_equal(found, under_old_names(other), check_exact=True)
    across = build_features_from_config(panel.drop(columns="history"), config)
    assert len(across) == len(found) + 4 * 5 - 4


@pytest.mark.parametrize(
    "changes",
    [
        {"excess": False, "winsorize": 0.0},
        {"delisting": "drop"},
        {"delisted_after": 0},
        {"delisted_after": 40},  # the name is back before it is known to be gone
        {"horizons": [30]},
    ],
)
def test_labels_are_those_of_histories_as_instruments(panel, apart, changes):
    config = {"horizons": [3, 21], "min_names": 2, **changes}
    found, other = (build_labels_from_config(frame, config) for frame in (panel, apart))
    pd.testing.assert_frame_equal(found, under_old_names(other), check_exact=True)
    assert found.attrs["counts"] == other.attrs["counts"]


def test_labels_before_a_gap_end_as_those_of_a_delisted_name(panel):
    labels = build_labels_from_config(
        panel, {"horizons": [3], "excess": False, "winsorize": 0.0, "min_names": 1}
    )
    close, days = panel.loc["S001", "close"], sorted(panel.index.unique("datetime"))
    own = labels.loc["S001"]
    # Its last bar is that of day 39; day 50 is the eleventh without one.
    assert own.loc[days[37], "label_3d"] == 1e4 * (close[days[39]] / close[days[38]] - 1)
    assert own.loc[days[37], "label_end_3d"] == days[50]
    assert own.loc[days[39]].isna().all()
    assert own.loc[days[61], "label_3d"] == 1e4 * (close[days[65]] / close[days[62]] - 1)


def test_controls_hold_where_market_data_end_around_gaps(panel):
    features = FeaturesConfig(min_history_bars=5)
    made = build_features_from_config(panel, features)
    assert lookahead_control(made, panel, features, n_dates=25).passed
    for delisted_after in (3, 40):
        config = LabelsConfig(horizons=(3,), min_names=2, delisted_after=delisted_after)
        labels = build_labels_from_config(panel, config)
        assert label_end_control(labels, panel, config, n_dates=60).passed


def test_live_rows_and_exit_dates_stop_at_a_gap(panel, apart):
    live, other = (
        find_live_rows(frame, pd.DataFrame(index=frame.index), bars=22) for frame in (panel, apart)
    )
    assert list(live) == [(name.rstrip("~"), date) for name, date in other]
    assert len(live.get_loc_level("S004")[1]) == 9  # of 109 bars
    pd.testing.assert_frame_equal(
        exit_dates(panel, panel.index, 5),
        under_old_names(exit_dates(apart, apart.index, 5)),
    )


def told(caplog: pytest.LogCaptureFixture, frame: pd.DataFrame, count: str) -> tuple[int, str]:
    caplog.clear()
    with caplog.at_level(logging.WARNING):
        counts = validate_panel(frame)[1]
    return counts[count], caplog.text


def moving(n_days: int, instruments=("A", "B")) -> pd.DataFrame:
    """Return closes that rise by a hundredth every day, within their range."""
    frame = bars(n_days, instruments)
    return frame.assign(close=9.5 + 0.01 * frame.groupby("instrument").cumcount())


def test_closes_frozen_for_more_than_twenty_bars_are_named(caplog):
    frame = moving(40)
    day = np.tile(np.arange(40), 2)
    for last, n_found in ((24, 0), (25, 1)):  # 20 and 21 bars of one close
        still = (frame["instrument"] == "B") & (day >= 5) & (day <= last)
        n, text = told(
            caplog, frame.assign(close=frame["close"].mask(still, 9.0)), "frozen_instruments"
        )
        assert n == n_found
        assert ("B until 2024-02-06" in text) == bool(n_found)
    assert told(caplog, bars(40), "frozen_instruments")[0] == 0  # nobody trades


def test_days_on_which_nobody_trades_neither_freeze_nor_thaw(caplog):
    frame = moving(40)
    holiday = frame["datetime"] == frame["datetime"].unique()[10]
    frame.loc[holiday, "close"] = frame["close"].shift()[holiday]
    frame["close"] = frame["close"].mask(frame["instrument"] == "B", 9.0)
    for n_days, n_found in ((21, 0), (22, 1)):
        first = frame.groupby("instrument").head(n_days)
        assert told(caplog, first, "frozen_instruments")[0] == n_found


def test_a_close_that_is_the_same_in_two_histories_is_not_frozen():
    frame = moving(40).assign(delisting_return=np.nan)
    frame.loc[frame["instrument"] == "B", "close"] = 9.0
    frame.loc[
        (frame["instrument"] == "B") & (frame.groupby("instrument").cumcount() == 19),
        "delisting_return",
    ] = 0.0
    assert validate_panel(frame)[1]["frozen_instruments"] == 0


@pytest.mark.parametrize("column", ["close", "open", "vwap"])
def test_a_column_of_another_adjustment_is_named(caplog, column):
    frame = moving(100).assign(vwap=11.0)
    of_b = (frame["instrument"] == "B") & (frame.groupby("instrument").cumcount() < 70)
    # Outside on 30 of 60 bars, then on 31.
    for n_outside, n_found in ((30, 0), (31, 1)):
        outside = of_b & (frame.groupby("instrument").cumcount() >= 70 - n_outside)
        spoilt = frame.assign(**{column: frame[column].mask(outside, 6.0)})
        n, text = told(caplog, spoilt, "mixed_adjustments")
        assert n == n_found
        last = frame["datetime"].unique()[69]
        assert (f"{column} of B until {last:%Y-%m-%d}" in text) == bool(n_found)


def test_prices_that_were_rounded_apart_are_of_one_adjustment():
    frame = moving(100)
    frame["open"], frame["high"] = frame["close"], frame["close"] - 1e-5
    counts = validate_panel(frame)[1]
    assert counts["close_outside_range"] == 200
    assert counts["mixed_adjustments"] == 0


def test_the_same_bars_under_two_names_are_told(caplog):
    frame = synthetic_panel(n_instruments=4, n_dates=60, seed=2)
    again = frame[frame["instrument"] == "S003"].assign(instrument="S003 (1)")
    days = frame["datetime"].unique()
    for part in (
        again,
        again[again["datetime"] < days[20]],  # an older file
        again.assign(close=again["close"].where(again["datetime"] != days[5], 99.0)),  # corrected
    ):
        n, text = told(caplog, pd.concat([frame, part]), "same_bars")
        assert n == 1
        assert "S003 (1) has those of S003" in text
    moved = again.assign(datetime=again["datetime"] + pd.Timedelta(days=1))
    for part in (again.assign(volume=1.0), moved, again.iloc[:4]):
        assert told(caplog, pd.concat([frame, part]), "same_bars")[0] == 0


def test_same_bars_are_found_where_files_overlap_in_part():
    closes = synthetic_panel(n_instruments=4, n_dates=60, seed=2)[
        ["instrument", "datetime", "close"]
    ]
    days = closes["datetime"].unique()
    again = closes[(closes["instrument"] == "S001") & (closes["datetime"] >= days[25])]
    early = closes[(closes["instrument"] != "S001") | (closes["datetime"] < days[35])]
    frame = pd.concat([early, again.assign(instrument="S001-2020")])
    assert validate_panel(frame)[1]["same_bars"] == 1
