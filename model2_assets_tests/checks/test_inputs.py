# ruff: noqa: PD011 -- an outcome's values are a mapping
"""Checks of market data, labels, features and splits: every planted fault is named."""

from datetime import UTC, date, datetime

import numpy as np
import pandas as pd
import pytest

from model2_assets.checks import (
    CheckOutcome,
)
from model2_assets.labels import build_labels_from_config
from model2_assets.panel import panel_index
from model2_assets_tests.checks.builders import (
    check_features_consistent,
    check_fresh,
    check_history_unchanged,
    check_labels_consistent,
    check_minimum_samples,
    check_no_label_overlap,
)
from model2_assets_tests.market_data.test_history import DATES, changed
from model2_assets_tests.market_data.test_history import panel as past_panel

DAYS = pd.bdate_range("2024-01-01", periods=8).as_unit("us")
MEMBERS = ("A", "B")


def panel() -> pd.DataFrame:
    """Three instruments, the last outside the universe."""
    names = ("A", "B", "C")
    index = panel_index(list(names) * len(DAYS), DAYS.repeat(3))
    inside = index.get_level_values("instrument").isin(MEMBERS)
    return pd.DataFrame({"close": 1.0, "in_universe": inside}, index=index)


def labels(lag: int = 1, horizon: int = 2) -> pd.DataFrame:
    """Labels that end on the exit bar, missing for the last rows."""
    index = panel()[panel()["in_universe"]].index
    reach = horizon + lag
    day = np.arange(len(index)) // 2
    has_label = day < len(DAYS) - reach
    ends = pd.Series(DAYS[np.minimum(day + reach, len(DAYS) - 1)]).where(has_label).to_numpy()
    values = np.where(has_label, 5.0, np.nan)
    columns = {
        f"forward_return_{horizon}d": values,
        f"label_{horizon}d": values,
        f"label_end_{horizon}d": ends.astype("datetime64[us]"),
    }
    return pd.DataFrame(columns, index=index)


def consistent(frame: pd.DataFrame, horizons=("2d",)) -> CheckOutcome:
    return check_labels_consistent(frame, panel(), horizons=horizons, execution_lag_days=1)


def put(frame: pd.DataFrame, column: str, row: int, value: object) -> pd.DataFrame:
    changed = frame.copy()
    changed.iloc[row, changed.columns.get_loc(column)] = value
    return changed


def test_labels_of_the_panel_are_consistent():
    outcome = consistent(labels())
    assert (outcome.name, outcome.passed, outcome.severity) == ("consistent", True, "error")
    assert outcome.description == "1 horizons, 16 rows"
    assert outcome.values == {"labelled_2d": 10}


def test_labels_may_look_further_than_the_exit():
    assert consistent(put(labels(), "label_end_2d", 0, DAYS[7])).passed


@pytest.mark.parametrize(
    ("frame", "problem"),
    [
        (
            put(labels(), "label_end_2d", 2, DAYS[3]),
            "label_end_2d is before the own bar at which the position ends: 1 rows, "
            "first A 2024-01-02",
        ),
        (
            put(labels(), "label_2d", 3, np.nan),
            "label_2d and label_end_2d are not missing together: 1 rows, first B 2024-01-02",
        ),
        (
            put(labels(), "label_end_2d", 3, pd.NaT),
            "label_2d and label_end_2d are not missing together: 1 rows, first B 2024-01-02",
        ),
        (put(labels(), "label_2d", 1, np.inf), "label_2d is infinite: 1 rows, first B 2024-01-01"),
        (put(labels(), "label_2d", 1, -np.inf), "label_2d is infinite: 1 rows, first B 2024-01-01"),
        (
            put(labels(), "forward_return_2d", 1, np.inf),
            "forward_return_2d is infinite: 1 rows, first B 2024-01-01",
        ),
        (
            put(labels(), "forward_return_2d", 3, np.nan),
            "forward_return_2d is missing where there is a label: 1 rows, first B 2024-01-02",
        ),
        (labels().drop(columns="label_end_2d"), "column 'label_end_2d' is missing"),
        (labels().drop(columns="forward_return_2d"), "column 'forward_return_2d' is missing"),
        (
            labels().assign(label_end_2d="2024-01-10"),
            "label_end_2d is str, not a date without time zone",
        ),
        (
            labels().rename(index={"B": "C"}, level="instrument"),
            "not a row of the universe: 8 rows, first C 2024-01-01",
        ),
        (
            labels().rename(index={"B": "Z"}, level="instrument"),
            "not a row of the universe: 8 rows, first Z 2024-01-01",
        ),
    ],
    ids=[
        "too early an end", "end without label", "label without end", "infinity",
        "minus infinity", "infinite return", "label without return", "no end",
        "no return", "text as end", "outsider", "stranger",
    ],
)  # fmt: skip
def test_planted_fault_in_labels_is_named(frame, problem):
    outcome = consistent(frame)
    assert not outcome.passed
    assert problem in outcome.description


