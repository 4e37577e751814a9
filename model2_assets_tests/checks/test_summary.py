# ruff: noqa: PD011 -- an outcome's values are a mapping
"""Checks of the leaderboard: every planted fault is named."""

import numpy as np
import pandas as pd
import pytest

from model2_assets.checks import (
    CheckOutcome,
    failed_errors,
    rejections,
)
from model2_assets.config import ChecksConfig
from model2_assets.storage.data_version import with_provenance
from model2_assets_tests.checks.builders import (
    check_board_current,
    check_partitions_current,
    check_rank_ic_held,
    check_same_inputs,
    check_scores_complete,
    check_within_budget,
)
from model2_assets_tests.sample_tables import cv_scores, leaderboard, oof_predictions
from model2_assets_tests.training.test_resources import costs

BUDGETS = ChecksConfig(hours=2, rss_gb=24, models_mb=500)


def check(*, hours=0.5, rss_gb=6, models_mb=125, unknown=()):
    rows = [("features", "", 0, hours * 3600, 0, rss_gb * 1e3)]
    rows += [(name, "", None, None, None, None) for name in unknown]
    return check_within_budget(int(models_mb * 1e6), costs(*rows), budgets=BUDGETS)


def test_figures_stand_beside_their_budgets():
    outcome = check()
    assert (outcome.name, outcome.passed) == ("within_budget", True)
    assert outcome.description == (
        "fold models take 125 of 500 MB, 25%, steps took 0.5 of 2 hours, 25%, "
        "memory peaked at 6 of 24 GB, 25%"
    )
    assert outcome.values == {
        "models_mb": 125,
        "hours": 0.5,
        "rss_gb": 6,
        "models_mb_share": 0.25,
        "hours_share": 0.25,
        "rss_gb_share": 0.25,
        "steps_without_costs": 0,
    }


@pytest.mark.parametrize(("name", "limit"), [("hours", 2), ("rss_gb", 24), ("models_mb", 500)])
@pytest.mark.parametrize(
    ("share", "severity"), [(0.79, None), (0.8, "warn"), (0.99, "warn"), (1, "error"), (3, "error")]
)
def test_eighty_percent_of_any_budget_warns_and_all_of_it_is_an_error(name, limit, share, severity):
    outcome = check(**{name: share * limit})
    assert outcome.passed == (severity is None)
    if severity is not None:
        assert outcome.severity == severity
        assert f"(checks.{name}): make the region smaller" in outcome.description
        assert outcome.description.count("checks.") == 1
    assert rejections([outcome]) == ()
    assert len(failed_errors([outcome])) == (severity == "error")


def test_everything_dear_is_named_and_the_worst_decides():
    outcome = check(hours=1.7, models_mb=600)
    assert outcome.severity == "error"
    assert outcome.description == (
        "fold models take 600 of 500 MB, 120% (checks.models_mb); steps took 1.7 of 2 hours, 85% "
        "(checks.hours): make the region smaller or its models cheaper, or raise the budget"
    )


def test_what_is_not_known_is_said():
    outcome = check(unknown=("labels", "cv_splits"))
    assert outcome.passed
    assert outcome.description.endswith("; not counted, since not known: labels, cv_splits")
    assert outcome.values["steps_without_costs"] == 2


def test_without_an_event_log_only_the_models_are_looked_at():
    outcome = check_within_budget(600_000_000, budgets=BUDGETS)
    assert (outcome.passed, outcome.severity) == (False, "error")
    assert outcome.values == {"models_mb": 600, "models_mb_share": 1.2, "steps_without_costs": 0}


PARTITIONS = ("21d|ridge", "21d|xgboost", "63d|ridge", "63d|xgboost")


def completeness(folds: dict[str, int], partitions=PARTITIONS, n_folds: int = 5) -> CheckOutcome:
    return check_scores_complete(
        {key: cv_scores(range(count)) for key, count in folds.items()},
        partitions=partitions,
        n_folds=dict.fromkeys(folds, n_folds),
    )


def test_twenty_fold_scores_are_complete():
    outcome = completeness(dict.fromkeys(PARTITIONS, 5))
    assert (outcome.name, outcome.passed) == ("scores_complete", True)
    assert outcome.description == "20 of 20 fold scores"
    assert outcome.values == {"fold_scores": 20, "expected": 20, "missing_partitions": 0}


