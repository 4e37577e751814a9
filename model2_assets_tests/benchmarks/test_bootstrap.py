"""The bound of a ratio of rank ICs."""

import numpy as np
import pytest

from benchmarks.bootstrap import ic_ratio


def test_proportional_sides_leave_no_doubt() -> None:
    blocks = [[3.0, 1.0, 2.0], [2.0, 4.0]]
    halves = [[block / 2 for block in market] for market in blocks]
    found = ic_ratio(halves, blocks, [60, 40])
    assert found.baseline == pytest.approx(0.12)
    assert found.ours == pytest.approx(0.06)
    assert found.ratio == found.lower == pytest.approx(0.5)
    assert found.n_seeds == 2


def test_the_bound_is_that_of_the_normal_distribution() -> None:
    # Of independent pairs, log(ratio) has a standard error of about noise / (mean sqrt(n)).
    generator = np.random.default_rng(1)
    baseline = np.full((20, 50), 1.0)
    ours = 1.0 + generator.normal(0.0, 0.5, (20, 50))
    found = ic_ratio(ours.tolist(), baseline.tolist(), [50] * 20)
    standard_error = 0.5 / np.sqrt(1000)
    # Drawing markets first can only widen the bound, here by a factor below two.
    assert found.ratio == pytest.approx(1.0, abs=4 * standard_error)
    assert 1.3 * standard_error < found.ratio - found.lower < 2.0 * 1.645 * standard_error


def test_it_is_the_same_each_time() -> None:
    sides = [[1.0, 2.0, 0.5], [0.3, 1.0, 1.5]]
    assert ic_ratio(sides, sides[::-1], [9, 9]) == ic_ratio(sides, sides[::-1], [9, 9])
