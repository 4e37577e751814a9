# ruff: noqa: PD011 -- an outcome's values are a mapping
"""Checks of predictions beside earlier ones."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr

from model2_assets.panel import panel_index
from model2_assets_tests.checks.builders import (
    check_oof_drift,
)
from model2_assets_tests.market_data.test_history import DATES

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
