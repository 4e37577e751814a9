import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from model2_assets.errors import TrainingError
from model2_assets.training import (
    RidgeTrainer,
    XGBoostTrainer,
    cross_validate,
    largest_difference,
    refit_difference,
)
from model2_assets_tests.training.panels import make_data


def make_ridge():
    return RidgeTrainer(params={"alpha": 1.0}, seed=7)


def make_xgboost():
    return XGBoostTrainer(params={"n_estimators": 20, "subsample": 0.5}, seed=7)


@pytest.mark.parametrize("make_trainer", [make_ridge, make_xgboost])
def test_a_refit_gives_equal_bits(make_trainer):
    data = make_data()
    models = cross_validate(make_trainer, data, n_jobs=2)
    assert refit_difference(make_trainer, data, models, split_id=2) == 0.0


def test_another_model_in_the_store_is_noticed_by_its_largest_difference():
    data = make_data()
    models = cross_validate(make_ridge, data)
    models[1].trainer.intercept_ += 1e-7
    difference = refit_difference(make_ridge, data, models, split_id=1)
    assert difference == pytest.approx(1e-7, rel=1e-3)
    assert difference > RidgeTrainer.determinism_tolerance_bps
    assert refit_difference(make_ridge, data, models, split_id=0) == 0.0


def test_another_seed_is_noticed():
    data = make_data()
    models = cross_validate(make_xgboost, data)

    def other():
        return XGBoostTrainer(params={"n_estimators": 20, "subsample": 0.5}, seed=8)

    difference = refit_difference(other, data, models, split_id=0)
    assert difference > XGBoostTrainer.determinism_tolerance_bps


def test_a_split_without_a_model_is_named():
    data = make_data()
    with pytest.raises(TrainingError, match="split 4 has no model"):
        refit_difference(make_ridge, data, cross_validate(make_ridge, data)[:4], split_id=4)


@pytest.mark.parametrize(
    ("left", "right", "expected"),
    [
        ([1.0, 2.0], [1.0, 2.0], 0.0),
        ([1.0, 2.0], [1.5, -2.0], 4.0),
        ([np.nan, 1.0], [np.nan, 1.0], 0.0),
        ([np.inf], [np.inf], 0.0),
        ([np.nan], [1.0], np.inf),
        ([1.0, np.inf], [1.0, 5.0], np.inf),
        ([], [], 0.0),
    ],
)
def test_the_largest_difference_by_hand(left, right, expected):
    assert largest_difference(np.array(left), np.array(right)) == expected


@settings(deadline=None, derandomize=True, max_examples=50)
@given(arrays(np.float64, 5, elements=st.floats(-1e6, 1e6)), st.integers(0, 4), st.floats(1, 1e3))
def test_one_shifted_value_is_the_largest_difference(values, position, shift):
    other = values.copy()
    other[position] += shift
    assert largest_difference(values, other) == abs(other[position] - values[position])
