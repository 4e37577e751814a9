from math import inf, isnan, nan, sqrt

import numpy as np
import purgedcv
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import stats

from model2_assets.errors import Model2Error
from model2_assets.evaluation import deflated_sharpe_ratio, mean_ic_inference
from model2_assets.evaluation.inference import LAG_OVERLAPS, expected_maximum_sharpe
from model2_assets.evaluation.metrics import METRICS
from model2_assets.reports.tables import STANDARD_ERRORS


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
)
def test_agrees_with_purgedcv(returns, n_trials):
    assume(np.ptp(returns) > 1e-3)
    # At the edge of having no variance, rounding decides which side it is on.
    sharpe, kurtosis = np.mean(returns) / np.std(returns), stats.kurtosis(returns, bias=False) + 3
    skewed = stats.skew(returns, bias=False) * sharpe
    assume(abs(1 - skewed + (kurtosis - 1) / 4 * sharpe**2) > 1e-9)
    variance = 1 / (len(returns) - 1)
    found = deflated_sharpe_ratio(returns, n_trials=n_trials)
    if isnan(found):
        with pytest.raises(ValueError, match="denominator is non-positive"):
            purgedcv.deflated_sharpe_ratio(np.array(returns), n_trials, variance)
    else:
        expected = purgedcv.deflated_sharpe_ratio(np.array(returns), n_trials, variance)
        assert found == pytest.approx(expected, rel=1e-9, abs=1e-12)
        assert 0 <= found <= 1


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


def test_pages_say_over_how_many_overlaps_errors_look_back():
    said = (METRICS["rank_ic_se"].meaning, STANDARD_ERRORS)
    assert LAG_OVERLAPS == 2
    assert all("over twice the dates that labels overlap" in text for text in said)