def test_missing_partition_is_counted():
    outcome = completeness(dict.fromkeys(PARTITIONS[:3], 5))
    assert outcome.passed
    assert outcome.description == "15 of 20 fold scores; partitions missing: 1"
    assert outcome.values == {"fold_scores": 15, "expected": 20, "missing_partitions": 1}


def test_missing_fold_is_an_error_even_beside_a_missing_partition():
    outcome = completeness({"21d|ridge": 5, "21d|xgboost": 4, "63d|ridge": 5})
    assert not outcome.passed
    assert outcome.severity == "error"
    assert outcome.description == "partition 21d|xgboost has 4 of 5 folds"


def test_surplus_fold_is_an_error():
    outcome = completeness(dict.fromkeys(PARTITIONS, 5) | {"63d|ridge": 6})
    assert outcome.severity == "error"
    assert "partition 63d|ridge has 6 of 5 folds" in outcome.description


def test_partition_without_known_folds_is_an_error():
    scores = {key: cv_scores(range(5)) for key in PARTITIONS}
    outcome = check_scores_complete(
        scores, partitions=PARTITIONS, n_folds=dict.fromkeys(PARTITIONS[1:], 5)
    )
    assert outcome.severity == "error"
    assert outcome.description == "partition 21d|ridge has 5 of 0 folds"


def test_score_over_all_rows_is_no_fold():
    outcome = check_scores_complete(
        {"21d|ridge": cv_scores(())}, partitions=["21d|ridge"], n_folds={"21d|ridge": 5}
    )
    assert outcome.severity == "error"
    assert outcome.values["fold_scores"] == 0


def test_no_partition_at_all_is_counted():
    outcome = completeness({})
    assert outcome.passed
    assert outcome.values["missing_partitions"] == 4


def made_from(**versions: str) -> pd.DataFrame:
    inputs = {"labels": "L", "features": "F", "cv_splits": "S", "fitted_models": "M"} | versions
    return with_provenance(oof_predictions(), data_version="v", inputs=inputs)


def same_inputs(oof, **models: str) -> CheckOutcome:
    return check_same_inputs(oof, versions=dict.fromkeys(oof, "M") | models)


def test_partitions_of_the_same_inputs_compare():
    outcome = same_inputs({key: made_from() for key in PARTITIONS})
    assert (outcome.name, outcome.passed, outcome.severity) == ("same_inputs", True, "warn")
    assert outcome.description.startswith("4 partitions share labels, features and splits")
    assert outcome.values == {"vintages": 1, "replaced_models": 0}


@pytest.mark.parametrize("table", ["labels", "features", "cv_splits"])
def test_partitions_of_other_inputs_warn_with_their_groups(table):
    oof = {key: made_from() for key in PARTITIONS} | {"63d|ridge": made_from(**{table: "other"})}
    outcome = same_inputs(oof)
    assert not outcome.passed
    assert outcome.severity == "warn"
    assert "(21d|ridge, 21d|xgboost, 63d|xgboost) and (63d|ridge)" in outcome.description
    assert outcome.values == {"vintages": 2, "replaced_models": 0}


def test_predictions_of_models_that_were_replaced_warn():
    outcome = same_inputs({key: made_from() for key in PARTITIONS}, **{"63d|xgboost": "newer"})
    assert not outcome.passed
    assert outcome.severity == "warn"
    assert outcome.description.startswith("63d|xgboost: its models were replaced")
    assert outcome.values == {"vintages": 1, "replaced_models": 1}


def test_nothing_to_compare_is_no_difference():
    assert same_inputs({}).passed


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


@pytest.mark.parametrize(
    ("stored", "message"),
    [
        ({"21d|ridge": "a1", "63d|ridge": "b2"}, ""),
        ({"21d|ridge": "a1", "63d|ridge": "b3"}, "of 63d|ridge; materialize leaderboard again"),
        ({"21d|ridge": "a1"}, "of 63d|ridge;"),
        ({"21d|ridge": "a1", "63d|ridge": "b2", "21d|xgboost": "c3"}, "of 21d|xgboost;"),
    ],
)
def test_leaderboard_shows_the_stored_predictions(stored: dict[str, str], message: str) -> None:
    outcome = check_board_current(leaderboard(), stored)

    assert outcome.severity == "warn"
    assert outcome.passed == (not message)
    assert message in outcome.description
