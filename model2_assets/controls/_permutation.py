"""Random permutations within each date."""

import numpy as np
from numpy.typing import NDArray


def permute_within_dates(
    date_starts: NDArray[np.int64], dates: range, *, n_permutations: int, seed: int
) -> NDArray[np.intp]:
    """Draw permutations of rows that keep every row in its date.

    Every date has a random stream of its own, so its permutations do not depend on how
    dates are cut into runs.

    Parameters
    ----------
    date_starts : ndarray of shape (n_dates + 1,), int64
        First row of each date, and the number of rows.
    dates : range
        Positions of neighbouring dates.
    n_permutations : int
        Permutations to draw.
    seed : int
        Seed of every draw.

    Returns
    -------
    ndarray of shape (n_permutations, n_rows), intp
        For each row of these dates, the row (of the whole table) that lends its label.
    """
    first = date_starts[dates.start]
    rows = np.empty((n_permutations, date_starts[dates.stop] - first), dtype=np.intp)
    for date in dates:
        start, stop = date_starts[date], date_starts[date + 1]
        own = np.broadcast_to(np.arange(start, stop, dtype=np.intp), (n_permutations, stop - start))
        rows[:, start - first : stop - first] = np.random.default_rng([seed, date]).permuted(
            own, axis=1
        )
    return rows
