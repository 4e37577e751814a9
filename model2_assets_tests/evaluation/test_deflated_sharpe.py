from math import isnan, sqrt

import numpy as np
import purgedcv
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import stats

from model2_assets.errors import Model2Error
from model2_assets.evaluation import deflated_sharpe_ratio
from model2_assets.evaluation.inference import expected_maximum_sharpe


def test_hand_worked_without_skewness():
    # Symmetric returns, mean 1 and deviation sqrt(2): excess kurtosis of (-1, 1, 3, 1) around
    # 1 is 8/4/2^2... deviations (-2, 0, 2, 0), m2 = 2, m4 = 8, m4/m2² - 3 = -1.
    returns = [-1.0, 1.0, 3.0, 1.0]
    sharpe = 1 / sqrt(2)
    kurtosis = 3 + 3 / (2 * 1) * (5 * -1 + 6)
    z = sharpe * sqrt(3) / sqrt(1 + (kurtosis - 1) / 4 * sharpe**2)
    found = deflated_sharpe_ratio(returns, n_trials=1)
    assert found == pytest.approx(stats.norm.cdf(z), rel=1e-12)


def test_expected_maximum_is_that_of_simulated_worthless_models():
    draws = np.random.default_rng(0).normal(size=(200_000, 10)) * 0.2
    simulated = draws.max(axis=1).mean()
    assert expected_maximum_sharpe(10, sharpe_variance=0.04) == pytest.approx(simulated, rel=0.03)
    assert expected_maximum_sharpe(1, sharpe_variance=0.04) == 0


@settings(deadline=None, derandomize=True, max_examples=150)
@given(
    returns=st.lists(st.floats(-1, 1), min_size=4, max_size=40),
    n_trials=st.integers(1, 500),
    variance=st.floats(0, 1),
)
def test_agrees_with_purgedcv(returns, n_trials, variance):
    assume(np.ptp(returns) > 1e-3)
    found = deflated_sharpe_ratio(returns, n_trials=n_trials, sharpe_variance=variance)
    if isnan(found):
        with pytest.raises(ValueError, match="denominator is non-positive"):
            purgedcv.deflated_sharpe_ratio(np.array(returns), n_trials, variance)
    else:
        expected = purgedcv.deflated_sharpe_ratio(np.array(returns), n_trials, variance)
        assert found == pytest.approx(expected, rel=1e-9, abs=1e-12)
        assert 0 <= found <= 1


def test_the_variance_of_the_trials_is_that_of_worthless_ones_by_default():
    returns = np.random.default_rng(1).normal(0.1, 1, size=120)
    found = deflated_sharpe_ratio(returns, n_trials=6)
    assert found == purgedcv.deflated_sharpe_ratio(returns, 6, 1 / 119)


def test_more_trials_deflate_more():
    returns = np.random.default_rng(2).normal(0.1, 1, size=200)
    found = [deflated_sharpe_ratio(returns, n_trials=n) for n in (1, 2, 4, 16, 256)]
    assert found == sorted(found, reverse=True)
    assert found[0] > 0.6 > found[-1]


def test_the_best_of_worthless_models_is_not_significant_and_a_real_one_is():
    rng = np.random.default_rng(3)
    best = []
    for _ in range(200):
        models = rng.normal(size=(20, 100))
        luckiest = models[models.mean(axis=1).argmax()]
        best.append(
            (
                deflated_sharpe_ratio(luckiest, n_trials=1) > 0.95,
                deflated_sharpe_ratio(luckiest, n_trials=20) > 0.95,
            )
        )
    undeflated, deflated = np.mean(best, axis=0)
    assert undeflated > 0.5
    assert deflated < 0.05
    assert deflated_sharpe_ratio(rng.normal(0.5, 1, size=100), n_trials=20) > 0.95


def test_units_do_not_matter_and_missing_returns_are_left_out():
    returns = np.random.default_rng(4).normal(0.1, 1, size=50)
    found = deflated_sharpe_ratio(returns, n_trials=4)
    assert deflated_sharpe_ratio(returns * 1e4, n_trials=4) == pytest.approx(found, rel=1e-12)
    with_gaps = np.insert(returns, [0, 10, 50], np.nan)
    assert deflated_sharpe_ratio(with_gaps, n_trials=4) == found


@pytest.mark.parametrize("returns", [[], [1.0, 2.0, 3.0], [0.1] * 10, [np.nan] * 10])
def test_too_little_for_a_probability(returns):
    assert isnan(deflated_sharpe_ratio(returns, n_trials=2))


@pytest.mark.parametrize("n_trials", [0, -1, 2.0, True])
def test_impossible_trials_are_refused(n_trials):
    with pytest.raises(Model2Error, match="n_trials must be a number of models"):
        deflated_sharpe_ratio([1.0, 2.0, 4.0, 3.0], n_trials=n_trials)


@pytest.mark.parametrize("variance", [-1.0, np.nan, np.inf])
def test_impossible_variances_are_refused(variance):
    with pytest.raises(Model2Error, match="sharpe_variance must be a finite number"):
        deflated_sharpe_ratio([1.0, 2.0, 4.0, 3.0], n_trials=2, sharpe_variance=variance)
