import numpy as np
import pandas as pd
import pytest

from model2_assets.evaluation.distribution import mean_by_period


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
    assert mean_by_period(pd.Series(1.0, index=dates), most=most).unit == unit


def test_periods_are_counted_by_the_calendar_and_empty_ones_left_out():
    dates = pd.to_datetime(["2024-01-02", "2024-06-03"])
    found = mean_by_period(pd.Series([1.0, 2.0], index=dates), most=150)
    assert found.unit == "weekly"
    assert found.means.tolist() == [1.0, 2.0]
    assert found.means.index.start_time.strftime("%Y-%m-%d").tolist() == [
        "2024-01-01",
        "2024-06-03",
    ]


def test_missing_values_count_for_nothing():
    dates = pd.bdate_range("2024-01-01", periods=4)
    found = mean_by_period(pd.Series([1.0, np.nan, 5.0, np.nan], index=dates))
    assert found.means.tolist() == [1.0, 5.0]
    assert len(mean_by_period(pd.Series([np.nan] * 4, index=dates)).means) == 0
