import pytest

from model2_assets.checks import (
    check_board_current,
    check_made_from,
    check_models_current,
    check_scores_current,
    check_splits_complete,
    check_unaltered,
)
from model2_assets.storage.data_version import table_digest
from model2_assets_tests.sample_tables import cv_scores, labels, leaderboard, mark, oof_predictions


def test_a_table_with_the_digest_that_it_states_is_unaltered() -> None:
    assert check_unaltered(mark(oof_predictions())).passed


def test_one_other_value_is_an_alteration() -> None:
    frame = oof_predictions(prediction=(1.5, -2.5, 3.5))
    frame.attrs = mark(oof_predictions()).attrs

    outcome = check_unaltered(frame)

    assert not outcome.passed
    assert "it was altered since it was written; materialize it again" in outcome.description


def test_a_table_that_states_no_version_is_not_trusted() -> None:
    outcome = check_unaltered(oof_predictions())

    assert not outcome.passed
    assert "states no data version" in outcome.description


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({"labels": table_digest(labels()), "fitted_models": "m1"}, ""),
        ({"labels": "other", "fitted_models": "m1"}, "made from labels of version other, but"),
        ({"labels": table_digest(labels())}, "states no version of fitted_models"),
        ({}, "states no version of fitted_models, labels; materialize oof_predictions again"),
    ],
)
def test_a_table_is_compared_with_what_lies_beside_it(inputs: dict[str, str], message: str) -> None:
    outcome = check_made_from(
        "oof_predictions",
        mark(oof_predictions(), **inputs),
        labels=mark(labels()),
        versions={"fitted_models": "m1"},
    )

    assert outcome.passed == (not message)
    assert message in outcome.description


def test_models_of_other_splits_are_not_current() -> None:
    current = {"labels": "l1", "features": "f1", "cv_splits": "s2"}

    assert check_models_current("fitted_models", current, current).passed
    outcome = check_models_current("fitted_models", {**current, "cv_splits": "s1"}, current)
    assert not outcome.passed
    assert "fitted_models was made from cv_splits of version s1" in outcome.description


@pytest.mark.parametrize(
    ("found", "passed"), [([0, 1, 2], True), ([2, 0, 1], True), ([0, 1], False), ([0, 1, 1], False)]
)
def test_every_split_has_one_model(found: list[int], passed: bool) -> None:
    outcome = check_splits_complete(found, (0, 1, 2))

    assert (outcome.name, outcome.passed) == ("complete", passed)


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
