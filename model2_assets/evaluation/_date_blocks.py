"""Rows of a panel laid out as dates by names, a chunk of dates at a time."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

_CHUNK_CELLS = 1 << 18
"""Cells of a dates by names array that fit a core's cache (2 MiB of float64)."""

Values = NDArray[np.float64]


def chunks_of_dates(
    counts: NDArray[np.int64],
) -> Iterator[tuple[slice, NDArray[np.int64], slice]]:
    """Yield runs of dates that are small enough to be sorted in cache.

    Parameters
    ----------
    counts : ndarray of shape (n_dates,), int64
        Rows of every date; the rows of a date are contiguous and dates ascend.

    Yields
    ------
    dates : slice
        The dates of the chunk.
    names : ndarray of shape (n_chunk_dates,), int64
        Their numbers of rows.
    rows : slice
        Their rows; chunks without any are left out.
    """
    step = max(1, _CHUNK_CELLS // max(int(counts.max(initial=0)), 1))
    last_row = np.concatenate([[0], np.cumsum(counts)])
    for first in range(0, len(counts), step):
        stop = min(first + step, len(counts))
        if last_row[stop] > last_row[first]:
            yield slice(first, stop), counts[first:stop], slice(last_row[first], last_row[stop])


def filled_cells(names: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return which cells of a dates by names array hold a row: the first of each date."""
    filled: NDArray[np.bool_] = np.arange(names.max())[np.newaxis, :] < names[:, np.newaxis]
    return filled


def lay_out(values: Values, filled: NDArray[np.bool_]) -> Values:
    """Return the rows of a chunk as dates by names, NaN where a date has no more names."""
    wide = np.full(filled.shape, np.nan)
    wide[filled] = values
    return wide


def average_ranks(wide: Values) -> Values:
    """Rank each row from 0, ties sharing their average; the NaN that pad a row rank last."""
    order = np.argsort(wide, axis=1)
    values = np.take_along_axis(wide, order, axis=1)
    column = np.arange(wide.shape[1])
    changes = values[:, 1:] != values[:, :-1]
    edge = np.ones((len(wide), 1), dtype=bool)
    first = np.where(np.hstack([edge, changes]), column, 0)
    last = np.where(np.hstack([changes, edge]), column, wide.shape[1])
    np.maximum.accumulate(first, axis=1, out=first)
    np.minimum.accumulate(last[:, ::-1], axis=1, out=last[:, ::-1])
    ranks = np.empty_like(wide)
    np.put_along_axis(ranks, order, (first + last) / 2, axis=1)
    return ranks
