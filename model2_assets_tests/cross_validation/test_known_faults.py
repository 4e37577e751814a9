"""Faults of public implementations, each on a case where the faulty rule leaks or loses rows.

Every test writes the faulty rule out, counts what it does on a planted case, and counts the
same for ours. Leaks are counted by comparing all pairs of rows.
"""

import numpy as np
import pandas as pd
import pytest

from model2_assets.cross_validation import PurgedEmbargoedTimeSeriesSplit
from model2_assets.labels import build_labels_from_config
from model2_assets.panel import date_codes, panel_index
from model2_assets_tests.cross_validation._panels import (
    count_leaks,
    dates_of,
    full_panel,
    one_series,
    touching,
)


def ours(index, label_end, *, n_groups, split_id, embargo_days=0, n_test_groups=1):
    splitter = PurgedEmbargoedTimeSeriesSplit(
        n_groups, n_test_groups=n_test_groups, embargo_days=embargo_days
    )
    return list(splitter.split(index, label_end=label_end))[split_id]


def without(rows, *others):
    return np.setdiff1d(rows, np.concatenate(others))


def test_01_embargo_that_does_nothing_when_it_passes_the_end_of_history():
    # Faulty rule: the embargo is applied only if test end + embargo is still in history.
    index, label_end = one_series(20, window=0)
    embargo, rows = 10, np.arange(20)
    train, test = ours(index, label_end, n_groups=4, split_id=2, embargo_days=embargo)
    assert test.tolist() == [10, 11, 12, 13, 14]
    stop = test[-1] + 1 + embargo
    embargoed = rows[test[-1] + 1 : stop] if stop <= len(rows) else rows[:0]
    faulty_train = without(rows, test, embargoed)
    in_window = (rows > test[-1]) & (rows <= test[-1] + embargo)
    assert in_window[faulty_train].sum() == 5
    assert in_window[train].sum() == 0


def test_02_purge_window_that_starts_at_the_first_test_labels_end():
    # Faulty rule: purge what touches [first test label end, last test label end].
    index, label_end = one_series(20, window=4)
    train, test = ours(index, label_end, n_groups=4, split_id=2)
    start, end = dates_of(index), label_end.to_numpy()
    touches = (start <= end[test].max()) & (end >= end[test].min())
    faulty_train = without(np.arange(20), test, np.flatnonzero(touches))
    assert count_leaks(index, label_end, faulty_train, test) == 4
    assert count_leaks(index, label_end, train, test) == 0


def test_03_purging_before_the_test_block_only():
    # Faulty rule: only train rows dated before the block are purged.
    index, label_end = one_series(20, window=3)
    train, test = ours(index, label_end, n_groups=4, split_id=1)
    start, end = dates_of(index), label_end.to_numpy()
    reaches_in = (start < start[test].min()) & (end >= start[test].min())
    faulty_train = without(np.arange(20), test, np.flatnonzero(reaches_in))
    assert count_leaks(index, label_end, faulty_train, test) == 3
    assert count_leaks(index, label_end, train, test) == 0


@pytest.mark.parametrize(("order", "leaks"), [("date-major", 24), ("instrument-major", 44)])
def test_04_counting_rows_rather_than_dates(order, leaks):
    # Faulty rule: cut rows into groups, and purge `window` rows on either side. Date-major,
    # that purges 3 of the 15 rows on either side; instrument-major, tests cover every date.
    window, n_instruments, n_dates = 3, 5, 15
    index, label_end = full_panel(n_instruments, n_dates, window=window)
    if order == "instrument-major":
        by_name = np.argsort(index.get_level_values("instrument"), kind="stable")
        index, label_end = index[by_name], label_end[by_name]
    rows = np.arange(len(index))
    test = np.array_split(rows, 3)[1]
    near = (rows >= test[0] - window) & (rows <= test[-1] + window)
    faulty_train = without(rows, test, rows[near])
    assert count_leaks(index, label_end, faulty_train, test) == leaks
    train, test = ours(index, label_end, n_groups=3, split_id=1)
    assert count_leaks(index, label_end, train, test) == 0
    assert len(train) == n_instruments * (n_dates - 5 - 2 * window)


def test_05_a_date_that_straddles_two_groups():
    # Faulty rule: cut rows, not dates. No label looks ahead, so purging cannot mend it.
    index, label_end = full_panel(4, 10, window=0)
    rows = np.arange(len(index))
    parts = np.array_split(rows, 3)
    codes = date_codes(index).codes
    shared = set(codes[parts[0]]) & set(codes[parts[1]])
    assert len(shared) == 1
    assert np.isin(codes[without(rows, parts[1])], codes[parts[1]]).sum() == 3
    splitter = PurgedEmbargoedTimeSeriesSplit(3)
    group = splitter.group_ids(index)
    assert all(len(np.unique(group[codes == code])) == 1 for code in range(10))
    train, test = ours(index, label_end, n_groups=3, split_id=1)
    assert np.isin(codes[train], codes[test]).sum() == 0


def test_06_duplicate_dates_that_raise_an_error():
    # Faulty rule: look positions up in an index of the rows' dates.
    index, label_end = full_panel(3, 12, window=2)
    dates = pd.DatetimeIndex(dates_of(index))
    with pytest.raises(pd.errors.InvalidIndexError):
        dates.get_indexer(label_end)
    train, test = ours(index, label_end, n_groups=3, split_id=1)
    assert (len(train), len(test)) == (12, 12)
    assert count_leaks(index, label_end, train, test) == 0


