"""Other implementations, where their conventions and ours agree.

skfolio works on one series and counts observations: with every label looking p observations
ahead, its ``purged_size=p`` drops p observations on both sides of a test block, and its
``embargo_size`` what follows after those. Its groups agree with ours only where the number
of dates is a multiple of the number of groups (it puts the remainder into the last), and it
knows no single test group.

purgedcv takes half-open label intervals, so ends are moved by a microsecond to close them.
Its ``embargo_observations`` counts rows from the end of the test block, ours counts dates
from the block's latest label end, so p + embargo of its rows (times the instruments of a
balanced panel) are ours. Its groups cut rows, which are whole dates only on a balanced panel
whose number of dates is a multiple of the number of groups.
"""

import numpy as np
import pandas as pd
import pytest
from purgedcv import CombinatorialPurgedCV as PurgedcvCPCV
from purgedcv import PurgedKFold, reconstruct_paths
from skfolio.model_selection import CombinatorialPurgedCV as SkfolioCPCV

from model2_assets.cross_validation import PurgedEmbargoedTimeSeriesSplit
from model2_assets.panel import panel_index
from model2_assets_tests.cross_validation.panels import dates_of, full_panel, one_series


@pytest.mark.parametrize(
    ("n_groups", "k", "window", "embargo"),
    [(3, 2, 0, 0), (4, 2, 3, 0), (5, 2, 3, 2), (5, 3, 1, 4), (6, 2, 4, 3), (6, 4, 2, 1)],
)
def test_one_series_agrees_with_skfolio(n_groups, k, window, embargo):
    index, label_end = one_series(12 * n_groups, window=window)
    ours = PurgedEmbargoedTimeSeriesSplit(n_groups, n_test_groups=k, embargo_days=embargo)
    theirs = SkfolioCPCV(n_groups, k, purged_size=window, embargo_size=embargo)
    assert (ours.n_splits, ours.n_paths) == (theirs.n_splits, theirs.n_test_paths)
    np.testing.assert_array_equal(ours.test_groups, theirs.test_set_index)
    np.testing.assert_array_equal(ours.path_ids(), theirs.get_path_ids())
    splits = zip(
        ours.split(index, label_end=label_end),
        theirs.split(np.zeros((len(index), 1))),
        strict=True,
    )
    for (train, test), (their_train, their_tests) in splits:
        np.testing.assert_array_equal(train, their_train)
        np.testing.assert_array_equal(test, np.concatenate(their_tests))


@pytest.mark.parametrize(("n_groups", "k"), [(4, 2), (6, 2), (5, 3), (6, 4)])
def test_paths_agree_with_purgedcv_and_skfolio(n_groups, k):
    index, label_end = full_panel(1, 4 * n_groups, window=1)
    cv = PurgedEmbargoedTimeSeriesSplit(n_groups, n_test_groups=k)
    split_of = np.full((cv.n_paths, n_groups), -1)
    for split_id, (groups, paths) in enumerate(zip(cv.test_groups, cv.path_ids(), strict=True)):
        split_of[paths, groups] = split_id
    tests = [test for _, test in cv.split(index, label_end=label_end)]
    split_ids = [np.full(len(test), float(i)) for i, test in enumerate(tests)]
    theirs = reconstruct_paths(split_ids, tests, n_groups, k, len(index))
    np.testing.assert_array_equal(split_of[:, cv.group_ids(index)], theirs)
    np.testing.assert_array_equal(split_of.T, SkfolioCPCV(n_groups, k).recombined_paths)


@pytest.mark.parametrize(
    ("n_groups", "k", "window", "embargo"),
    [(5, 1, 3, 2), (5, 2, 3, 0), (4, 2, 6, 1), (6, 3, 2, 5), (3, 1, 0, 1)],
)
@pytest.mark.parametrize("n_instruments", [1, 3])
def test_balanced_panel_agrees_with_purgedcv(n_instruments, n_groups, k, window, embargo):
    index, label_end = full_panel(n_instruments, 8 * n_groups, window=window)
    ours = PurgedEmbargoedTimeSeriesSplit(n_groups, n_test_groups=k, embargo_days=embargo)
    theirs = PurgedcvCPCV(
        n_groups,
        k,
        prediction_times=dates_of(index),
        evaluation_times=np.asarray(label_end) + np.timedelta64(1, "us"),
        embargo_observations=(window + embargo) * n_instruments,
    )
    splits = zip(
        ours.split(index, label_end=label_end),
        theirs.split(np.zeros((len(index), 1))),
        strict=True,
    )
    for (train, test), (their_train, their_test) in splits:
        np.testing.assert_array_equal(train, their_train)
        np.testing.assert_array_equal(test, their_test)


@pytest.mark.parametrize("seed", range(5))
def test_labels_of_uneven_length_agree_with_purgedcv(seed):
    rng = np.random.default_rng(seed)
    n_dates = 43
    steps = rng.integers(1, 5, size=n_dates).astype("timedelta64[D]")
    dates = np.datetime64("2021-01-01", "us") + np.cumsum(steps)
    label_end = dates + rng.integers(0, 20, size=n_dates).astype("timedelta64[D]")
    index = panel_index(["A"] * n_dates, dates)
    ours = PurgedEmbargoedTimeSeriesSplit(5, embargo_days=0)
    theirs = PurgedKFold(
        5, prediction_times=dates, evaluation_times=label_end + np.timedelta64(1, "us")
    )
    splits = zip(
        ours.split(index, label_end=pd.Series(label_end)),
        theirs.split(np.zeros((n_dates, 1))),
        strict=True,
    )
    for (train, test), (their_train, their_test) in splits:
        np.testing.assert_array_equal(train, their_train)
        np.testing.assert_array_equal(test, their_test)