@pytest.mark.parametrize(
    ("lag", "end", "problem"),
    [
        (1, 2, ""),  # the bar of the entry; the exit of the horizon is the fifth day
        (1, 7, ""),
        (0, 2, ""),
        (1, 1, "before the own bar of its entry, or not after its own date: 1 rows, first A 2024"),
        (0, 1, "before the own bar of its entry, or not after its own date: 1 rows, first A 2024"),
        (2, 2, "before the own bar of its entry, or not after its own date: 1 rows, first A 2024"),
        (1, 0, "before the own bar of its entry, or not after its own date: 1 rows, first A 2024"),
        (1, None, "label_2d and label_end_2d are not missing together: 1 rows, first A 2024-01-02"),
        (1, 8, "label_end_2d is after the last market data, 2024-01-10: 1 rows, first A 2024"),
    ],
)
def test_an_end_of_another_builder_may_come_before_its_horizon_but_must_be_possible(
    lag, end, problem
):
    days = DAYS.append(DAYS[-1:] + pd.offsets.BDay())
    frame = put(labels(lag=0, horizon=2), "label_end_2d", 2, pd.NaT if end is None else days[end])
    outcome = check_labels_consistent(
        frame, panel(), horizons=["2d"], execution_lag_days=lag, builder="a:b"
    )
    assert outcome.passed == (not problem)
    assert problem in outcome.description


def test_labels_that_ignore_the_execution_lag_end_too_early():
    outcome = consistent(labels(lag=0))
    assert not outcome.passed
    assert "label_end_2d is before the own bar" in outcome.description


def test_exit_is_counted_in_the_instruments_own_bars():
    gone = panel().drop([("B", DAYS[1]), ("B", DAYS[2])])
    frame = labels().reindex(gone[gone["in_universe"]].index)
    outcome = check_labels_consistent(frame, gone, horizons=["2d"], execution_lag_days=1)
    assert not outcome.passed
    assert "first B 2024-01-01" in outcome.description


