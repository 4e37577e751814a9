"""Rows that the same splits train on and test, as one pattern."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from model2_assets.errors import TrainingError
from model2_assets.training import TrainingData, number_rows, role_marks


@dataclass(frozen=True, eq=False)
class RowPatterns:
    """Which splits train on and test each row.

    Splits differ in few ways: by groups of dates, less what is purged at their edges. So
    there are some tens of patterns, and a sum over the train rows of any split is a sum of
    patterns.

    Attributes
    ----------
    ids : ndarray of shape (n_rows,), intp
        Pattern of each row.
    trains : ndarray of shape (n_patterns, n_splits), bool
        Whether a split trains on the rows of a pattern.
    test_sets : ndarray of shape (n_test_sets, n_splits), bool
        The distinct sets of splits that test a row.
    test_set_of : ndarray of shape (n_patterns,), intp
        Test set of the rows of each pattern.
    """

    ids: NDArray[np.intp]
    trains: NDArray[np.bool_]
    test_sets: NDArray[np.bool_]
    test_set_of: NDArray[np.intp]

    @cached_property
    def is_trained(self) -> NDArray[np.bool_]:
        """Whether any split trains on the rows of a pattern: shape (n_patterns,)."""
        return np.asarray(self.trains.any(axis=1), dtype=bool)

    @cached_property
    def is_tested(self) -> NDArray[np.bool_]:
        """Whether a test set has any split: shape (n_test_sets,)."""
        return np.asarray(self.test_sets.any(axis=1), dtype=bool)


def find_row_patterns(data: TrainingData) -> RowPatterns:
    """Group rows by the splits that train on them and the splits that test them.

    The rows are those of `TrainingData.train_rows` and `TrainingData.test_rows`, by which
    every model is fitted and predicts. A row may be among both: that is what a control is
    there to find out.

    Parameters
    ----------
    data : TrainingData
        Rows and their roles.

    Returns
    -------
    RowPatterns
        Patterns in the order of their first rows.

    Raises
    ------
    TrainingError
        If a split has no train or no test rows; the message names it.
    """
    for split_id in range(data.n_splits):
        n_train, n_test = len(data.train_rows(split_id)), len(data.test_rows(split_id))
        if not n_train or not n_test:
            raise TrainingError(
                f"split {split_id} has {n_train} train and {n_test} test rows; lengthen "
                f"the history, or lower n_groups or embargo_days"
            )
    ids = number_rows(data.n_rows, role_marks(data))
    trains = np.zeros((int(ids.max(initial=-1)) + 1, data.n_splits), dtype=bool)
    tests = np.zeros_like(trains)
    for split_id in range(data.n_splits):
        trains[ids[data.train_rows(split_id)], split_id] = True
        tests[ids[data.test_rows(split_id)], split_id] = True
    test_sets, test_set_of = np.unique(tests, axis=0, return_inverse=True)
    return RowPatterns(
        ids=ids,
        trains=trains,
        test_sets=test_sets,
        test_set_of=test_set_of.ravel().astype(np.intp),
    )
