"""Training on every n-th date: labels that overlap say nearly the same."""

import numpy as np
from numpy.typing import NDArray


def on_every_nth_date(
    rows: NDArray[np.intp], date_codes: NDArray[np.int64], stride: int
) -> NDArray[np.intp]:
    """Keep the rows of every n-th date of the history.

    Dates are counted from the first of the history, not of the split, so all splits train on
    the same dates, and a new date at the end moves none of them.

    Parameters
    ----------
    rows : ndarray of shape (n_rows,), intp
        Positions of rows.
    date_codes : ndarray of shape (n_all_rows,), int64
        Number of each row's date, from 0.
    stride : int
        1 keeps all rows.

    Returns
    -------
    ndarray of shape (n_kept,), intp
        In the given order.

    Examples
    --------
    >>> on_every_nth_date(np.arange(6), np.array([0, 0, 1, 1, 2, 2]), 2).tolist()
    [0, 1, 4, 5]
    """
    return rows if stride == 1 else rows[date_codes[rows] % stride == 0]
