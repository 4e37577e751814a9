"""Groups of whole dates, and the combinations of them that are tested together."""

from itertools import combinations
from math import comb

import numpy as np
from numpy.typing import NDArray

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

    The n-th split that tests a group gives that group's part of path n, so each of the
    ``C(n_groups - 1, n_test_groups - 1)`` paths covers all groups once [1]_.

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
