"""Faults of public implementations, each on a case where the faulty rule leaks or loses rows.

Every function writes a faulty rule out, counts what it does on a planted case, and counts
the same for ours. Leaks are counted by comparing all pairs of rows.

``python -m model2_assets_tests.cross_validation.known_faults`` prints the table.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from model2_assets.cross_validation import PurgedEmbargoedTimeSeriesSplit
from model2_assets.labels import build_labels_from_config
from model2_assets.panel import date_codes, panel_index
from model2_assets_tests.cross_validation.panels import (
    count_leaks,
    dates_of,
    full_panel,
    one_series,
    touching,
)


@dataclass(frozen=True)
class Fault:
    """What a faulty rule does on its planted case, and what ours does."""

    number: int
    rule: str
    counted: str
    faulty: int
    ours: int


def ours(index, label_end, *, n_groups, split_id, embargo_days=0, n_test_groups=1):
    splitter = PurgedEmbargoedTimeSeriesSplit(
        n_groups, n_test_groups=n_test_groups, embargo_days=embargo_days
    )
    return list(splitter.split(index, label_end=label_end))[split_id]


def without(rows, *others):
    return np.setdiff1d(rows, np.concatenate(others))


def embargo_past_the_end_of_history() -> Fault:
    # Faulty rule: the embargo is applied only if test end + embargo is still in history.
    index, label_end = one_series(20, window=0)
    embargo, rows = 10, np.arange(20)
    train, test = ours(index, label_end, n_groups=4, split_id=2, embargo_days=embargo)
    assert test.tolist() == [10, 11, 12, 13, 14]
    stop = test[-1] + 1 + embargo
    embargoed = rows[test[-1] + 1 : stop] if stop <= len(rows) else rows[:0]
    faulty_train = without(rows, test, embargoed)
    in_window = (rows > test[-1]) & (rows <= test[-1] + embargo)
    return Fault(
        1,
        "an embargo past the end of history does nothing",
        "train rows in the embargo",
        int(in_window[faulty_train].sum()),
        int(in_window[train].sum()),
    )


def purge_window_from_the_first_test_labels_end() -> Fault:
    # Faulty rule: purge what touches [first test label end, last test label end].
    index, label_end = one_series(20, window=4)
    train, test = ours(index, label_end, n_groups=4, split_id=2)
    start, end = dates_of(index), label_end.to_numpy()
    touches = (start <= end[test].max()) & (end >= end[test].min())
    faulty_train = without(np.arange(20), test, np.flatnonzero(touches))
    return _leaks(
        2,
        "the purge window starts at the first test label's end",
        index,
        label_end,
        (faulty_train, test),
        (train, test),
    )


def purging_before_the_block_only() -> Fault:
    # Faulty rule: only train rows dated before the block are purged.
    index, label_end = one_series(20, window=3)
    train, test = ours(index, label_end, n_groups=4, split_id=1)
    start, end = dates_of(index), label_end.to_numpy()
    reaches_in = (start < start[test].min()) & (end >= start[test].min())
    faulty_train = without(np.arange(20), test, np.flatnonzero(reaches_in))
    return _leaks(
        3,
        "purging before the test block only",
        index,
        label_end,
        (faulty_train, test),
        (train, test),
    )


def counting_rows(order: str) -> Fault:
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
    train, our_test = ours(index, label_end, n_groups=3, split_id=1)
    assert len(train) == n_instruments * (n_dates - 5 - 2 * window)
    return _leaks(
        4,
        f"counting rows rather than dates, {order}",
        index,
        label_end,
        (without(rows, test, rows[near]), test),
        (train, our_test),
    )


def counting_date_major_rows() -> Fault:
    return counting_rows("date-major")


def counting_instrument_major_rows() -> Fault:
    return counting_rows("instrument-major")


def a_date_in_two_groups() -> Fault:
    # Faulty rule: cut rows, not dates. No label looks ahead, so purging cannot mend it.
    index, label_end = full_panel(4, 10, window=0)
    rows = np.arange(len(index))
    parts = np.array_split(rows, 3)
    codes = date_codes(index).codes
    assert len(set(codes[parts[0]]) & set(codes[parts[1]])) == 1
    group = PurgedEmbargoedTimeSeriesSplit(3).group_ids(index)
    assert all(len(np.unique(group[codes == code])) == 1 for code in range(10))
    train, test = ours(index, label_end, n_groups=3, split_id=1)
    return Fault(
        5,
        "a date straddles two groups",
        "train rows dated on a test date",
        int(np.isin(codes[without(rows, parts[1])], codes[parts[1]]).sum()),
        int(np.isin(codes[train], codes[test]).sum()),
    )


def duplicate_dates() -> Fault:
    # Faulty rule: look positions up in an index of the rows' dates.
    index, label_end = full_panel(3, 12, window=2)
    dates = pd.DatetimeIndex(dates_of(index))
    train, test = ours(index, label_end, n_groups=3, split_id=1)
    assert (len(train), len(test)) == (12, 12)
    assert count_leaks(index, label_end, train, test) == 0
    return Fault(
        6,
        "duplicate dates raise an error on a panel",
        "errors",
        _errors(lambda: dates.get_indexer(label_end)),
        _errors(lambda: ours(index, label_end, n_groups=3, split_id=1)),
    )


def purging_the_convex_hull() -> Fault:
    # Faulty rule: purge what touches [first test date, last test label end] of all blocks.
    index, label_end = one_series(30, window=2)
    # Split 2 of C(6, 2) tests groups 0 and 3.
    train, test = ours(index, label_end, n_groups=6, n_test_groups=2, split_id=2)
    start, end = dates_of(index), label_end.to_numpy()
    in_hull = (start <= end[test].max()) & (end >= start[test].min())
    faulty_train = without(np.arange(30), test, np.flatnonzero(in_hull))
    harmless = np.flatnonzero(~touching(index, label_end)[:, test].any(axis=1))
    assert count_leaks(index, label_end, train, test) == 0
    return Fault(
        7,
        "purging the convex hull of separate test blocks",
        "harmless rows not trained on",
        len(np.setdiff1d(harmless, faulty_train)),
        len(np.setdiff1d(harmless, train)),
    )


def remainder_dates() -> Fault:
    # Faulty rule: groups of n_dates // n_groups dates each.
    index, label_end = one_series(29, window=0)
    splits = PurgedEmbargoedTimeSeriesSplit(10, embargo_days=0).split(index, label_end=label_end)
    tested = np.concatenate([test for _, test in splits])
    assert len(tested) == len(np.unique(tested))
    return Fault(
        8,
        "remainder dates (29 dates, 10 groups)",
        "dates never tested",
        29 - 10 * (29 // 10),
        29 - len(tested),
    )


def half_open_intervals() -> Fault:
    # Faulty rule: intervals overlap where start < other end and other start < end.
    index, label_end = full_panel(2, 20, window=3)
    train, test = ours(index, label_end, n_groups=4, split_id=1)
    start, end = dates_of(index), label_end.to_numpy()
    half_open = (start[:, None] < end[test]) & (start[test] < end[:, None])
    faulty_train = without(np.arange(40), test, np.flatnonzero(half_open.any(axis=1)))
    return _leaks(
        9,
        "half-open intervals keep a row that touches",
        index,
        label_end,
        (faulty_train, test),
        (train, test),
    )


def bars(**days: list[int]) -> pd.DataFrame:
    """Return a market with one bar for each named day of each instrument."""
    calendar = pd.bdate_range("2024-01-01", periods=200)
    rows = [(name, calendar[day]) for name, numbers in days.items() for day in numbers]
    index = panel_index([name for name, _ in rows], [date for _, date in rows])
    close = 100 + np.random.default_rng(0).normal(size=len(rows)).cumsum()
    return pd.DataFrame({"close": close, "in_universe": True}, index=index)


def labelled(panel: pd.DataFrame, horizon: int, **settings: object):
    """Return the rows with a label, and their label ends."""
    plain = {"execution_lag_days": 1, "excess": False, "winsorize": 0, "min_names": 1}
    labels = build_labels_from_config(panel, {"horizons": [horizon]} | plain | settings)
    end = labels[f"label_end_{horizon}d"].dropna()
    return end.index, pd.DatetimeIndex(end)


def label_ends_by_the_calendar() -> Fault:
    # Faulty rule: the label ends horizon + lag dates of the panel ahead.
    gapped = [day for day in range(60) if day % 2 == 0]
    index, label_end = labelled(bars(A=list(range(60)), B=gapped), 4)
    calendar = np.unique(dates_of(index))
    ahead = np.minimum(date_codes(index).codes + 5, len(calendar) - 1)
    faulty_end = np.maximum(calendar[ahead], dates_of(index))
    # Days 19 to 36 are tested. B looks 10 days ahead, the rule says 5: B on days 10 and 12
    # looks in, and B on day 36 looks at days 42 to 46 (A on all five, B on three).
    return _leaks(
        10,
        "label ends of gapped instruments by the calendar's bars",
        index,
        label_end,
        ours(index, faulty_end, n_groups=3, split_id=1),
        ours(index, label_end, n_groups=3, split_id=1),
    )


def ends_of_cross_sectional_labels_by_own_bars() -> Fault:
    # Faulty rule: an excess label ends where the row's own return does, though it looks at
    # the returns of every row of its date.
    gapped = [day for day in range(60) if day % 2 == 0]
    panel = bars(A=list(range(60)), B=gapped, C=list(range(60)))
    index, label_end = labelled(panel, 4, excess=True)
    own_index, own_end = labelled(panel, 4)
    assert own_index.equals(index)
    latest = pd.Series(own_end, index=index).groupby("datetime").transform("max")
    assert (latest.to_numpy() == label_end.to_numpy()).all()
    # A and C on days 10 and 12 look 5 days ahead, and their label as far as B does: 10.
    return _leaks(
        10,
        "ends of cross-sectional labels by the row's own bars",
        index,
        label_end,
        ours(index, own_end, n_groups=3, split_id=1),
        ours(index, label_end, n_groups=3, split_id=1),
    )


def horizons_in_calendar_days() -> Fault:
    # Faulty rule: a label of horizon 21 ends 21 calendar days ahead.
    index, label_end = labelled(bars(A=list(range(150)), B=list(range(150))), 21)
    faulty_end = dates_of(index) + np.timedelta64(21, "D")
    # 22 bars ahead, but 21 days are 15 bars: 7 dates of two instruments on either side.
    return _leaks(
        11,
        "integer horizons read as calendar days",
        index,
        label_end,
        ours(index, faulty_end, n_groups=4, split_id=1),
        ours(index, label_end, n_groups=4, split_id=1),
    )


FAULTS: tuple[Callable[[], Fault], ...] = (
    embargo_past_the_end_of_history,
    purge_window_from_the_first_test_labels_end,
    purging_before_the_block_only,
    counting_date_major_rows,
    counting_instrument_major_rows,
    a_date_in_two_groups,
    duplicate_dates,
    purging_the_convex_hull,
    remainder_dates,
    half_open_intervals,
    label_ends_by_the_calendar,
    ends_of_cross_sectional_labels_by_own_bars,
    horizons_in_calendar_days,
)


def fault_table() -> str:
    """Return the faults as a table for people."""
    lines = [f"{'':>2}  {'faulty rule':<58}{'counted':<32}{'faulty':>6}{'ours':>6}"]
    lines += [
        f"{fault.number:>2}  {fault.rule:<58}{fault.counted:<32}{fault.faulty:>6}{fault.ours:>6}"
        for fault in (make() for make in FAULTS)
    ]
    return "\n".join(lines)


def _leaks(number, rule, index, label_end, faulty_split, our_split) -> Fault:
    return Fault(
        number,
        rule,
        "leaking train rows",
        count_leaks(index, label_end, *faulty_split),
        count_leaks(index, label_end, *our_split),
    )


def _errors(action: Callable[[], object]) -> int:
    try:
        action()
    except pd.errors.InvalidIndexError:
        return 1
    return 0


if __name__ == "__main__":
    print(fault_table())