@pytest.mark.parametrize("final", [np.nan, -0.5])
def test_a_label_of_a_delisted_name_ends_no_earlier_than_its_last_bar(final):
    # B ends on the third day; with a delisting return, another B begins on the fourth.
    gone = panel().assign(delisting_return=np.nan)
    gone.loc[("B", DAYS[2]), "delisting_return"] = final
    if np.isnan(final):
        gone = gone[(gone.index.get_level_values(0) != "B") | (np.arange(len(gone)) // 3 < 3)]
    config = {"horizons": [2], "excess": False, "winsorize": 0, "delisted_after": 1}
    frame = build_labels_from_config(gone, config)
    row = frame.index.get_loc(("B", DAYS[0]))
    assert frame["label_2d"].iloc[row] == (0.0 if np.isnan(final) else -5000.0)

    def outcome(end):
        labels = put(frame, "label_end_2d", row, end)
        return check_labels_consistent(labels, gone, horizons=["2d"], execution_lag_days=1)

    assert outcome(frame["label_end_2d"].iloc[row]).passed
    assert "first B 2024-01-01" in outcome(DAYS[1]).description


def test_horizon_without_any_label_is_named():
    empty = labels().assign(label_2d=np.nan)
    empty["label_end_2d"] = pd.Series(pd.NaT, index=empty.index).astype("datetime64[us]")
    outcome = consistent(empty)
    assert outcome.description == "label_2d has no value at all; shorten the horizon"
    assert outcome.values == {"labelled_2d": 0}


def test_absent_horizon_is_named_beside_those_that_are_there():
    outcome = consistent(labels(), horizons=("2d", "5d"))
    assert outcome.description == "column 'forward_return_5d' is missing"
    assert outcome.values == {"labelled_2d": 10}


def test_labels_that_are_no_numbers_do_not_break_the_check():
    outcome = consistent(labels().assign(label_2d="high"))
    assert not outcome.passed
    assert "not missing together" in outcome.description


def features() -> pd.DataFrame:
    index = panel()[panel()["in_universe"]].index
    values = np.linspace(-1, 1, 2 * len(index), dtype=np.float32).reshape(-1, 2)
    frame = pd.DataFrame(values, index=index, columns=["KMID", "ROC5"])
    return put(frame, "ROC5", 3, np.nan)


def test_features_of_the_panel_are_consistent():
    outcome = check_features_consistent(features(), panel())
    assert (outcome.name, outcome.passed, outcome.severity) == ("consistent", True, "error")
    assert outcome.description == "2 features, 16 rows, 3.12% missing"
    assert outcome.values == {"features": 2, "rows": 16, "missing_share": 1 / 32}


@pytest.mark.parametrize(
    ("frame", "description"),
    [
        (
            put(features(), "ROC5", 5, np.inf),
            "feature 'ROC5' is infinite: 1 rows, first B 2024-01-03",
        ),
        (
            features().rename(index={"A": "C"}, level="instrument"),
            "not a row of the universe: 8 rows, first C 2024-01-01",
        ),
        (features().iloc[:0], "there are 0 rows and 2 features"),
        (features()[[]], "there are 16 rows and 0 features"),
    ],
)
def test_planted_fault_in_features_is_named(frame, description):
    outcome = check_features_consistent(frame, panel())
    assert not outcome.passed
    assert outcome.description == description
    assert 0 <= outcome.values["missing_share"] <= 1


def test_features_that_are_no_numbers_are_left_to_the_contract():
    assert check_features_consistent(features().assign(ROC5="high"), panel()).passed


def splits(roles_by_day: list[str]) -> pd.DataFrame:
    """One split over the labelled days of `labels`, a letter a day: t(e)st or t(r)ain."""
    index = labels().dropna().index
    role = {"r": 0, "e": 1, "b": 2}
    columns = {
        f"split_{split_id}": np.repeat([role[letter] for letter in days], 2).astype(np.int8)
        for split_id, days in enumerate(roles_by_day)
    }
    frame = pd.DataFrame(columns, index=index)
    frame.insert(0, "group_id", np.repeat([0, 0, 0, 0, 1], 2).astype(np.int16))
    return frame


def test_splits_without_overlap_pass():
    outcome = check_no_label_overlap(splits(["rbbbe", "ebbbr"]), labels())
    assert (outcome.name, outcome.passed, outcome.severity) == ("no_label_overlap", True, "error")
    assert outcome.description == "0 overlapping rows in 2 splits"
    assert outcome.values == {
        "overlaps": 0,
        "overlaps_of_longest_window": 0,
        "splits": 2,
    }


def test_overlapping_train_row_is_named():
    outcome = check_no_label_overlap(splits(["rbbbe", "erbbb"]), labels())
    assert not outcome.passed
    assert outcome.description.startswith("split 1: train row A 2024-01-02 (label to 2024-01-05)")
    assert outcome.values == {
        "overlaps": 2,
        "overlaps_of_longest_window": 2,
        "splits": 2,
    }


@pytest.mark.parametrize(("needed", "passed"), [(1, True), (2, True), (3, False)])
def test_folds_need_enough_samples(needed, passed):
    outcome = check_minimum_samples(splits(["rbbbe"]), labels(), min_samples=needed)
    assert (outcome.name, outcome.passed) == ("minimum_samples", passed)
    assert outcome.severity == "error"
    assert outcome.values == {"smallest": 2, "needed": needed}
    if passed:
        assert outcome.description.startswith(f"the smallest fold has 2 rows, needed {needed};")
        assert "8 are never tested" in outcome.description
    else:
        assert "horizon 2d, split 0 testing fold 1: 2 labelled train rows" in outcome.description


def test_fold_without_train_rows_is_too_small():
    outcome = check_minimum_samples(splits(["bbbbe"]), labels(), min_samples=1)
    assert not outcome.passed
    assert outcome.values["smallest"] == 0


def test_unchanged_history_passes() -> None:
    outcome = check_history_unchanged(past_panel(12), past_panel())

    assert outcome.passed
    assert outcome.description == "all 30 past rows are as they were"
    assert set(outcome.values.values()) == {0, 30}


def test_restated_vanished_and_inserted_rows_warn_with_the_first_of_each() -> None:
    after = past_panel(12).drop([("A", DATES[4])])
    after.loc[("B", DATES[3]), "close"] = 11.5
    before = past_panel().drop([("C", DATES[0])])

    outcome = check_history_unchanged(after, before)

    assert (outcome.passed, outcome.severity) == (False, "warn")
    for text in (
        "1 past closes of 1 instruments were restated, first B 2024-01-04: close ",
        "1 past rows of 1 instruments vanished, first A 2024-01-05",
        "1 past rows of 1 instruments were inserted, first C 2024-01-01",
    ):
        assert text in outcome.description
    assert outcome.values["restated_values"] == 1


def test_splits_and_new_adjustments_are_named_and_pass() -> None:
    after = changed(past_panel(12), "close", "B", 0.25)
    after = changed(after, "volume", "B", 4.0)
    after = changed(after, "adjusted_close", "C", 0.99)

    outcome = check_history_unchanged(after, past_panel())

    assert outcome.passed
    assert outcome.description == (
        "all 30 past rows are as they were; split of B: closes × 0.25 up to 2024-01-12, "
        "volume × 4; adjusted closes of 1 instruments were adjusted anew by factors constant on "
        "stretches, first C"
    )


def test_history_without_an_earlier_panel_passes_and_says_so() -> None:
    first = check_history_unchanged(past_panel(), None)
    damaged = check_history_unchanged(past_panel(), None, problem="torn")

    assert first.passed
    assert first.description == "there is no panel of an earlier run"
    assert damaged.passed
    assert damaged.description == "torn"


FRIDAY = date(2024, 3, 8)


@pytest.mark.parametrize(
    ("now", "age"),
    [
        ("2024-03-08T23:00", 0),
        ("2024-03-09T12:00", 0),
        ("2024-03-10T12:00", 0),
        ("2024-03-11T03:59", 0),  # still Sunday in New York
        ("2024-03-11T04:01", 1),
        ("2024-03-12T12:00", 2),
        ("2024-03-15T12:00", 5),
        ("2024-03-18T12:00", 6),
    ],
)
def test_age_counts_the_weekdays_after_the_last_session(now: str, age: int) -> None:
    time = datetime.fromisoformat(now).replace(tzinfo=UTC)

    for limit in (age, age - 1):
        if limit < 0:
            continue
        outcome = check_fresh(FRIDAY, now=time, timezone="America/New_York", max_age_weekdays=limit)
        assert outcome.values["age_weekdays"] == age
        assert outcome.passed == (limit >= age)
        assert outcome.severity == "error"


def test_old_data_are_named_with_the_remedy() -> None:
    now = datetime(2024, 3, 13, 12, tzinfo=UTC)

    outcome = check_fresh(FRIDAY, now=now, timezone="UTC", max_age_weekdays=2)

    assert outcome.description == (
        "last session 2024-03-08, 3 weekdays old on 2024-03-13, allowed are 2: update the source, "
        "or raise max_age_weekdays"
    )


def test_without_a_limit_the_age_is_said_and_passes() -> None:
    now = datetime(2026, 3, 13, 12, tzinfo=UTC)

    outcome = check_fresh(FRIDAY, now=now, timezone="UTC", max_age_weekdays=None)

    assert outcome.passed
    assert "525 weekdays old on 2026-03-13; no age is demanded" in outcome.description


@pytest.mark.parametrize(
    ("last", "passed"), [(date(2024, 3, 14), True), (date(2024, 3, 15), False)]
)
def test_session_of_the_future_is_refused_beyond_a_day(last: date, passed: bool) -> None:
    now = datetime(2024, 3, 13, 12, tzinfo=UTC)

    outcome = check_fresh(last, now=now, timezone="UTC", max_age_weekdays=1)

    assert outcome.passed == passed
    assert outcome.values["age_weekdays"] == 0
    assert check_fresh(last, now=now, timezone="UTC", max_age_weekdays=None).passed
