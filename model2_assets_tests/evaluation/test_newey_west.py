from math import inf, isnan, nan, sqrt

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from model2_assets.errors import Model2Error
from model2_assets.evaluation import mean_ic_inference


def double_sum(values, lag):
    """Return the squared standard error from the definition, by all pairs of dates."""
    e = np.asarray(values) - np.nanmean(values)
    n = int(np.isfinite(e).sum())
    total = 0.0
    for i in range(len(e)):
        for j in range(len(e)):
            if abs(i - j) <= lag and np.isfinite(e[i] * e[j]):
                total += (1 - abs(i - j) / (lag + 1)) * e[i] * e[j]
    return total / n / (n - 1)


def test_hand_worked_lag_one():
    # Deviations (-1, 0, 1, 0): gamma_0 = 2/4, gamma_1 = 0, weight 1/2; lag 2 adds -1/4 * 2/3.
    values = [1.0, 2.0, 3.0, 2.0]
    found = mean_ic_inference(values, lag=1)
    assert (found.mean, found.n_dates) == (2.0, 4)
    assert found.standard_error == pytest.approx(sqrt(0.5 / 3))
    assert found.t_statistic == pytest.approx(2 / sqrt(0.5 / 3))
    assert found.n_effective == pytest.approx(4.0)
    found = mean_ic_inference(values, lag=2)
    long_run = 0.5 + 2 * (1 / 3) * (-1 / 4)
    assert found.standard_error == pytest.approx(sqrt(long_run / 3))
    assert found.n_effective == pytest.approx(4 * 0.5 / long_run)


def test_lag_zero_is_the_ordinary_t_statistic():
    values = np.random.default_rng(0).normal(0.1, 1, size=200)
    found = mean_ic_inference(values, lag=0)
    assert found.t_statistic == pytest.approx(stats.ttest_1samp(values, 0).statistic, rel=1e-12)
    assert found.standard_error == pytest.approx(stats.sem(values), rel=1e-12)
    assert found.n_effective == pytest.approx(200)


@settings(deadline=None, derandomize=True, max_examples=60)
@given(
    values=st.lists(st.floats(-1, 1) | st.just(nan), min_size=5, max_size=30),
    lag=st.integers(0, 8),
)
def test_agrees_with_the_double_sum(values, lag):
    present = [value for value in values if not isnan(value)]
    found = mean_ic_inference(values, lag=lag)
    assert found.n_dates == len(present)
    if len(present) <= lag + 1 or np.ptp(present) < 1e-6:
        return
    squared = double_sum(values, lag)
    if isnan(found.standard_error):
        assert squared <= 1e-15
    else:
        assert found.standard_error**2 == pytest.approx(squared, rel=1e-9, abs=1e-15)


def test_overlapping_windows_give_the_standard_error_of_their_independent_returns():
    # Means of h neighbouring independent draws: the variance of the overall mean is that of
    # the draws, while the ordinary standard error is too small by about sqrt(h).
    rng = np.random.default_rng(1)
    h, n = 10, 4000
    ordinary, corrected = [], []
    for _ in range(50):
        draws = rng.normal(size=n + h - 1)
        values = np.convolve(draws, np.ones(h) / h, mode="valid")
        ordinary.append(mean_ic_inference(values, lag=0).standard_error)
        corrected.append(mean_ic_inference(values, lag=4 * h).standard_error)
    truth = 1 / sqrt(n)
    assert np.mean(corrected) == pytest.approx(truth, rel=0.1)
    assert np.mean(ordinary) == pytest.approx(truth / sqrt(h), rel=0.05)


def test_missing_dates_keep_their_place():
    values = [1.0, nan, 3.0, 2.0, 5.0, 1.0]
    apart = mean_ic_inference(values, lag=1).standard_error
    assert apart**2 == pytest.approx(double_sum(values, 1))
    joined = mean_ic_inference([1.0, 3.0, 2.0, 5.0, 1.0], lag=1).standard_error
    assert apart != pytest.approx(joined)


@pytest.mark.parametrize(
    ("values", "lag", "mean"),
    [
        ([], 0, nan),
        ([nan, nan], 0, nan),
        ([2.0], 0, 2.0),
        ([0.1] * 9, 1, 0.1),
        ([1, 2, 4], 2, 7 / 3),
    ],
)
def test_too_little_for_a_t_statistic(values, lag, mean):
    found = mean_ic_inference(values, lag=lag)
    assert found.mean == pytest.approx(mean, nan_ok=True)
    assert isnan(found.t_statistic)
    assert isnan(found.standard_error)
    assert isnan(found.n_effective)


@pytest.mark.parametrize("lag", [-1, 2.0, True, inf])
def test_impossible_lags_are_refused(lag):
    with pytest.raises(Model2Error, match="lag must be a number of dates"):
        mean_ic_inference([1.0, 2.0], lag=lag)
