import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.stats import spearmanr

from model2_assets.errors import Model2Error
from model2_assets.evaluation import rank_autocorrelation
from model2_assets.panel import panel_index

NAN = np.nan


def panel(wide):
    """Return the finite cells of a dates by names array as rows, and their index."""
    wide = np.asarray(wide, dtype=float)
    dates = pd.bdate_range("2024-01-01", periods=len(wide))
    row, column = np.nonzero(np.isfinite(wide))
    return wide[row, column], panel_index([f"S{i:02}" for i in column], dates[row])


def oracle(wide, lag):
    """Return the definition, pair of dates by pair of dates, by pandas and scipy."""
    frame = pd.DataFrame(wide)
    found = [NAN] * min(lag, len(frame))
    for date in range(lag, len(frame)):
        pair = frame.iloc[[date, date - lag]].T.dropna()
        fits = len(pair) >= 3 and (pair.min() < pair.max()).all()
        found.append(spearmanr(pair.iloc[:, 0], pair.iloc[:, 1]).statistic if fits else NAN)
    return found


def test_hand_worked_dates():
    # Ranks 1234 then 1243: 1 − 6·2/(4·15) = 0.8. Then 4321: reversed against 1234.
    wide = [[1, 2, 3, 4], [10, 20, 40, 30], [4, 3, 2, 1]]
    values, index = panel(wide)
    np.testing.assert_allclose(rank_autocorrelation(values, index, lag=1), [NAN, 0.8, -0.8])
    np.testing.assert_allclose(rank_autocorrelation(values, index, lag=2), [NAN, NAN, -1.0])


def test_names_of_both_dates_are_ranked_among_themselves():
    # S00 and S04 drop out; the three common names stand in reverse.
    values, index = panel([[5, 1, 2, 3, NAN], [NAN, 3, 2, 1, 9]])
    np.testing.assert_allclose(rank_autocorrelation(values, index, lag=1), [NAN, -1.0])


def test_two_common_names_or_a_constant_side_have_none():
    values, index = panel([[1, 2, 3, NAN], [NAN, 2, 3, 4], [7, 7, 7, 7], [1, 2, 3, 4]])
    assert rank_autocorrelation(values, index, lag=1).isna().all()


@pytest.mark.parametrize("lag", [2, 3, 50])
def test_a_history_no_longer_than_the_lag_has_none(lag):
    values, index = panel([[1, 2, 3], [3, 2, 1]])
    found = rank_autocorrelation(values, index, lag=lag)
    assert found.index.name == "datetime"
    assert found.isna().tolist() == [True, True]


@pytest.mark.parametrize("lag", [0, -1, 1.5, True])
def test_lag_must_be_a_number_of_dates(lag):
    values, index = panel([[1, 2, 3], [3, 2, 1]])
    with pytest.raises(Model2Error, match="lag must be a number of dates, 1 or more"):
        rank_autocorrelation(values, index, lag=lag)


@settings(deadline=None, derandomize=True, max_examples=60)
@given(
    wide=hnp.arrays(
        np.float64,
        st.tuples(st.integers(2, 6), st.integers(3, 9)),
        elements=st.one_of(st.just(NAN), st.integers(-4, 4).map(float)),
    ).filter(lambda wide: np.isfinite(wide).any(axis=1).all()),
    lag=st.integers(1, 3),
    seed=st.integers(0, 9),
)
def test_agrees_with_the_definition_in_any_row_order(wide, lag, seed):
    values, index = panel(wide)
    order = np.random.default_rng(seed).permutation(len(values))
    found = rank_autocorrelation(values[order], index[order], lag=lag)
    np.testing.assert_allclose(found, oracle(wide, lag), atol=1e-12)


def test_rows_that_are_not_finite_are_left_out():
    values, index = panel([[1, 2, 3, 4, 8], [4, 3, 2, 1, 9]])
    values[[4, 9]] = [np.inf, NAN]
    np.testing.assert_allclose(rank_autocorrelation(values, index, lag=1), [NAN, -1.0])
