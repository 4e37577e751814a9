from statistics import NormalDist, mean, stdev

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model2_assets.evaluation.distribution import normal_quantiles


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
