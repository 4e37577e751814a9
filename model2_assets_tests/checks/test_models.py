# ruff: noqa: PD011 -- an outcome's values are a mapping
"""Checks of models, scores and live predictions: every planted fault is named."""

import numpy as np
import pandas as pd
import pytest

from model2_assets.panel import panel_index
from model2_assets.storage.data_version import stamped
from model2_assets_tests.checks.builders import (
    check_every_feature,
    check_feature_ic,
    check_live_coverage,
    check_models_complete,
    check_newest_date,
    check_resembles_oof,
    check_scores_current,
)
from model2_assets_tests.sample_tables import cv_scores, feature_importance

DATES = ["2024-01-02", "2024-01-03"]
LIVE = panel_index(["A", "A", "B"], [*DATES, DATES[1]])


@pytest.mark.parametrize(
    ("found", "passed"),
    [
        ([0, 1, 2], True),
        ([2, 0, 1], True),
        ([], False),
        ([0, 2], False),
        ([0, 1], False),
        ([0, 1, 1], False),
        ([0, 1, 3], False),
        ([0, 1, 2, 2], False),
    ],
)
def test_every_split_has_one_model(found: list[int], passed: bool) -> None:
    outcome = check_models_complete(found, (0, 1, 2))

    assert (outcome.name, outcome.passed, outcome.severity) == ("complete", passed, "error")
    assert outcome.description == f"models of splits {sorted(found)}, expected [0, 1, 2]"
    assert outcome.values == {"models": len(found), "splits": 3}


def test_importance_of_every_feature_passes():
    outcome = check_every_feature(feature_importance(), ["ROC5", "KMID"])
    assert (outcome.name, outcome.passed, outcome.severity) == ("every_feature", True, "error")
    assert outcome.description == "2 rows for 2 features"
    assert outcome.values == {"features": 2, "missing": 0}


@pytest.mark.parametrize(
    ("rows", "names", "description"),
    [
        ([0], ["KMID", "ROC5"], "features without a row: ROC5"),
        ([0, 1], ["KMID", "ROC5", "B", "A"], "features without a row: A, B"),
        ([0, 1, 1], ["KMID", "ROC5"], "3 rows for 2 features"),
        ([0, 1], ["KMID"], "2 rows for 1 features"),
    ],
)
def test_features_without_importance_are_named(rows, names, description):
    outcome = check_every_feature(feature_importance().iloc[rows], names)
    assert not outcome.passed
    assert outcome.description == description


def features_alone(*, t: float = 40.0) -> dict[str, pd.DataFrame]:
    """Return three features, the first of which alone has a rank IC of 0.08."""
    dates = pd.bdate_range("2020-01-01", periods=900)
    index = panel_index(list("ABCDEF") * 900, np.repeat(dates, 6))
    values = np.random.default_rng(0).normal(size=(len(index), 3)).astype(np.float32)
    names = ["VENDOR", "KMID", "ROC5"]
    alone = {"feature": names, "rank_ic": [0.08, -0.03, 0.01], "rank_ic_t": [t, -2.0, 1.0]}
    return {
        "importance": pd.DataFrame(alone),
        "features": pd.DataFrame(values, index, columns=names),
        "labels": pd.DataFrame({"label_21d": values[:, 2]}, index),
    }


def test_a_feature_that_says_too_much_alone_is_warned_of_by_name() -> None:
    outcome = check_feature_ic(**features_alone(), limit=0.1)

    assert (outcome.name, outcome.passed, outcome.severity) == ("feature_ic", False, "warn")
    assert outcome.description == (
        "VENDOR alone has a rank IC of +0.0800, t +40.0, more than twice the -0.0300 of KMID, the "
        "best feature unlike it; look whether what it is made from was known at the close of its "
        "date"
    )
    assert outcome.values["conspicuous_features"] == 1
    above = check_feature_ic(**features_alone(), limit=0.05)
    assert "+0.0800, t +40.0, above 0.05;" in above.description


