from dataclasses import replace

import numpy as np
import pytest

from model2_assets.checks.null_control import find_row_patterns
from model2_assets_tests.controls.leaking import leak_test_rows
from model2_assets_tests.training.panels import make_data


@pytest.mark.parametrize(("n_groups", "n_test_groups"), [(3, 1), (5, 2), (6, 3), (20, 1)])
def test_patterns_say_exactly_which_splits_train_on_and_test_a_row(n_groups, n_test_groups):
    data = make_data(n_dates=80, n_groups=n_groups, n_test_groups=n_test_groups)

    patterns = find_row_patterns(data)

    np.testing.assert_array_equal(patterns.trains[patterns.ids], data.roles == 0)
    np.testing.assert_array_equal(
        patterns.test_sets[patterns.test_set_of[patterns.ids]], data.roles == 1
    )
    assert len(np.unique(patterns.ids)) == len(patterns.trains) < 400


def test_a_row_may_be_trained_on_and_tested_by_the_same_split():
    data = make_data()

    patterns = find_row_patterns(leak_test_rows(data, share=1.0))

    tests = patterns.test_sets[patterns.test_set_of]
    assert (patterns.trains & tests).any(axis=0).all()


def test_random_roles_of_many_splits_are_told_apart():
    data = make_data(n_dates=30, n_instruments=4)
    roles = np.random.default_rng(0).integers(0, 3, size=(data.n_rows, 70)).astype(np.int8)

    patterns = find_row_patterns(replace(data, roles=roles))

    np.testing.assert_array_equal(patterns.trains[patterns.ids], roles == 0)
    np.testing.assert_array_equal(
        patterns.test_sets[patterns.test_set_of[patterns.ids]], roles == 1
    )
