"""From the predictions of single splits to complete histories."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from model2_assets.cross_validation.splitter import DateGroupsSplit
from model2_assets.errors import CrossValidationError


def recombine_paths(
    predictions: ArrayLike,
    *,
    rows: ArrayLike,
    split_ids: ArrayLike,
    group_ids: ArrayLike,
    cv: DateGroupsSplit,
) -> NDArray[np.float64]:
    """Put the predictions of single splits together to complete histories.

    With k of N groups tested at a time, every row is predicted by ``C(N-1, k-1)`` models.
    Path n takes, for each group of dates, the predictions of the n-th split that tests the
    group [1]_. So a path has every row exactly once, each from a model that did not train
    on it, and different groups of one path may come from different models.

    Parameters
    ----------
    predictions : array-like of float, shape (n_predictions,)
        All predictions of all splits, in any order.
    rows : array-like of int, shape (n_predictions,)
        Position of the row that each is for.
    split_ids : array-like of int, shape (n_predictions,)
        Split that each comes from.
    group_ids : array-like of int, shape (n_rows,)
        Group of every row, from ``cv.group_ids``.
    cv : PurgedEmbargoedTimeSeriesSplit or WalkForwardSplit
        The splitter.

    Returns
    -------
    ndarray of shape (n_rows, n_paths), float64
        One path a column, in Fortran order. NaN only in rows of groups that no split tests
        (the first ones of a walk-forward).

    Raises
    ------
    CrossValidationError
        If arrays differ in length, a row does not exist, a prediction comes from a split
        that does not test its row, or a path has a row twice or not at all.

    References
    ----------
    .. [1] M. López de Prado, "Advances in Financial Machine Learning", Wiley 2018,
       section 12.4.

    Examples
    --------
    Three rows in three groups, two tested at a time; split 0 tests groups 0 and 1, split 1
    tests 0 and 2, split 2 tests 1 and 2:

    >>> from model2_assets.cross_validation import PurgedEmbargoedTimeSeriesSplit
    >>> recombine_paths(
    ...     [0.0, 0.1, 1.0, 1.2, 2.1, 2.2],
    ...     rows=[0, 1, 0, 2, 1, 2],
    ...     split_ids=[0, 0, 1, 1, 2, 2],
    ...     group_ids=[0, 1, 2],
    ...     cv=PurgedEmbargoedTimeSeriesSplit(3, n_test_groups=2),
    ... ).T
    array([[0. , 0.1, 1.2],
           [1. , 2.1, 2.2]])
    """
    values = np.asarray(predictions, dtype=np.float64)
    positions, splits = np.asarray(rows, np.int64), np.asarray(split_ids, np.int64)
    groups = np.asarray(group_ids, dtype=np.int64)
    if values.ndim != 1 or not values.shape == positions.shape == splits.shape:
        raise CrossValidationError(
            f"predictions, rows and split_ids must be of one length, got shapes {values.shape}, "
            f"{positions.shape} and {splits.shape}"
        )
    if len(positions) and not 0 <= positions.min() <= positions.max() < len(groups):
        raise CrossValidationError(
            f"rows go from {positions.min()} to {positions.max()}, but group_ids has "
            f"{len(groups)} rows; pass the groups of all rows"
        )
    tested = groups[positions]
    known = (splits >= 0) & (splits < cv.n_splits) & (tested >= 0) & (tested < cv.n_groups)
    paths = np.full(len(tested), -1, dtype=np.int64)
    paths[known] = cv.path_table()[splits[known], tested[known]]
    strange = np.flatnonzero(paths < 0)
    if len(strange):
        split_id, group_id = splits[strange[0]], tested[strange[0]]
        raise CrossValidationError(
            f"there is no split {split_id} that tests group {group_id} (and {len(strange) - 1} "
            f"more such predictions); pass the splitter that made them, of {cv.n_splits} splits"
        )
    shape = (len(groups), cv.n_paths)
    n_tests = np.zeros(shape, dtype=np.int64)
    np.add.at(n_tests, (positions, paths), 1)
    uneven = n_tests != np.isin(groups, cv.test_groups)[:, None]
    if uneven.any():
        row, path = np.argwhere(uneven)[0]
        raise CrossValidationError(
            f"path {path} has {n_tests[row, path]} predictions of row {row}, and "
            f"{int(uneven.sum()) - 1} more such cells; give one for each split that tests a row"
        )
    complete = np.full(shape, np.nan, dtype=np.float64, order="F")
    complete[positions, paths] = values
    return complete
