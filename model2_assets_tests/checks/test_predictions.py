# ruff: noqa: PD011 -- an outcome's values are a mapping
"""Checks of out-of-fold predictions: every planted fault is named."""

import numpy as np
import pandas as pd
import pytest

from model2_assets.checks import (
    failed_errors,
)
from model2_assets.checks.predictions import check_reproduced
from model2_assets.config import ChecksConfig
from model2_assets.training.predict import OutOfFold
from model2_assets_tests.checks.builders import (
    check_coverage,
    check_determinism,
    check_out_of_fold,
    check_rank_ic_plausible,
    mean_rank_ic,
)
from model2_assets_tests.sample_tables import oof_predictions, panel_rows

ROWS = (("A", "2024-01-03"), ("B", "2024-01-02"), ("B", "2024-01-03"))
EXPECTED = panel_rows(ROWS)


def test_every_row_once_is_covered():
    outcome = check_coverage(oof_predictions(), EXPECTED[::-1])
    assert (outcome.name, outcome.passed, outcome.severity) == ("coverage", True, "error")
    assert outcome.description == "3 of 3 rows, each once"
    assert outcome.values == {
        "coverage": 1.0,
        "rows": 3,
        "missing_rows": 0,
        "extra_rows": 0,
        "repeated_rows": 0,
        "rows_never_tested": 0,
    }


@pytest.mark.parametrize(
    ("rows", "description", "values"),
    [
        (
            [0, 2],
            "1 rows lack a prediction, first B 2024-01-02",
            {"coverage": 1 - 1 / 3, "rows": 2, "missing_rows": 1},
        ),
        (
            [],
            "3 rows lack a prediction, first A 2024-01-03",
            {"coverage": 0.0, "rows": 0, "missing_rows": 3},
        ),
        (
            [0, 1, 2, 1, 1],
            "2 rows repeat an earlier one, first B 2024-01-02",
            {"coverage": 1.0, "rows": 5, "repeated_rows": 2},
        ),
        (
            [0, 0, 2],
            "1 rows lack a prediction, first B 2024-01-02; "
            "1 rows repeat an earlier one, first A 2024-01-03",
            {"coverage": 1 - 1 / 3, "missing_rows": 1, "repeated_rows": 1},
        ),
    ],
    ids=["missing", "all missing", "repeated", "repeated in place of another"],
)
def test_rows_that_are_missing_or_repeated_are_named(rows, description, values):
    outcome = check_coverage(oof_predictions().iloc[rows], EXPECTED)
    assert not outcome.passed
    assert outcome.severity == "error"
    assert outcome.description == description
    assert {name: outcome.values[name] for name in values} == values


def test_row_without_a_label_is_named():
    outcome = check_coverage(oof_predictions(), EXPECTED[1:])
    assert not outcome.passed
    assert outcome.description == "1 rows have no label, first A 2024-01-03"
    assert outcome.values["coverage"] == 1.0
    assert outcome.values["extra_rows"] == 1


def test_prediction_of_another_date_both_lacks_and_exceeds():
    other = oof_predictions(rows=(("A", "2024-01-04"), *ROWS[1:]))
    outcome = check_coverage(other, EXPECTED)
    assert outcome.description == (
        "1 rows lack a prediction, first A 2024-01-03; 1 rows have no label, first A 2024-01-04"
    )


def test_nothing_to_predict_is_no_success():
    outcome = check_coverage(oof_predictions().iloc[:0], EXPECTED[:0])
    assert not outcome.passed
    assert outcome.description == "no row has both features and a label; lengthen the history"


def determinism(difference: float, *, tolerance: float = 1e-9, same_kernel: bool = True):
    return check_determinism(
        difference, tolerance_bps=tolerance, split_id=3, same_kernel=same_kernel
    )


@pytest.mark.parametrize("difference", [0.0, np.nextafter(1e-9, 0.0)])
def test_difference_below_the_tolerance_passes(difference):
    outcome = determinism(difference)
    assert (outcome.name, outcome.passed, outcome.severity) == ("determinism", True, "error")
    assert outcome.values == {
        "difference_bps": difference,
        "tolerance_bps": 1e-9,
        "split_id": 3,
        "same_kernel": True,
    }


@pytest.mark.parametrize("difference", [1e-9, 2e-9, np.inf, np.nan])
def test_difference_at_the_tolerance_or_above_fails(difference):
    outcome = determinism(difference)
    assert not outcome.passed
    assert outcome.severity == "error"
    assert outcome.description == (
        f"refitting split 3 moves predictions by {difference:.3g} bps at most "
        f"(allowed: below 1e-09 bps)"
    )


def test_difference_of_another_kernel_warns_and_says_so():
    outcome = determinism(1e-8, same_kernel=False)
    assert not outcome.passed
    assert outcome.severity == "warn"
    assert outcome.description.startswith("refitting split 3 moves predictions by 1e-08 bps")
    assert outcome.description.endswith("fitted with another processor's kernel")
    assert determinism(1e-10, same_kernel=False).passed
    assert determinism(1e-5, same_kernel=False).severity == "error"