def test_of_many_features_five_are_named() -> None:
    found = features_alone()
    names = [f"F{number}" for number in range(8)]
    values = np.random.default_rng(0).normal(size=(len(found["features"]), 8)).astype(np.float32)
    found["features"] = pd.DataFrame(values, found["features"].index, columns=names)
    sizes = np.linspace(0.3, 0.2, 8)
    found["importance"] = pd.DataFrame({"feature": names, "rank_ic": sizes, "rank_ic_t": 50.0})

    outcome = check_feature_ic(**found, limit=0.1)

    assert outcome.values["conspicuous_features"] == 8
    assert "F4 alone" in outcome.description
    assert "F5" not in outcome.description
    assert "; 3 more features likewise; look" in outcome.description


def test_a_feature_that_luck_explains_is_none() -> None:
    outcome = check_feature_ic(**features_alone(t=6.0), limit=0.05)

    assert outcome.passed
    assert outcome.description == (
        "the largest rank IC of a feature alone is +0.0800 of VENDOR, t +6.0; t counts beyond 6.2"
    )


def test_tables_without_rank_ics_of_features_pass_and_say_so() -> None:
    found = features_alone()
    found["importance"] = found["importance"][["feature"]]

    outcome = check_feature_ic(**found, limit=0.1)

    assert outcome.passed
    assert outcome.description == "no feature has a rank IC of its own in this table"


def test_scores_are_those_of_the_predictions_whatever_their_order() -> None:
    scores = cv_scores()

    assert check_scores_current(scores, scores.iloc[::-1].reset_index(drop=True)).passed


def test_rounding_of_another_processor_is_no_difference() -> None:
    scores = cv_scores()

    assert check_scores_current(scores, scores.assign(value=scores["value"] * (1 + 1e-12))).passed


def test_another_score_is_named() -> None:
    scores = cv_scores()
    other = scores.copy()
    other.loc[(other["scope"] == "all") & (other["metric"] == "r2"), "value"] += 1e-6

    outcome = check_scores_current(scores, other)

    assert not outcome.passed
    assert outcome.description == (
        "1 of 6 scores are not those of the stored predictions, first r2 of scope all; "
        "materialize cv_scores again"
    )


def test_scores_of_other_folds_are_not_current() -> None:
    outcome = check_scores_current(cv_scores(folds=(0, 1)), cv_scores(folds=(0, 1, 2)))

    assert not outcome.passed
    assert "6 scores are stored, of others than the 8" in outcome.description


def predictions(rows: pd.MultiIndex, values=0.0) -> pd.DataFrame:
    return pd.DataFrame({"prediction": np.zeros(len(rows)) + values}, index=rows)


def panel(in_universe=(True, True, True)) -> pd.DataFrame:
    return pd.DataFrame({"close": 1.0, "in_universe": list(in_universe)}, index=LIVE)


def test_every_live_row_once_passes():
    outcome = check_live_coverage(predictions(LIVE), LIVE, panel())
    assert outcome.passed
    assert outcome.description == "3 live rows, each once"


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (LIVE[1:], "1 rows lack a prediction, first A 2024-01-02"),
        (LIVE.append(panel_index(["C"], ["2024-01-02"])), "1 rows are not live: they have a label"),
        (LIVE.append(LIVE[2:]), "1 rows repeat an earlier one, first B 2024-01-03"),
    ],
)
def test_missing_foreign_and_repeated_rows_are_named(rows, message):
    outcome = check_live_coverage(predictions(rows), LIVE, panel())
    assert not outcome.passed
    assert outcome.severity == "error"
    assert message in outcome.description


def test_newest_date_is_counted():
    outcome = check_newest_date(predictions(LIVE[:2]), panel())
    assert outcome.passed
    assert outcome.description == "1 of 2 instruments that trade on 2024-01-03"


@pytest.mark.parametrize(
    ("rows", "in_universe", "message"),
    [
        (LIVE[:1], (True, True, True), "none of the 2 instruments that trade on 2024-01-03, the"),
        (LIVE[:0], (True, False, False), "no instrument is in the universe on 2024-01-03, the la"),
    ],
)
def test_an_absent_newest_date_is_an_error_that_says_why(rows, in_universe, message):
    outcome = check_newest_date(predictions(rows), panel(in_universe))
    assert not outcome.passed
    assert outcome.severity == "error"
    assert outcome.description.startswith(message)


