"""Live rows: exactly those whose horizon has not ended, of instruments that still trade."""

import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from model2_assets.checks import expected_live_rows
from model2_assets.errors import LabelError
from model2_assets.labels import build_labels_from_config
from model2_assets.panel import panel_index, to_canonical
from model2_assets.training import find_live_rows

DATES = pd.bdate_range("2024-01-01", periods=10)
SETTINGS = {"horizons": [2], "execution_lag_days": 1}
BARS = 3
"""Execution lag and horizon together."""

ALL = range(10)
BARS_OF = {
    "FULL": ALL,
    "LATE": (8, 9),  # listed on the last date but one
    "GONE": range(7),  # delisted
    "HALT": range(9),  # no bar on the last date
    "BACK": (0, 1, 2, 3, 4, 5, 9),  # halted, and back on the last date
    "LEFT": ALL,  # leaves the universe before the last two dates
    "REJOINED": ALL,  # leaves it, and is a member again on the last date
    "NEW": ALL,  # has features on the last two dates only
    "BARE": ALL,  # has no features
}
OUTSIDE = {"LEFT": (8, 9), "REJOINED": (6, 7, 8)}
WITHOUT_FEATURES = {"NEW": range(8), "BARE": ALL}


def hand_made() -> tuple[pd.DataFrame, pd.DataFrame]:
    rows = [(name, date) for name, dates in BARS_OF.items() for date in dates]
    index = panel_index([name for name, _ in rows], [DATES[date] for _, date in rows])
    outside = [date in OUTSIDE.get(name, ()) for name, date in rows]
    bare = [date in WITHOUT_FEATURES.get(name, ()) for name, date in rows]
    panel = pd.DataFrame(
        {"close": np.linspace(50, 99, len(rows)), "in_universe": ~np.array(outside)}, index=index
    )
    features = pd.DataFrame({"F": 0.0}, index=index[~(np.array(outside) | np.array(bare))])
    return to_canonical(panel), to_canonical(features)


def readable(rows: pd.MultiIndex) -> list[tuple[str, int]]:
    return [(name, DATES.get_loc(date)) for name, date in rows]


LIVE = [
    *[("BACK", date) for date in (4, 5, 9)],
    *[("FULL", date) for date in (7, 8, 9)],
    *[("LATE", date) for date in (8, 9)],
    *[("NEW", date) for date in (8, 9)],
    ("REJOINED", 9),
]


def test_rows_of_a_hand_made_panel_in_the_order_of_the_table():
    panel, features = hand_made()
    assert readable(find_live_rows(panel, features, bars=BARS)) == LIVE


def test_order_of_the_given_rows_does_not_matter():
    panel, features = (frame.sample(frac=1, random_state=3) for frame in hand_made())
    assert readable(find_live_rows(panel, features, bars=BARS)) == LIVE


def test_the_check_finds_the_same_rows_from_labels_and_exit_dates():
    panel, features = hand_made()
    label = build_labels_from_config(panel, SETTINGS)["label_2d"]
    expected = expected_live_rows(panel, label, features, bars=BARS)
    assert sorted(readable(expected)) == LIVE


def test_a_label_missing_for_a_long_gap_makes_no_live_row():
    tables = hand_made()

    def without(*dates):
        rows = [("FULL", DATES[date]) for date in dates]
        return [table.drop(index=rows) for table in tables]

    # Bars 0, 8 and 9 are left of FULL: bar 0 has two bars behind it, its exit is to come.
    assert ("FULL", 0) in readable(find_live_rows(*without(*range(1, 8)), bars=BARS))
    # With bar 7 its exit is bar 9, nine dates away: it has no label, but its horizon is over.
    panel, features = without(*range(1, 7))
    label = build_labels_from_config(panel, SETTINGS)["label_2d"]
    assert np.isnan(label[("FULL", DATES[0])])
    live = readable(find_live_rows(panel, features, bars=BARS))
    assert live == LIVE
    assert live == sorted(readable(expected_live_rows(panel, label, features, bars=BARS)))


def test_without_a_universe_every_instrument_with_a_last_bar_trades():
    panel, features = hand_made()
    rows = readable(find_live_rows(panel.drop(columns="in_universe"), features, bars=BARS))
    # LEFT has no features on the last two dates, on which it is no member.
    assert rows == sorted([*LIVE, ("LEFT", 7)])


@st.composite
def panels(draw):
    n_dates, names = 12, ["A", "B", "C"]
    cells = st.lists(st.booleans(), min_size=3 * n_dates, max_size=3 * n_dates)
    has_bar, member, has_features = (np.array(draw(cells)) for _ in range(3))
    dates = pd.bdate_range("2024-01-01", periods=n_dates)
    index = panel_index(names * n_dates, dates.repeat(3))
    panel = pd.DataFrame({"close": 10.0, "in_universe": member}, index=index)[has_bar]
    features = pd.DataFrame({"F": 0.0}, index=index[has_bar & member & has_features])
    return panel, features


@settings(max_examples=40, deadline=None)
@given(tables=panels(), lag=st.integers(0, 2), horizon=st.integers(1, 3))
def test_row_by_row_definition_on_random_panels(tables, lag, horizon):
    panel, features = tables
    if panel.empty:
        return
    bars = lag + horizon
    rows, last = list(panel.index), panel.index.get_level_values("datetime").max()
    members = {
        name for (name, date), member in panel["in_universe"].items() if member and date == last
    }
    expected = [
        (name, date)
        for name, date in features.index
        if name in members and sum(n == name and day > date for n, day in rows) < bars
    ]

    assert list(find_live_rows(panel, features, bars=bars)) == sorted(expected)

    try:
        labels = build_labels_from_config(panel, {"horizons": [horizon], "execution_lag_days": lag})
    except LabelError:
        return
    label = labels[f"label_{horizon}d"]
    assert sorted(expected_live_rows(panel, label, features, bars=bars)) == sorted(expected)
