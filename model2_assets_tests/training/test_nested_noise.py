"""On pure noise a stacker scores above zero, unless it is trained on nested predictions."""

import pytest

from model2_assets_tests.training.nested_noise import NoiseStudy, Stacks, mean_and_error

STUDY = NoiseStudy(
    n_dates=180, n_instruments=8, n_features=3, horizons=(5, 10), alphas=(100.0,), n_groups=3
)
"""Three groups: the fewer there are, the more each of them weighs in the others' columns."""

PANELS = 100


@pytest.fixture(scope="module")
def scores():
    stacks = Stacks(STUDY)
    return [stacks.score(seed) for seed in range(PANELS)]


def test_a_stacker_on_plain_out_of_fold_columns_scores_above_zero(scores):
    # Measured: 0.0150 with a standard error of 0.0028.
    mean, error = mean_and_error([score.plain for score in scores])
    assert mean > 3 * error
    assert mean > 0.005


def test_a_stacker_on_nested_columns_does_not(scores):
    # Measured: 0.0020 with a standard error of 0.0030.
    mean, error = mean_and_error([score.nested for score in scores])
    assert abs(mean) < 3 * error
    assert error < 0.005


def test_the_bias_is_that_of_the_train_columns_alone(scores):
    # The same panels, the same columns to be scored on: only what the stacker learns differs.
    mean, error = mean_and_error([score.plain - score.nested for score in scores])
    assert mean > 3 * error
