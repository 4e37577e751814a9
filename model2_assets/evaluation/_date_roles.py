"""What a date does in a split, of which each row has its own role."""

import numpy as np
from numpy.typing import NDArray

from model2_assets.cross_validation import Role


def most_frequent_roles(
    roles: NDArray[np.int8], codes: NDArray[np.int64], n_dates: int
) -> NDArray[np.int8]:
    """Return the role of most rows of every date.

    Parameters
    ----------
    roles : ndarray of shape (n_rows,), int8
        `Role` of every row in one split.
    codes : ndarray of shape (n_rows,), int64
        Position of every row's date.
    n_dates : int
        How many dates there are.

    Returns
    -------
    ndarray of shape (n_dates,), int8
        The role of smallest number among those with as many rows.
    """
    counts = np.bincount(codes * len(Role) + roles, minlength=n_dates * len(Role))
    most: NDArray[np.int8] = counts.reshape(n_dates, len(Role)).argmax(axis=1).astype(np.int8)
    return most