def history(n_dates: int, *, seed: int, names: int = 30, shift: float = 0.0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    dates = pd.bdate_range("2020-01-01", periods=n_dates)
    index = panel_index(np.tile([f"S{i:02d}" for i in range(names)], n_dates), dates.repeat(names))
    return predictions(index, rng.normal(shift, 50, size=len(index)))


def test_the_same_distribution_resembles_itself():
    oof = history(200, seed=1)
    outcome = check_resembles_oof(history(10, seed=2), oof, limit=0.25)
    assert outcome.passed
    assert outcome.severity == "warn"
    assert outcome.values["psi"] < 0.1
    assert outcome.values["live_rows"] == 300
    assert outcome.values["live_dates"] == 10
    assert outcome.values["oof_std_bps"] == pytest.approx(oof["prediction"].std())


@pytest.mark.parametrize("limit", [0.25, 0.1])
def test_a_planted_shift_warns_with_the_figures(limit):
    shifted = history(10, seed=2, shift=50)
    outcome = check_resembles_oof(shifted, history(200, seed=1), limit=limit)
    assert not outcome.passed
    assert outcome.severity == "warn"
    # One standard deviation: the divergence of two normal distributions is 1.
    assert outcome.values["psi"] == pytest.approx(1, abs=0.3)
    assert f"the limit is {limit:g}: live {shifted['prediction'].mean():.1f} ± " in (
        outcome.description
    )


def test_slopes_of_folds_and_of_the_model_that_trades_are_no_difference():
    oof, live = history(200, seed=1).reset_index(), history(10, seed=2)
    split_id = np.arange(len(oof)) % 3
    slopes, bases = np.array([0.05, 0.3, 0.9]), np.array([0.0, 2.0, -3.0])
    oof["split_id"] = split_id
    calibrated = bases[split_id] + slopes[split_id] * (oof["prediction"] - bases[split_id])
    stated = {str(split): [slopes[split], bases[split]] for split in range(3)}
    small = stamped(live * 0.2, inputs={}, calibrations={"0": [0.2, 0.0]})

    def check(**facts):
        paths = stamped(oof.assign(prediction=calibrated), inputs={}, **facts)
        return check_resembles_oof(small, paths, limit=0.25)

    alike = check(calibrations=stated)
    assert alike.passed
    assert alike.values["psi"] == pytest.approx(
        check_resembles_oof(live, oof, limit=0.25).values["psi"], rel=1e-6
    )
    assert not check().passed


def test_predictions_of_one_value_warn():
    outcome = check_resembles_oof(history(10, seed=2) * 0 + 1.0, history(200, seed=1), limit=0.25)
    assert not outcome.passed


def test_a_limit_that_is_not_reached_does_not_warn():
    shifted = history(10, seed=2, shift=50)
    assert check_resembles_oof(shifted, history(200, seed=1), limit=2.0).passed


def test_what_the_history_itself_does_is_no_warning():
    # Dates move together: each has one level of its own, and few of them make a stretch.
    rng = np.random.default_rng(5)
    levels = np.repeat(rng.normal(0, 100, size=200), 30)
    oof = history(200, seed=1) + levels[:, np.newaxis]
    live = history(2, seed=2) + np.repeat([60.0, 80.0], 30)[:, np.newaxis]

    outcome = check_resembles_oof(live, oof, limit=0.25)

    assert outcome.values["psi"] > 0.25
    assert outcome.values["psi_of_oof_stretches"] > outcome.values["psi"]
    assert outcome.passed
    assert not check_resembles_oof(live + 1000, oof, limit=0.25).passed


def test_nothing_to_compare_warns():
    outcome = check_resembles_oof(predictions(LIVE[:0]), history(20, seed=1), limit=0.25)
    assert not outcome.passed
    assert outcome.severity == "warn"
    assert "no predictions to compare" in outcome.description


def test_a_prediction_that_is_no_number_is_left_to_the_check_of_its_own():
    live = history(10, seed=2)
    live.iloc[:2, 0] = [np.nan, np.inf]
    assert check_resembles_oof(live, history(200, seed=1), limit=0.25).passed