def test_07_purging_the_convex_hull_of_separate_test_blocks():
    # Faulty rule: purge what touches [first test date, last test label end] of all blocks.
    index, label_end = one_series(30, window=2)
    # Split 2 of C(6, 2) tests groups 0 and 3.
    train, test = ours(index, label_end, n_groups=6, n_test_groups=2, split_id=2)
    start, end = dates_of(index), label_end.to_numpy()
    in_hull = (start <= end[test].max()) & (end >= start[test].min())
    faulty_train = without(np.arange(30), test, np.flatnonzero(in_hull))
    harmless = ~touching(index, label_end)[:, test].any(axis=1)
    assert harmless.sum() - len(faulty_train) == 6
    assert train.tolist() == np.flatnonzero(harmless).tolist()


def test_08_remainder_dates_that_are_never_tested():
    # Faulty rule: groups of n_dates // n_groups dates each.
    index, label_end = one_series(29, window=0)
    size = 29 // 10
    assert 29 - len(range(10 * size)) == 9
    splits = PurgedEmbargoedTimeSeriesSplit(10, embargo_days=0).split(index, label_end=label_end)
    tested = np.concatenate([test for _, test in splits])
    assert np.sort(tested).tolist() == list(range(29))


def test_09_half_open_intervals_that_keep_a_touching_row():
    # Faulty rule: intervals overlap where start < other end and other start < end.
    index, label_end = full_panel(2, 20, window=3)
    train, test = ours(index, label_end, n_groups=4, split_id=1)
    start, end = dates_of(index), label_end.to_numpy()
    half_open = (start[:, None] < end[test]) & (start[test] < end[:, None])
    faulty_train = without(np.arange(40), test, np.flatnonzero(half_open.any(axis=1)))
    assert count_leaks(index, label_end, faulty_train, test) == 4
    assert count_leaks(index, label_end, train, test) == 0


def bars(**days: list[int]) -> pd.DataFrame:
    """Return a market with one bar for each named day of each instrument."""
    calendar = pd.bdate_range("2024-01-01", periods=200)
    rows = [(name, calendar[day]) for name, numbers in days.items() for day in numbers]
    index = panel_index([name for name, _ in rows], [date for _, date in rows])
    close = 100 + np.random.default_rng(0).normal(size=len(rows)).cumsum()
    return pd.DataFrame({"close": close, "in_universe": True}, index=index)


def labelled(panel: pd.DataFrame, horizon: int, **settings: object):
    """Return the rows with a label, and their label ends."""
    plain = {"horizons": [horizon], "execution_lag_days": 1, "excess": False, "winsorize": 0}
    labels = build_labels_from_config(panel, plain | settings)
    end = labels[f"label_end_{horizon}d"].dropna()
    return end.index, pd.DatetimeIndex(end)


def test_10_raw_label_ends_of_gapped_instruments_by_the_calendars_bars():
    # Faulty rule: the label ends horizon + lag dates of the panel ahead.
    gapped = [day for day in range(60) if day % 2 == 0]
    index, label_end = labelled(bars(A=list(range(60)), B=gapped), 4)
    calendar = np.unique(dates_of(index))
    ahead = np.minimum(date_codes(index).codes + 5, len(calendar) - 1)
    faulty_end = np.maximum(calendar[ahead], dates_of(index))
    faulty_train, test = ours(index, faulty_end, n_groups=3, split_id=1)
    # Days 19 to 36 are tested. B looks 10 days ahead, the rule says 5: B on days 10 and 12
    # looks in, and B on day 36 looks at days 42 to 46 (A on all five, B on three).
    assert count_leaks(index, label_end, faulty_train, test) == 10
    train, test = ours(index, label_end, n_groups=3, split_id=1)
    assert count_leaks(index, label_end, train, test) == 0


def test_10_ends_of_cross_sectional_labels_by_the_rows_own_bars():
    # Faulty rule: an excess label ends where the row's own return does, though it looks at
    # the returns of every row of its date.
    gapped = [day for day in range(60) if day % 2 == 0]
    panel = bars(A=list(range(60)), B=gapped, C=list(range(60)))
    index, label_end = labelled(panel, 4, excess=True)
    own_index, own_end = labelled(panel, 4)
    assert own_index.equals(index)
    faulty_train, test = ours(index, own_end, n_groups=3, split_id=1)
    # A and C on days 10 and 12 look 5 days ahead, and their label as far as B does: 10.
    assert count_leaks(index, label_end, faulty_train, test) == 4
    train, test = ours(index, label_end, n_groups=3, split_id=1)
    assert count_leaks(index, label_end, train, test) == 0
    latest = pd.Series(own_end, index=index).groupby("datetime").transform("max")
    assert (latest.to_numpy() == label_end.to_numpy()).all()


def test_11_integer_horizons_read_as_calendar_days():
    # Faulty rule: a label of horizon 21 ends 21 calendar days ahead.
    index, label_end = labelled(bars(A=list(range(150)), B=list(range(150))), 21)
    faulty_end = dates_of(index) + np.timedelta64(21, "D")
    faulty_train, test = ours(index, faulty_end, n_groups=4, split_id=1)
    # 22 bars ahead, but 21 days are 15 bars: 7 dates of two instruments on either side.
    assert count_leaks(index, label_end, faulty_train, test) == 28
    train, test = ours(index, label_end, n_groups=4, split_id=1)
    assert count_leaks(index, label_end, train, test) == 0
