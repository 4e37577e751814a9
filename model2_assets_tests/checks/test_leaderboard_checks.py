# ruff: noqa: PD011 -- an outcome's values are a mapping
import numpy as np
import pandas as pd
import pytest

from model2_assets.checks import check_partitions_current, check_rank_ic_held


def changes(*rows):
    columns = ["horizon", "model", "rank_ic_before", "rank_ic", "rank_ic_se"]
    table = pd.DataFrame(rows, columns=columns)
    return table.assign(
        rank_ic_change=table["rank_ic"] - table["rank_ic_before"], predictions_changed=True
    )


def test_a_fall_by_more_than_the_standard_error_is_named_with_both_figures():
    outcome = check_rank_ic_held(
        changes(("21d", "ridge", 0.031, 0.010, 0.020), ("63d", "ridge", 0.02, 0.01, 0.02))
    )
    assert (outcome.name, outcome.passed, outcome.severity) == ("rank_ic_held", False, "warn")
    assert outcome.description == (
        "rank IC fell by more than its standard error since the leaderboard before: 21d|ridge from "
        "+0.0310 to +0.0100 (by 0.0210, standard error 0.0200; new predictions); look at what "
        "changed before these predictions are used"
    )
    figures = {"compared_partitions": 2, "fallen_partitions": 1, "largest_fall": 0.021}
    assert outcome.values == pytest.approx(figures)


def test_every_fallen_partition_is_named():
    outcome = check_rank_ic_held(
        changes(("21d", "ridge", 0.5, 0.1, 0.1), ("63d", "ridge", 0.5, 0.2, 0.1))
    )
    assert "21d|ridge from +0.5000 to +0.1000" in outcome.description
    assert "63d|ridge from +0.5000 to +0.2000" in outcome.description


@pytest.mark.parametrize("now", [0.25, 0.5, 0.9])
def test_a_fall_within_its_standard_error_or_a_rise_does_not_warn(now):
    outcome = check_rank_ic_held(changes(("21d", "ridge", 0.5, now, 0.25)))
    assert outcome.passed
    assert outcome.description == (
        "1 rank ICs compared with the leaderboard before, none fell by more than its standard error"
    )


def test_a_rank_ic_that_is_no_longer_known_warns():
    outcome = check_rank_ic_held(changes(("21d", "ridge", 0.03, np.nan, np.nan)))
    assert not outcome.passed
    assert "21d|ridge from +0.0300 to undefined" in outcome.description


def test_a_fall_without_a_standard_error_is_told_and_does_not_warn():
    outcome = check_rank_ic_held(changes(("21d", "ridge", 0.03, -0.5, np.nan)))
    assert outcome.passed
    assert "too short a history for a standard error, and fell: 21d|ridge" in outcome.description


def test_a_new_partition_and_a_first_leaderboard_have_nothing_to_compare_with():
    outcome = check_rank_ic_held(changes(("21d", "ridge", np.nan, 0.03, 0.01)))
    assert outcome.passed
    assert outcome.values == {
        "compared_partitions": 0,
        "fallen_partitions": 0,
        "largest_fall": 0,
    }
    outcome = check_rank_ic_held(
        changes(("21d", "ridge", np.nan, 0.03, 0.01)), no_comparison="there is none"
    )
    assert outcome.passed
    assert outcome.description == "nothing to compare with: there is none"


PARTITIONS = ("21d|ridge", "21d|xgboost", "63d|ridge", "63d|xgboost")


def test_missing_and_outdated_partitions_are_named_by_what_is_wrong():
    problems = {
        "63d|xgboost": "fitted_models is missing",
        "21d|xgboost": "fitted_models is missing",
        "21d|ridge": "cv_scores was made by other code or settings",
    }
    outcome = check_partitions_current(problems, partitions=PARTITIONS)
    assert (outcome.name, outcome.passed, outcome.severity) == (
        "partitions_current",
        False,
        "warn",
    )
    assert outcome.description == (
        "3 of 4 partitions are missing or outdated: 21d|ridge: cv_scores was made by other code or "
        "settings; 21d|xgboost, 63d|xgboost: fitted_models is missing; materialize what is named, "
        "and what is made from it"
    )
    assert outcome.values == {"outdated_partitions": 3, "partitions": 4}


def test_all_current():
    outcome = check_partitions_current({}, partitions=PARTITIONS[:1])
    assert outcome.passed
    assert outcome.description == "all 1 partitions are there and made from what is current"
