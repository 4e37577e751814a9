import numpy as np
import pandas as pd
import pytest

from model2_assets.checks import check_lookahead_control, check_null_control
from model2_assets.checks.controls import LookaheadControl
from model2_assets.checks.null_control import NullControl


def null(mean: float, *, sd: float = 0.02, n: int = 100) -> NullControl:
    """Return a control of which half the rank ICs lie either side of a mean."""
    spread = sd * np.sqrt((n - 1) / n)
    return NullControl(mean + spread * np.resize([1.0, -1.0], n), n_dates=50, seed=9)


@pytest.mark.parametrize(
    ("mean", "passed"),
    [(0.0, True), (0.0059, True), (-0.0059, True), (0.0061, False), (-0.0061, False)],
)
def test_three_monte_carlo_errors_either_way_are_the_limit(mean: float, passed: bool) -> None:
    outcome = check_null_control({"21d": null(mean)})

    assert outcome.name == "null_control"
    assert outcome.passed == passed
    assert outcome.severity == "error"
    assert dict(outcome.values) == pytest.approx(
        {
            "mean": mean,
            "sd": 0.02,
            "monte_carlo_error": 0.002,
            "permutations": 100,
            "seed": 9,
            "mean_21d": mean,
            "dates_21d": 50,
        }
    )
    assert ("reach the fit" in outcome.description) != passed


def test_horizons_are_judged_by_their_mean_and_reported_one_by_one() -> None:
    outcome = check_null_control({"21d": null(0.012), "63d": null(0.0)})

    found = dict(outcome.values)
    assert found["mean"] == pytest.approx(0.006)
    assert found["mean_21d"] == pytest.approx(0.012)
    assert found["mean_63d"] == pytest.approx(0.0)
    assert not check_null_control({"21d": null(0.013), "63d": null(0.0)}).passed


def test_without_any_rank_ic_the_null_control_warns() -> None:
    empty = NullControl(np.full(20, np.nan), n_dates=0, seed=9)

    outcome = check_null_control({"21d": empty})

    assert not outcome.passed
    assert outcome.severity == "warn"
    assert "three tested names" in outcome.description


DATES = (pd.Timestamp("2020-01-02"), pd.Timestamp("2021-03-04"))


def test_unchanged_features_pass_and_name_the_dates() -> None:
    outcome = check_lookahead_control(LookaheadControl(DATES, 1000, 0, "", 9))

    assert outcome.name == "lookahead_control"
    assert outcome.passed
    assert "1,000 values are the same when history ends on 2020-01-02, 2021-03-04" in (
        outcome.description
    )


@pytest.mark.parametrize("n_different", [0, 12])
def test_any_difference_is_an_error_that_names_the_first(n_different: int) -> None:
    first = "feature 'F' of A on 2020-01-02 is 1.0, but 2.0 when history ends on 2020-01-02"

    outcome = check_lookahead_control(LookaheadControl(DATES, 1000, n_different, first, 9))

    assert not outcome.passed
    assert outcome.severity == "error"
    assert outcome.description.startswith(first)


def test_nothing_to_cut_off_warns() -> None:
    outcome = check_lookahead_control(LookaheadControl((), 0, 0, "", 9))

    assert (outcome.passed, outcome.severity) == (False, "warn")
