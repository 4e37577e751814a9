# ruff: noqa: PD011 -- an outcome's values are a mapping

from datetime import UTC, date, datetime

import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr

from model2_assets.checks import check_fresh, check_history_unchanged, check_oof_drift
from model2_assets.panel import panel_index
from model2_assets_tests.market_data.test_history import DATES, changed, panel

LIMITS = {"min_rank_correlation": 0.9, "max_bps": 50.0}


def oof(n_dates: int = 4, n_names: int = 5, shift: float = 0.0) -> pd.DataFrame:
    rng = np.random.default_rng(7)
    names = [f"N{number}" for number in range(n_names)]
    index = panel_index(np.repeat(names, n_dates), np.tile(DATES[:n_dates], n_names))
    prediction = rng.normal(0, 100, size=(n_names, len(DATES)))[:, :n_dates].ravel() + shift
    return pd.DataFrame({"prediction": prediction, "fold_id": np.int16(0)}, index=index)


def test_equal_predictions_of_old_dates_do_not_drift() -> None:
    outcome = check_oof_drift(oof(6), oof(4), **LIMITS)

    assert outcome.passed
    assert outcome.severity == "warn"
    assert outcome.values == {
        "rank_correlation": 1.0,
        "largest_difference_bps": 0.0,
        "common_rows": 20,
        "rows_gone": 0,
        "rows_new": 10,
    }


def test_drift_is_the_mean_of_the_correlations_of_dates_and_the_largest_difference() -> None:
    before, now = oof(4), oof(4)
    now["prediction"] += np.random.default_rng(1).normal(0, 60, size=len(now))
    now = now.sample(frac=1, random_state=2).drop([("N1", DATES[2])])

    outcome = check_oof_drift(now, before, **LIMITS)

    common = before.join(now.add_suffix("_now"), how="inner")
    by_date = common.groupby(level="datetime")
    expected = by_date.apply(lambda day: spearmanr(day["prediction"], day["prediction_now"])[0])
    assert outcome.values["rank_correlation"] == pytest.approx(expected.mean(), abs=1e-12)
    size = (common["prediction"] - common["prediction_now"]).abs()
    assert outcome.values["largest_difference_bps"] == pytest.approx(size.max(), abs=1e-12)
    assert outcome.values["rows_gone"] == 1
    instrument, day = size.idxmax()
    assert f"at {instrument} {day:%Y-%m-%d}" in outcome.description
    assert not outcome.passed
    assert "model2 rollback returns to the predictions before" in outcome.description


@pytest.mark.parametrize(("shift", "passed"), [(50.0, True), (50.5, False)])
def test_largest_difference_warns_beyond_its_limit(shift: float, passed: bool) -> None:
    assert check_oof_drift(oof(shift=shift), oof(), **LIMITS).passed == passed


def test_reversed_ranks_warn_however_small_the_differences() -> None:
    small = oof() / 1e6

    outcome = check_oof_drift(-small, small, **LIMITS)

    assert not outcome.passed
    assert outcome.values["rank_correlation"] == pytest.approx(-1)


def test_nothing_to_compare_with_passes_and_says_so() -> None:
    assert check_oof_drift(oof(), None, **LIMITS).description == "there are no earlier predictions"
    damaged = check_oof_drift(oof(), None, **LIMITS, problem="x.parquet: torn")
    assert (damaged.passed, damaged.description) == (True, "x.parquet: torn")


def test_no_common_row_warns() -> None:
    other = oof(n_names=2).rename(index={"N0": "X", "N1": "Y"}, level=0)

    outcome = check_oof_drift(oof(), other, **LIMITS)

    assert not outcome.passed
    assert "none of the 8 rows predicted before is predicted now" in outcome.description


def test_too_few_names_for_ranks_are_judged_by_size_alone() -> None:
    outcome = check_oof_drift(oof(n_names=2, shift=1.0), oof(n_names=2), **LIMITS)

    assert outcome.passed
    assert np.isnan(float(outcome.values["rank_correlation"]))


def test_unchanged_history_passes() -> None:
    outcome = check_history_unchanged(panel(12), panel())

    assert outcome.passed
    assert outcome.description == "all 30 past rows are as they were"
    assert set(outcome.values.values()) == {0, 30}


def test_restated_vanished_and_inserted_rows_warn_with_the_first_of_each() -> None:
    after = panel(12).drop([("A", DATES[4])])
    after.loc[("B", DATES[3]), "close"] = 11.5
    before = panel().drop([("C", DATES[0])])

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
    after = changed(panel(12), "close", "B", 0.25)
    after = changed(after, "volume", "B", 4.0)
    after = changed(after, "adjusted_close", "C", 0.99)

    outcome = check_history_unchanged(after, panel())

    assert outcome.passed
    assert outcome.description == (
        "all 30 past rows are as they were; split of B: closes × 0.25 up to 2024-01-12, "
        "volume × 4; adjusted closes of 1 instruments were adjusted anew by factors constant on "
        "stretches, first C"
    )


def test_history_without_an_earlier_panel_passes_and_says_so() -> None:
    first = check_history_unchanged(panel(), None)
    damaged = check_history_unchanged(panel(), None, problem="torn")

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
