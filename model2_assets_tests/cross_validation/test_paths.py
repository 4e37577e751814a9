"""Complete histories from the predictions of single splits."""

import numpy as np
import pytest
from purgedcv import reconstruct_paths
from skfolio.model_selection import CombinatorialPurgedCV as SkfolioCPCV

from model2_assets.cross_validation import (
    PurgedEmbargoedTimeSeriesSplit,
    WalkForwardSplit,
    recombine_paths,
)
from model2_assets.errors import CrossValidationError
from model2_assets_tests.cross_validation.panels import full_panel


def long_table(cv, index, label_end, value):
    """Return rows, split ids and predictions of all splits, in a mixed order."""
    tests = [test for _, test in cv.split(index, label_end=label_end)]
    rows = np.concatenate(tests)
    split_ids = np.repeat(np.arange(len(tests)), [len(test) for test in tests])
    order = np.random.default_rng(0).permutation(len(rows))
    rows, split_ids = rows[order], split_ids[order]
    return rows, split_ids, value(split_ids, rows)


def recombined(cv, index, label_end, value=lambda split_ids, rows: split_ids):
    rows, split_ids, predictions = long_table(cv, index, label_end, value)
    return recombine_paths(
        predictions, rows=rows, split_ids=split_ids, group_ids=cv.group_ids(index), cv=cv
    )


@pytest.mark.parametrize(
    ("n_groups", "splits_of_path"),
    [
        (4, [[0, 0, 1, 2], [1, 3, 3, 4], [2, 4, 5, 5]]),
        (
            6,
            [
                [0, 0, 1, 2, 3, 4],
                [1, 5, 5, 6, 7, 8],
                [2, 6, 9, 9, 10, 11],
                [3, 7, 10, 12, 12, 13],
                [4, 8, 11, 13, 14, 14],
            ],
        ),
    ],
)
def test_each_path_takes_its_groups_from_the_splits_worked_out_by_hand(n_groups, splits_of_path):
    index, label_end = full_panel(3, 2 * n_groups, window=1)
    cv = PurgedEmbargoedTimeSeriesSplit(n_groups, n_test_groups=2)
    paths = recombined(cv, index, label_end)
    assert paths.shape == (6 * n_groups, len(splits_of_path))
    assert paths.flags.f_contiguous
    # Two dates of three instruments are a group of six rows.
    assert paths.T.tolist() == np.repeat(splits_of_path, 6, axis=1).tolist()


@pytest.mark.parametrize(("n_groups", "k"), [(4, 2), (6, 2), (5, 3), (6, 4)])
def test_paths_agree_with_purgedcv_and_skfolio(n_groups, k):
    index, label_end = full_panel(1, 4 * n_groups, window=1)
    cv = PurgedEmbargoedTimeSeriesSplit(n_groups, n_test_groups=k)
    tests = [test for _, test in cv.split(index, label_end=label_end)]
    predictions = [np.random.default_rng(i).normal(size=len(t)) for i, t in enumerate(tests)]
    ours = recombine_paths(
        np.concatenate(predictions),
        rows=np.concatenate(tests),
        split_ids=np.repeat(np.arange(len(tests)), [len(test) for test in tests]),
        group_ids=cv.group_ids(index),
        cv=cv,
    )
    theirs = reconstruct_paths(predictions, tests, n_groups, k, len(index))
    np.testing.assert_array_equal(ours.T, theirs)
    from_splits = recombined(cv, index, label_end)[::4]
    np.testing.assert_array_equal(from_splits, SkfolioCPCV(n_groups, k).recombined_paths)


@pytest.mark.parametrize(("n_groups", "k"), [(5, 1), (6, 2), (7, 3)])
def test_every_path_has_every_row_once_and_the_mean_over_paths_is_that_over_splits(n_groups, k):
    index, label_end = full_panel(2, 25, window=2)
    cv = PurgedEmbargoedTimeSeriesSplit(n_groups, n_test_groups=k)
    rows, split_ids, _ = long_table(cv, index, label_end, lambda s, r: s)
    values = np.random.default_rng(1).normal(size=len(rows))
    paths = recombine_paths(
        values, rows=rows, split_ids=split_ids, group_ids=cv.group_ids(index), cv=cv
    )
    assert paths.shape == (50, cv.n_paths)
    assert np.isfinite(paths).all()
    sums = np.bincount(rows, weights=values)
    np.testing.assert_allclose(paths.mean(axis=1), sums / cv.n_paths, atol=1e-12)
    assert sorted(paths.ravel().tolist()) == sorted(values.tolist())


def test_path_of_every_prediction():
    cv = PurgedEmbargoedTimeSeriesSplit(4, n_test_groups=2)
    assert cv.path_table()[[0, 1, 3, 5, 5], [1, 0, 2, 2, 3]].tolist() == [0, 1, 1, 2, 2]


def test_a_walk_forward_has_one_path_that_begins_with_the_first_tested_group():
    index, label_end = full_panel(1, 8, window=1)
    cv = WalkForwardSplit(4, train_groups=2)
    assert (cv.n_paths, cv.path_ids().tolist()) == (1, [[0], [0]])
    paths = recombined(cv, index, label_end, lambda split_ids, rows: rows)
    np.testing.assert_array_equal(paths[:, 0], [np.nan] * 4 + [4, 5, 6, 7])


def broken(**changes):
    cv = PurgedEmbargoedTimeSeriesSplit(3, n_test_groups=2)
    whole = {"rows": [0, 1, 0, 2, 1, 2], "split_ids": [0, 0, 1, 1, 2, 2], "group_ids": [0, 1, 2]}
    values = whole | changes
    predictions = values.pop("predictions", [0.0] * len(values["rows"]))
    return recombine_paths(predictions, **values, cv=cv)


def test_incomplete_and_impossible_predictions_are_refused():
    assert broken().shape == (3, 2)
    with pytest.raises(
        CrossValidationError, match=r"path 1 has 0 predictions of row 2, and 0 more"
    ):
        broken(rows=[0, 1, 0, 2, 1], split_ids=[0, 0, 1, 1, 2])
    with pytest.raises(
        CrossValidationError, match=r"path 0 has 2 predictions of row 0, and 0 more"
    ):
        broken(rows=[0, 1, 0, 2, 1, 2, 0], split_ids=[0, 0, 1, 1, 2, 2, 0])
    with pytest.raises(CrossValidationError, match=r"no split 0 that tests group 2 .* 3 splits"):
        broken(rows=[2, 1, 0, 2, 1, 2])
    with pytest.raises(CrossValidationError, match="no split 3 that tests group 2"):
        broken(split_ids=[0, 0, 1, 1, 2, 3])
    with pytest.raises(CrossValidationError, match="rows go from 0 to 3, but group_ids has 3"):
        broken(rows=[0, 1, 0, 2, 1, 3])
    with pytest.raises(CrossValidationError, match=r"of one length, got shapes \(5,\)"):
        broken(predictions=[0.0] * 5)