@pytest.mark.parametrize("rank_ic", [-0.5, 0.0, 0.05, 0.10])
def test_ordinary_rank_ic_passes(rank_ic):
    outcome = check_rank_ic_plausible(rank_ic, limit=0.10)
    assert (outcome.name, outcome.passed, outcome.severity) == ("rank_ic_plausible", True, "warn")
    assert outcome.values == {"rank_ic": rank_ic, "limit": 0.10}
    assert outcome.description == f"mean rank IC {rank_ic:.4f}, suspicious above 0.10"


@pytest.mark.parametrize("rank_ic", [np.nextafter(0.10, 1.0), 0.11, 1.0])
def test_rank_ic_that_is_too_good_warns_of_a_leak(rank_ic):
    outcome = check_rank_ic_plausible(rank_ic, limit=0.10)
    assert not outcome.passed
    assert outcome.severity == "warn"
    assert outcome.description.endswith(": look for a feature that knows the future")


def test_rank_ic_that_cannot_be_evaluated_warns():
    outcome = check_rank_ic_plausible(float("nan"), limit=0.10)
    assert not outcome.passed
    assert outcome.severity == "warn"
    assert outcome.description.startswith("rank IC cannot be evaluated")


def test_equal_predictions_are_reproduced():
    outcome = check_reproduced(oof_predictions(), oof_predictions())
    assert outcome.passed
    assert not outcome.only_warns
    assert outcome.description == "largest difference 0 bps"
    assert outcome.values == {"difference_bps": 0.0, "same_rows": True, "same_folds": True}


@pytest.mark.parametrize(
    ("predicted", "difference"),
    [
        ((1.5, -2.5, np.nextafter(3.25, 4.0)), np.spacing(3.25)),
        ((1.5, -2.0, 3.0), 0.5),
        ((1.5, np.nan, 3.25), np.inf),
        ((1.5, np.inf, 3.25), np.inf),
    ],
)
def test_one_other_bit_is_not_reproduced(predicted, difference):
    outcome = check_reproduced(oof_predictions(), oof_predictions(prediction=predicted))
    assert not outcome.passed
    assert outcome.values["difference_bps"] == difference
    assert outcome.values["same_rows"] is True
    assert outcome.description.endswith("materialize fitted_models and oof_predictions again")


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_equal_values_that_are_no_numbers_are_reproduced(value):
    frame = oof_predictions(prediction=(1.0, value, 2.0))
    assert check_reproduced(frame, frame.copy()).passed


def test_rows_of_other_folds_are_not_reproduced():
    outcome = check_reproduced(oof_predictions(), oof_predictions(fold_id=(1, 0, 0)))
    assert not outcome.passed
    assert outcome.values == {"difference_bps": 0.0, "same_rows": True, "same_folds": False}
    assert "rows are stored in other folds" in outcome.description


@pytest.mark.parametrize(
    "rows", [slice(0, 2), [0, 2, 1], [0, 1, 2, 2]], ids=["fewer", "another order", "repeated"]
)
def test_other_rows_are_not_reproduced(rows):
    outcome = check_reproduced(oof_predictions(), oof_predictions().iloc[rows])
    assert not outcome.passed
    assert outcome.values["same_rows"] is False
    assert "predict other rows than those stored" in outcome.description


N_NAMES, N_DATES = 5, 4


def candidate(**changes) -> OutOfFold:
    names = [f"S{i}" for i in range(N_NAMES)]
    rows = [(name, f"2024-01-{day:02d}") for name in names for day in range(2, 2 + N_DATES)]
    rng = np.random.default_rng(0)
    fold_id = [day % 2 for _ in names for day in range(N_DATES)]
    oof = oof_predictions(rows, rng.normal(size=len(rows)), fold_id)
    ranks = oof["prediction"].groupby(level="datetime").rank()
    # Uncorrelated on average: two dates with the ranks of the predictions, two reversed.
    sign = oof.index.get_level_values("datetime").day.to_numpy() % 2 * 2 - 1
    settings = {
        "oof": oof,
        "label": (ranks * sign).sort_index(level=["datetime", "instrument"]),
        "determinism_difference_bps": 0.0,
        "determinism_tolerance_bps": 1e-9,
        "refitted_split": 1,
        "same_kernel": True,
        "again": changes.get("oof", oof),
        "rows_never_tested": 0,
    }
    return OutOfFold(**(settings | changes))


LIMITS = ChecksConfig()
NAMES = [
    "contract",
    "coverage",
    "finite",
    "range",
    "determinism",
    "repeatable",
    "rank_ic_plausible",
    "oof_drift",
]


