# ruff: noqa: PD011 -- an outcome's values are a mapping
"""Checks of paths and nested predictions: every planted fault is named."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from model2_assets.config import ChecksConfig
from model2_assets.panel import panel_index
from model2_assets.training.predict import (
    OutOfFold,
    average_splits,
    predict_splits,
    recombine_predictions,
)
from model2_assets_tests.checks.builders import (
    check_coverage,
    check_finite,
    check_nested_coverage,
    check_out_of_fold,
    check_paths,
    path_plan,
)
from model2_assets_tests.training.panels import make_data
from model2_assets_tests.training.test_predict import constant, hand_made

LIMITS = ChecksConfig()


@dataclass(frozen=True)
class Candidate:
    """Paths, the published means beside them, and how the splits were made."""

    paths: pd.DataFrame
    oof: pd.DataFrame
    tested: pd.MultiIndex
    cross_validation: dict[str, Any]


@pytest.fixture
def candidate():
    data = make_data(n_dates=12, n_instruments=3, n_groups=4, n_test_groups=2)
    predictions = predict_splits([constant(s, s**2 / 3) for s in range(data.n_splits)], data)
    return Candidate(
        paths=recombine_predictions(predictions, data),
        oof=average_splits(predictions, data),
        tested=data.index,
        cross_validation={"n_groups": 4, "n_test_groups": 2},
    )


def outcomes_of(candidate):
    splits = candidate.cross_validation
    return check_paths(candidate.paths, candidate.oof, tested=candidate.tested, **splits)


def failed(candidate):
    outcomes = outcomes_of(candidate)
    return {outcome.name: outcome.description for outcome in outcomes if not outcome.passed}


def with_paths(candidate, **columns):
    return replace(candidate, paths=candidate.paths.assign(**columns))


def changed(values, position, value):
    values = values.to_numpy().copy()
    values[position] = value
    return values


def test_complete_paths_pass_every_check(candidate):
    outcomes = outcomes_of(candidate)
    assert [outcome.name for outcome in outcomes] == [
        "contract",
        "finite",
        "range",
        "predictions_per_row",
        "paths_complete",
        "mean_is_oof",
    ]
    assert all(outcome.passed for outcome in outcomes)
    values = {name: value for outcome in outcomes for name, value in outcome.values.items()}
    assert values["predictions_per_row"] == values["paths"] == 3
    assert values["difference_bps"] == 0


def test_a_lost_line_is_named_by_its_row(candidate):
    lost = replace(candidate, paths=candidate.paths.drop(index=4).reset_index(drop=True))
    problems = failed(lost)
    assert (
        "1 rows have another number of predictions than 3, first S00 2020-01-02 with 2"
        in (problems["predictions_per_row"])
    )
    assert "path 1 has 35 of 36 rows exactly once" in problems["paths_complete"]
    assert set(problems) == {"predictions_per_row", "paths_complete", "mean_is_oof"}


def test_a_swapped_path_is_noticed_though_every_path_is_complete(candidate):
    path_id = candidate.paths["path_id"].to_numpy().copy()
    path_id[[0, 1]] = path_id[[1, 0]]
    problems = failed(with_paths(candidate, path_id=path_id))
    assert set(problems) == {"paths_complete"}
    assert "2 predictions are on another path than the splitter's" in problems["paths_complete"]


def test_the_plan_follows_the_configuration():
    # Splits (0,1), (0,2), (0,3), (1,2), (1,3), (2,3).
    assert path_plan(n_groups=4, n_test_groups=2).tolist() == [
        [0, 0, -1, -1],
        [1, -1, 0, -1],
        [2, -1, -1, 0],
        [-1, 1, 1, -1],
        [-1, 2, -1, 1],
        [-1, -1, 2, 2],
    ]
    assert path_plan(splitter="some.module:Splitter") is None


def test_splits_of_another_plan_are_noticed(candidate):
    other = {"n_groups": 6, "n_test_groups": 2}
    problems = failed(replace(candidate, cross_validation=other))
    assert "another number of predictions than 5" in problems["predictions_per_row"]
    assert "materialize cv_splits and fitted_models again" in problems["paths_complete"]


def test_without_a_plan_rows_have_to_agree_among_themselves(candidate):
    own = replace(candidate, cross_validation={"splitter": "somebody.else:Splitter"})
    assert failed(own) == {}
    lost = candidate.paths.drop(index=4).reset_index(drop=True)
    assert "predictions_per_row" in failed(replace(own, paths=lost))


def test_one_changed_bit_is_another_mean(candidate):
    first = candidate.oof["prediction"].iloc[0]
    oof = candidate.oof.assign(
        prediction=changed(candidate.oof["prediction"], 0, np.nextafter(first, np.inf))
    )
    assert set(failed(replace(candidate, oof=oof))) == {"mean_is_oof"}


def test_means_of_other_rows_are_refused(candidate):
    problems = failed(replace(candidate, oof=candidate.oof.iloc[1:]))
    assert "has 35 rows, and other ones than the 36" in problems["mean_is_oof"]


def test_a_single_wild_prediction_is_named(candidate):
    wild = with_paths(candidate, prediction=changed(candidate.paths["prediction"], 5, -1500.0))
    assert "first S00 2020-01-02" in failed(wild)["range"]
    missing = with_paths(candidate, prediction=changed(candidate.paths["prediction"], 5, np.nan))
    assert "1 predictions are not finite, first S00 2020-01-02" in failed(missing)["finite"]


def test_lines_of_a_row_out_of_the_order_of_the_splits_break_the_contract(candidate):
    order = [1, 0, *range(2, len(candidate.paths))]
    shuffled = candidate.paths.iloc[order].reset_index(drop=True)
    problems = failed(replace(candidate, paths=shuffled))
    assert "breaks the order instrument, datetime, split_id" in problems["contract"]


def walk_forward():
    """Three groups of two rows; the first is never tested."""
    data = hand_made([[0, 0]] * 2 + [[1, 0]] * 2 + [[5, 1]] * 2, [0, 0, 1, 1, 2, 2])
    oof = average_splits(predict_splits([constant(0, 1.0), constant(1, 2.0)], data), data)
    return data, oof


def test_under_a_walk_forward_coverage_speaks_of_the_tested_rows_and_says_so():
    data, oof = walk_forward()
    tested = data.index[2:]
    covered = check_coverage(oof, tested, never_tested=2)
    assert covered.passed
    assert covered.description == (
        "4 of 4 rows, each once; 2 further rows with features and a label are never tested, and "
        "are not covered"
    )
    assert covered.values["rows_never_tested"] == 2
    assert not check_coverage(oof, data.index).passed
    assert not check_coverage(oof.iloc[1:], tested, never_tested=2).passed
    assert check_finite(oof).passed


def test_a_candidate_is_held_to_the_rows_that_it_has_to_predict():
    data, oof = walk_forward()
    candidate = OutOfFold(
        oof=oof,
        label=oof["prediction"],
        determinism_difference_bps=0.0,
        determinism_tolerance_bps=1e-9,
        refitted_split=0,
        same_kernel=True,
        again=oof,
        rows_never_tested=2,
    )
    outcomes = {o.name: o for o in check_out_of_fold(candidate, limits=LIMITS)}
    assert outcomes["coverage"].passed
    assert outcomes["coverage"].values["rows_never_tested"] == 2
    whole = replace(candidate, label=oof["prediction"].reindex(data.index), rows_never_tested=0)
    outcomes = {o.name: o for o in check_out_of_fold(whole, limits=LIMITS)}
    assert "2 rows lack a prediction, first S00 2020-01-01" in outcomes["coverage"].description


ROWS = panel_index(["A", "B"], ["2024-01-02", "2024-01-02"])
EXPECTED = {0: ROWS, 1: ROWS[:1]}


def lines(*rows):
    columns = ["outer_fold_id", "instrument", "fold_id"]
    table = pd.DataFrame(rows, columns=columns).astype({"instrument": "str"})
    return table.assign(datetime=ROWS.get_level_values("datetime")[0], prediction=0.0)


GOOD = [(0, "A", 1), (0, "B", 1), (1, "A", 0)]


def test_every_train_row_of_every_outer_fold_once_passes():
    outcome = check_nested_coverage(lines(*GOOD), EXPECTED)
    assert outcome.passed
    assert outcome.description == "2 outer folds, 3 train rows, each once"


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (GOOD[1:], "outer fold 0: 1 rows lack a prediction, first A 2024"),
        ([*GOOD, GOOD[0]], "outer fold 0: 1 rows repeat an earlier one, first A 2024"),
        ([*GOOD, (1, "B", 0)], "outer fold 1: 1 rows are none of its train rows"),
        ([*GOOD, (7, "B", 0)], "outer fold 7 is not one of the folds"),
        ([(0, "A", 0), *GOOD[1:]], "1 rows belong to their own outer fold"),
        ([], "outer fold 1: 1 rows lack a prediction"),
    ],
)
def test_faults_are_named(rows, message):
    outcome = check_nested_coverage(lines(*rows), EXPECTED)
    assert not outcome.passed
    assert message in outcome.description
