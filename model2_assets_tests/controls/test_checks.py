import pandas as pd
import pytest

from model2_assets.checks import check_lookahead_control
from model2_assets.checks.controls import LookaheadControl

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
