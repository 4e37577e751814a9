"""Groups of whole dates, the combinations tested together, and the paths they make."""

from itertools import combinations
from math import comb

import numpy as np
from numpy.typing import ArrayLike, NDArray

from model2_assets.errors import CrossValidationError


def group_of_date(n_dates: int, n_groups: int) -> NDArray[np.int16]:
    """Cut consecutive dates into contiguous groups whose sizes differ by at most one.

    The first ``n_dates % n_groups`` groups are one date longer, so every date is in one.

    Parameters
    ----------
    n_dates : int
        Number of distinct dates.
    n_groups : int
        Number of groups.

    Returns
    -------
    ndarray of shape (n_dates,), int16
        Group of each date, ascending.

    Raises
    ------
    CrossValidationError
        If there are fewer dates than groups.

    Examples
    --------
    >>> group_of_date(7, 3)
    array([0, 0, 0, 1, 1, 2, 2], dtype=int16)
    """
    if n_dates < n_groups:
        raise CrossValidationError(
            f"n_groups is {n_groups} but there are only {n_dates} distinct dates to cut; "
            f"lower cross_validation.n_groups or give more history"
        )
    size, remainder = divmod(n_dates, n_groups)
    sizes = np.full(n_groups, size)
    sizes[:remainder] += 1
    return np.repeat(np.arange(n_groups, dtype=np.int16), sizes)


def test_group_combinations(n_groups: int, n_test_groups: int) -> NDArray[np.int64]:
    """Return every choice of test groups, in lexicographic order.

    Returns
    -------
    ndarray of shape (n_splits, n_test_groups), int64
        Ascending group ids; ``n_splits = C(n_groups, n_test_groups)``.

    Examples
    --------
    >>> test_group_combinations(3, 2).tolist()
    [[0, 1], [0, 2], [1, 2]]
    """
    chosen = list(combinations(range(n_groups), n_test_groups))
    return np.array(chosen, dtype=np.int64).reshape(comb(n_groups, n_test_groups), n_test_groups)


def path_ids(test_groups: NDArray[np.int64]) -> NDArray[np.int64]:
    """Assign every tested group of every split to a path.

    The n-th split that tests a group gives that group's part of path n, so with all
    combinations each of the ``C(n_groups - 1, n_test_groups - 1)`` paths covers all groups
    once [1]_.

    Parameters
    ----------
    test_groups : ndarray of shape (n_splits, n_test_groups), int64
        Groups that each split tests.

    Returns
    -------
    ndarray of shape (n_splits, n_test_groups), int64
        Path that each of those tested groups belongs to.

    References
    ----------
    .. [1] M. López de Prado, "Advances in Financial Machine Learning", Wiley 2018,
       section 12.4.

    Examples
    --------
    >>> path_ids(test_group_combinations(3, 2)).tolist()
    [[0, 0], [1, 0], [1, 1]]
    """
    flat = test_groups.ravel()
    order = np.argsort(flat, kind="stable")
    counts = np.bincount(flat)
    within_group = np.arange(len(flat)) - np.repeat(np.cumsum(counts) - counts, counts)
    paths = np.empty(len(flat), dtype=np.int64)
    paths[order] = within_group
    return paths.reshape(test_groups.shape)


def path_of_group(
    test_groups: NDArray[np.int64], split_ids: ArrayLike, group_ids: ArrayLike
) -> NDArray[np.int64]:
    """Return the path that each pair of a split and a group that it tests belongs to.

    Parameters
    ----------
    test_groups : ndarray of shape (n_splits, n_test_groups), int64
        Groups that each split tests.
    split_ids, group_ids : array-like of int, shape (n_pairs,)
        The pairs.

    Returns
    -------
    ndarray of shape (n_pairs,), int64
        Path ids.

    Raises
    ------
    CrossValidationError
        If there is no such split, or it does not test that group.

    Examples
    --------
    >>> path_of_group(test_group_combinations(3, 2), [0, 2, 2], [1, 1, 2])
    array([0, 1, 1])
    """
    splits = np.asarray(split_ids, dtype=np.int64)
    groups = np.asarray(group_ids, dtype=np.int64)
    n_splits, n_groups = len(test_groups), int(test_groups.max()) + 1
    path_of = np.full((n_splits, n_groups), -1, dtype=np.int64)
    path_of[np.arange(n_splits)[:, None], test_groups] = path_ids(test_groups)
    known = (splits >= 0) & (splits < n_splits) & (groups >= 0) & (groups < n_groups)
    paths = np.full(splits.shape, -1, dtype=np.int64)
    paths[known] = path_of[splits[known], groups[known]]
    strange = np.flatnonzero(paths < 0)
    if len(strange):
        split_id, group_id = splits[strange[0]], groups[strange[0]]
        raise CrossValidationError(
            f"there is no split {split_id} that tests group {group_id} (and {len(strange) - 1} "
            f"more such predictions); pass the splitter that made them, of {n_splits} splits"
        )
    return paths
