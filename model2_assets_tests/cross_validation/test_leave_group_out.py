import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model2_assets.cross_validation import PurgedEmbargoedTimeSeriesSplit, leave_group_out
from model2_assets.errors import CrossValidationError
from model2_assets.panel import panel_index


def panel(n_dates, names="AB", seed=0, longest=4):
    """Return an index and label ends some dates later, a few beyond the last."""
    calendar = pd.bdate_range("2024-01-01", periods=n_dates + longest).as_unit("us")
    dates = np.repeat(np.arange(n_dates), len(names))
    index = panel_index(list(names) * n_dates, calendar[dates])
    ahead = np.random.default_rng(seed).integers(0, longest + 1, len(index))
    return index, calendar[dates + ahead]


@settings(max_examples=40, deadline=None)
@given(st.integers(2, 5), st.integers(0, 3), st.integers(0, 99))
def test_given_our_own_groups_the_splits_are_our_own(n_groups, embargo_days, seed):
    index, end = panel(3 * n_groups + 1, seed=seed)
    cv = PurgedEmbargoedTimeSeriesSplit(n_groups, embargo_days=embargo_days)
    found = leave_group_out(index, cv.group_ids(index), label_end=end, embargo_days=embargo_days)
    pairs = zip(found, cv.split(index, label_end=end), strict=True)
    for number, (fold, (train, test)) in enumerate(pairs):
        assert fold.group_id == number
        np.testing.assert_array_equal(fold.train, train)
        np.testing.assert_array_equal(fold.test, test)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, 3), min_size=4, max_size=14), st.integers(0, 99), st.booleans())
def test_no_train_row_touches_a_held_out_row_whatever_the_groups(of_date, seed, past_only):
    index, end = panel(len(of_date), seed=seed)
    groups = np.repeat(of_date, 2)
    start = index.get_level_values("datetime").to_numpy()
    stop = end.to_numpy()
    held_out = set()
    for fold in leave_group_out(index, groups, label_end=end, embargo_days=1, past_only=past_only):
        held_out.add(fold.group_id)
        np.testing.assert_array_equal(fold.test, np.flatnonzero(groups == fold.group_id))
        touches = (start[fold.train][:, None] <= stop[fold.test]) & (
            stop[fold.train][:, None] >= start[fold.test]
        )
        assert not touches.any()
        if past_only:
            assert (groups[fold.train] < fold.group_id).all()
    expected = sorted(set(of_date))
    assert held_out == set(expected[1:] if past_only else expected)


def test_a_date_in_two_groups_is_refused():
    index, end = panel(4)
    with pytest.raises(CrossValidationError, match="rows of one date are in groups 0 and 1"):
        list(leave_group_out(index, [0, 0, 0, 1, 1, 1, 1, 1], label_end=end))
    with pytest.raises(CrossValidationError, match="one group for each of the 8 rows of X, got 1"):
        list(leave_group_out(index, [0], label_end=end))
