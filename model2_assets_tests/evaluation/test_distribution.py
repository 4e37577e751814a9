import math
from statistics import NormalDist, mean, stdev

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model2_assets.evaluation.distribution import (
    histogram,
    ic_distribution,
    mean_by_period,
    monthly_mean_ic,
    normal_quantiles,
    reach_of,
)


def oracle(values):
    """Return Filliben's positions and standardized values in plain Python."""
    n = len(values)
    medians = [(rank - 0.3175) / (n + 0.365) for rank in range(1, n + 1)]
    medians[0], medians[-1] = 1 - 0.5 ** (1 / n), 0.5 ** (1 / n)
    normal = [NormalDist().inv_cdf(median) for median in medians]
    return normal, [(value - mean(values)) / stdev(values) for value in sorted(values)]


def test_hand_worked_points():
    found = normal_quantiles([4.0, 2.0, 6.0])

    # Medians of three uniform order statistics: 1 − 0.5^(1/3), 0.5, 0.5^(1/3).
    assert found["normal"].tolist() == pytest.approx([-0.8193, 0.0, 0.8193], abs=5e-5)
    assert found["value"].tolist() == [-1.0, 0.0, 1.0]


@settings(deadline=None, derandomize=True, max_examples=40)
@given(st.lists(st.floats(-1, 1, width=16), min_size=2, max_size=60, unique=True))
def test_agrees_with_the_definition(values):
    found = normal_quantiles([*values, np.nan, np.inf])

    normal, standardized = oracle(values)
    np.testing.assert_allclose(found["normal"], normal, atol=1e-9)
    np.testing.assert_allclose(found["value"], standardized, rtol=1e-6, atol=1e-9)


def test_long_series_are_thinned_but_for_the_tails():
    values = np.random.default_rng(5).standard_t(4, size=8000)

    found = normal_quantiles(values, most_points=200)
    whole = normal_quantiles(values, most_points=len(values))

    assert 100 < len(found) <= 200
    assert len(whole) == len(values)
    assert set(map(tuple, found.to_numpy())) <= set(map(tuple, whole.to_numpy()))
    for end in (slice(3), slice(-3, None)):
        np.testing.assert_array_equal(found.iloc[end], whole.iloc[end])
    assert np.diff(found["normal"]).max() < 0.25


@pytest.mark.parametrize("values", [[], [1.0], [2.0, 2.0], [np.nan, 1.0]])
def test_nothing_to_compare(values):
    assert normal_quantiles(values).shape == (0, 2)


def test_counts_shares_and_what_lies_beyond():
    found = histogram([-2.0, -0.5, 0.0, 1.0, 2.0, 2.1, np.nan, np.inf], reach=2, n_bins=4)
    assert found.edges.tolist() == [-2, -1, 0, 1, 2]
    assert found.counts.tolist() == [1, 1, 1, 2]
    assert found.beyond == 1
    assert found.shares.tolist() == [1 / 6, 1 / 6, 1 / 6, 2 / 6]


def test_no_values_have_no_share():
    assert histogram([], reach=1, n_bins=2).shares.tolist() == [0, 0]


def test_reach_leaves_a_share_of_the_values_beyond():
    values = np.concatenate([np.linspace(-10, 10, 999), [1e6, np.nan]])
    assert 9.9 < reach_of(values, tail=0.002) < 11
    assert reach_of([-3.0]) == pytest.approx(3)
    assert reach_of([]) == reach_of([0.0]) == 1


@pytest.mark.parametrize(
    ("n_dates", "most", "unit"),
    [
        (100, 150, "daily"),
        (200, 150, "weekly"),
        (2000, 150, "monthly"),
        (8000, 150, "quarterly"),
        (8000, 100, "annual"),
        (8000, 3, "annual"),
    ],
)
def test_the_shortest_periods_that_are_few_enough(n_dates, most, unit):
    dates = pd.bdate_range("1990-01-01", periods=n_dates)
    assert mean_by_period(pd.Series(1.0, index=dates), most=most)[0] == unit


def test_periods_are_counted_by_the_calendar_and_empty_ones_left_out():
    dates = pd.to_datetime(["2024-01-02", "2024-06-03"])
    unit, means = mean_by_period(pd.Series([1.0, 2.0], index=dates), most=150)
    assert unit == "weekly"
    assert means.tolist() == [1.0, 2.0]
    assert means.index.start_time.strftime("%Y-%m-%d").tolist() == [
        "2024-01-01",
        "2024-06-03",
    ]


def test_missing_values_count_for_nothing():
    dates = pd.bdate_range("2024-01-01", periods=4)
    _, means = mean_by_period(pd.Series([1.0, np.nan, 5.0, np.nan], index=dates))
    assert means.tolist() == [1.0, 5.0]
    assert len(mean_by_period(pd.Series([np.nan] * 4, index=dates))[1]) == 0


def test_hand_worked_moments():
    # Deviations −1, −1, −1, 3: m2 = 3, m3 = 6, m4 = 21.
    found = ic_distribution([0.0, 0.0, 0.0, 4.0, np.nan])

    assert found.n_dates == 4
    assert found.standard_deviation == pytest.approx(2.0)
    assert found.positive_share == 0.25
    assert found.skewness == pytest.approx(6 / 3**1.5)
    assert found.excess_kurtosis == pytest.approx(21 / 9 - 3)


def test_agrees_with_pandas_on_a_long_series():
    daily = pd.Series(np.random.default_rng(1).gamma(2.0, size=20_000))

    found = ic_distribution(daily)

    assert found.standard_deviation == pytest.approx(daily.std())
    assert found.skewness == pytest.approx(daily.skew(), rel=1e-3)
    assert found.excess_kurtosis == pytest.approx(daily.kurt(), rel=1e-2)


@pytest.mark.parametrize("values", [[], [0.5], [0.5, 0.5]])
def test_what_is_undefined_is_missing(values):
    found = ic_distribution(values)

    assert found.n_dates == len(values)
    assert math.isnan(found.skewness)
    assert math.isnan(found.excess_kurtosis)
    assert math.isnan(found.standard_deviation) == (len(values) < 2)


def test_hand_worked_months():
    dates = ["2022-11-30", "2022-12-01", "2022-12-02", "2024-02-01", "2024-02-29", "2024-03-01"]
    daily = pd.Series([0.25, 0.5, -0.25, 1.0, np.nan, np.nan], index=pd.to_datetime(dates))

    found = monthly_mean_ic(daily)

    assert found.index.tolist() == [2022, 2023, 2024]
    assert found.columns.tolist() == list(range(1, 13))
    assert found.loc[2022, [11, 12]].tolist() == [0.25, 0.125]
    assert found.loc[2024, 2] == 1.0
    assert found.notna().sum().sum() == 3


def test_agrees_with_resampling():
    dates = pd.bdate_range("2020-03-17", "2023-09-05")
    daily = pd.Series(np.random.default_rng(3).normal(size=len(dates)), index=dates)

    found = monthly_mean_ic(daily).to_numpy().ravel()

    assert np.isnan(found[[0, 1, -3, -2, -1]]).all()
    np.testing.assert_allclose(found[2:-3], daily.resample("MS").mean())


def test_no_value_gives_no_year():
    found = monthly_mean_ic(pd.Series([np.nan], index=pd.to_datetime(["2024-01-02"])))

    assert found.shape == (0, 12)
    assert (found.dtypes == "float64").all()
