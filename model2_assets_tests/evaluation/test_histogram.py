import numpy as np
import pytest

from model2_assets.evaluation.distribution import histogram, reach_of


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