def test_good_candidate_passes_every_check_in_the_order_of_the_ui():
    outcomes = check_out_of_fold(candidate(), limits=LIMITS)
    assert [outcome.name for outcome in outcomes] == NAMES
    assert all(outcome.passed for outcome in outcomes)
    assert failed_errors(outcomes) == ()
    assert outcomes[-2].values["rank_ic"] == pytest.approx(0.0, abs=1e-12)


def with_prediction(value: float) -> OutOfFold:
    oof = candidate().oof.copy()
    oof.iloc[3, 0] = value
    return candidate(oof=oof)


def without_a_row() -> OutOfFold:
    return candidate(oof=candidate().oof.drop(candidate().oof.index[4]))


def with_an_extra_row() -> OutOfFold:
    return candidate(label=candidate().label.iloc[1:])


def with_a_repeated_row() -> OutOfFold:
    oof = candidate().oof
    return candidate(oof=oof.iloc[[0, *range(len(oof))]])


@pytest.mark.parametrize(
    ("planted", "failing"),
    [
        (without_a_row(), {"coverage"}),
        (with_an_extra_row(), {"coverage"}),
        (with_a_repeated_row(), {"contract", "coverage"}),
        (with_prediction(np.nan), {"finite"}),
        (with_prediction(np.inf), {"finite", "range"}),
        (with_prediction(1000.01), {"range"}),
        (with_prediction(-1000.01), {"range"}),
        (candidate(determinism_difference_bps=1e-9), {"determinism"}),
        (candidate(again=with_prediction(0.5).oof), {"repeatable"}),
        (candidate(again=without_a_row().oof), {"repeatable"}),
        (candidate(oof=candidate().oof.sort_index(level="datetime")), {"contract"}),
    ],
    ids=[
        "missing row", "extra row", "repeated row", "NaN", "infinity", "1000.01 bps",
        "-1000.01 bps", "difference at the tolerance",
        "predicted otherwise the second time", "fewer rows the second time", "another order",
    ],
)  # fmt: skip
def test_planted_fault_forbids_publication(planted, failing):
    outcomes = check_out_of_fold(planted, limits=LIMITS)
    assert {outcome.name for outcome in failed_errors(outcomes)} == failing
    assert [outcome.name for outcome in outcomes] == NAMES


@pytest.mark.parametrize(
    ("planted", "failing"),
    [
        (candidate(determinism_difference_bps=1e-6, same_kernel=False), "determinism"),
        (candidate(label=candidate().oof["prediction"]), "rank_ic_plausible"),
    ],
    ids=["another kernel", "labels known beforehand"],
)
def test_planted_doubt_warns_and_lets_publish(planted, failing):
    outcomes = check_out_of_fold(planted, limits=LIMITS)
    assert [outcome.name for outcome in outcomes if not outcome.passed] == [failing]
    assert failed_errors(outcomes) == ()


def test_limits_come_from_the_configuration():
    strict = ChecksConfig(prediction_bps=0.001, rank_ic_warn=1e-9)
    leaky = candidate(label=candidate().oof["prediction"] * 2)
    outcomes = check_out_of_fold(leaky, limits=strict)
    assert [o.name for o in outcomes if not o.passed] == ["range", "rank_ic_plausible"]
    assert not check_out_of_fold(leaky, limits=LIMITS)[-2].passed
    assert check_out_of_fold(leaky, limits=ChecksConfig(rank_ic_warn=1.0))[-2].passed


def test_mean_rank_ic_is_the_mean_over_dates_of_the_correlation_of_ranks():
    rows = [(name, day) for name in "ABCD" for day in ("2024-01-02", "2024-01-03", "2024-01-04")]
    oof = oof_predictions(rows, np.repeat([1.0, 2.0, 3.0, 4.0], 3), np.zeros(12))
    by_date = {"02": [1.0, 2.0, 3.0, 9.0], "03": [4.0, 3.0, 2.0, 1.0], "04": [2.0, 1.0, 3.0, 4.0]}
    values = [by_date[day[-2:]]["ABCD".index(name)] for name, day in rows]
    label = pd.Series(values, index=oof.index)
    assert mean_rank_ic(oof, label) == pytest.approx((1.0 - 1.0 + 0.8) / 3)
    shuffled = label.sample(frac=1, random_state=0)
    assert mean_rank_ic(oof, shuffled) == pytest.approx((1.0 - 1.0 + 0.8) / 3)


def test_mean_rank_ic_leaves_out_rows_without_label_or_number():
    made = candidate(label=candidate().oof["prediction"])
    label = made.label.copy()
    label.iloc[0] = np.nan
    oof = made.oof.copy()
    oof.iloc[5, 0] = np.nan
    oof.iloc[6, 0] = np.inf
    assert mean_rank_ic(oof, label.iloc[:-1]) == pytest.approx(1.0)


def test_mean_rank_ic_of_too_few_names_is_undefined():
    assert np.isnan(mean_rank_ic(oof_predictions(), oof_predictions()["prediction"]))
