import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model2_assets.errors import Model2Error
from model2_assets.evaluation import cumulative_quantile_spread


def daily(values):
    return pd.Series(values, index=pd.bdate_range("2024-01-01", periods=len(values)), dtype=float)


def test_hand_worked_books():
    # Books of dates {0, 3}, {1, 4} and {2}; the missing date 4 adds nothing.
    found = cumulative_quantile_spread(daily([3, 6, -9, 12, np.nan]), horizon_days=3)

    assert found["mean"].tolist() == [1, 3, 0, 4, 4]
    assert found["low"].tolist() == [0, 0, -9, -9, -9]
    assert found["high"].tolist() == [3, 6, 6, 15, 15]


def test_a_constant_spread_is_earned_once_a_window():
    # 40 dates of 10 bps a window of 5 dates are 8 windows, not 40.
    found = cumulative_quantile_spread(daily([10.0] * 40), horizon_days=5)

    assert found["mean"].iloc[-1] == pytest.approx(80)
    assert found["low"].iloc[-1] == found["high"].iloc[-1] == 80


def test_windows_of_one_date_are_added_up():
    values = [1.0, -2.0, 4.0]

    found = cumulative_quantile_spread(daily(values), horizon_days=1)

    for column in ("mean", "low", "high"):
        assert found[column].tolist() == [1, -1, 3]


@settings(deadline=None, derandomize=True, max_examples=50)
@given(values=st.lists(st.integers(-99, 99), max_size=30), horizon_days=st.integers(1, 8))
def test_each_book_is_the_sum_of_every_so_many_dates(values, horizon_days):
    found = cumulative_quantile_spread(daily(values), horizon_days=horizon_days)

    for last in range(len(values)):
        books = [sum(values[: last + 1][start::horizon_days]) for start in range(horizon_days)]
        row = found.iloc[last]
        assert row["low"] == min(books)
        assert row["high"] == max(books)
        assert row["mean"] == pytest.approx(sum(books) / horizon_days)


def test_horizon_below_one_is_refused():
    with pytest.raises(Model2Error, match="horizon_days must be a number of dates, 1 or more"):
        cumulative_quantile_spread(daily([1.0]), horizon_days=0)
