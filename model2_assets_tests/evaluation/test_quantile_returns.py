import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from model2_assets.evaluation import (
    decile_spread,
    mean_ic_inference,
    mean_quantile_returns,
    quantile_returns,
)
from model2_assets_tests.evaluation.test_decile_spread import ragged


def oracle(prediction, label, index):
    """Return the means from the definition, date by date, in plain Python."""
    frame = pd.DataFrame({"x": prediction, "y": label}, index=index).dropna()
    sizes = frame.groupby("datetime").size()
    count = min(10, int(sizes.median()) // 5) if len(sizes) else 0
    if count < 2:
        return []
    rows = []
    for date in index.levels[1]:
        on_date = frame[frame.index.get_level_values("datetime") == date]
        ranked = sorted(
            zip(
                on_date["x"],
                on_date.index.get_level_values("instrument"),
                on_date["y"],
                strict=True,
            )
        )
        n = len(ranked)
        if n < count or ranked[0][0] == ranked[-1][0]:
            rows.append([np.nan] * count)
            continue
        size = n // count
        labels = [row[2] for row in ranked]
        inside = labels[size : n - size]
        middle = [[] for _ in range(count - 2)]
        for place, value in enumerate(inside):
            if middle:
                middle[place * (count - 2) // len(inside)].append(value)
        rows.append([np.mean(part) for part in [labels[:size], *middle, labels[n - size :]]])
    return rows


def test_hand_worked_quantiles():
    # Median 15 names: thirds. 15 names: 5 each; 17: 5, 7, 5; 2 names: none.
    index, _ = ragged([15, 17, 2])
    prediction = np.concatenate([np.arange(15), -np.arange(17.0), [1, 2]])
    label = np.concatenate([np.arange(15) ** 2, np.arange(17), [5, 6]])
    found = quantile_returns(prediction, label, index)
    assert found.index.name == "datetime"
    assert found.columns.tolist() == [1, 2, 3]
    expected = [[30 / 5, 255 / 5, 730 / 5], [14, 8, 2], [np.nan] * 3]
    np.testing.assert_allclose(found, expected)


@pytest.mark.parametrize(("n_names", "count"), [(9, 0), (10, 2), (24, 4), (49, 9), (500, 10)])
def test_number_of_quantiles(n_names, count):
    index, rng = ragged([n_names, n_names])
    assert quantile_returns(*rng.normal(size=(2, 2 * n_names)), index).shape == (2, count)


def test_halves_leave_an_odd_name_out():
    index, _ = ragged([11])
    found = quantile_returns(np.arange(11), [0.0] * 5 + [99.0] + [1.0] * 5, index)
    assert found.to_numpy().tolist() == [[0, 1]]


def test_highest_less_lowest_is_the_decile_spread():
    index, rng = ragged([53] * 5)
    x, y = rng.normal(size=(2, len(index)))
    found = quantile_returns(x, y, index)
    np.testing.assert_allclose(found[10] - found[1], decile_spread(x, y, index))


def test_equal_predictions_have_no_quantiles_and_missing_values_no_place():
    index, rng = ragged([12, 12])
    x, y = rng.normal(size=(2, 24))
    x[:12] = 3.0
    y[12] = np.nan
    found = quantile_returns(x, y, index)
    assert found.iloc[0].isna().all()
    np.testing.assert_allclose(
        found.iloc[1], quantile_returns(x[13:], y[13:], index[13:]).iloc[0], atol=1e-12
    )


def test_nothing_finite_gives_no_columns():
    index, _ = ragged([12])
    assert quantile_returns([np.nan] * 12, [1.0] * 12, index).shape == (1, 0)


@settings(max_examples=60, deadline=None)
@given(
    counts=st.lists(st.integers(1, 40), min_size=1, max_size=6),
    data=st.data(),
)
def test_against_the_definition_in_any_row_order(counts, data):
    index, rng = ragged(counts)
    values = hnp.arrays(float, len(index), elements=st.integers(-4, 4).map(float))
    x, y = data.draw(values), data.draw(values)
    x[rng.random(len(x)) < 0.1] = np.nan
    order = rng.permutation(len(index))
    found = quantile_returns(x[order], y[order], index[order])
    expected = oracle(x, y, index)
    assert found.shape == (len(counts), len(expected[0]) if expected else 0)
    if expected:
        np.testing.assert_allclose(found.to_numpy(), expected, atol=1e-12)


def test_means_over_dates_have_overlap_correct_errors():
    returns = pd.DataFrame({1: [1.0, 3.0, np.nan, -1.0, 5.0], 2: [np.nan] * 5})
    found = mean_quantile_returns(returns, lag=1)
    assert found["mean"].tolist()[0] == 2.0
    expected = mean_ic_inference([1.0, 3.0, np.nan, -1.0, 5.0], lag=1).standard_error
    assert found["standard_error"].tolist()[0] == expected
    assert found.loc[2].isna().all()
    assert mean_quantile_returns(returns[[]], lag=1).shape == (0, 2)
