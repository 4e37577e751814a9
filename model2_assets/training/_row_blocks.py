"""Blocks of rows that every split of every horizon treats alike."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from model2_assets.panel import date_codes
from model2_assets.training._selected_rows import as_slice

Rows = slice | NDArray[np.intp]

RUN_ROWS = 8192
"""Rows of a run of dates, so few that they stay in a processor's cache while they are added."""

_LARGEST_CODE = 2**62


@dataclass(frozen=True, eq=False)
class RowBlocks:
    """Which block a row belongs to, and which run of dates.

    Sums over rows are made run by run and block by block, and added in this order. So they
    are equal to the bit for any number of threads, and whichever blocks are looked at.

    Attributes
    ----------
    ids : ndarray of shape (n_rows,), int32
        Block of each row, from 0.
    runs : ndarray of shape (n_rows,), int32
        Run of neighbouring dates of each row, ascending.
    """

    ids: NDArray[np.int32]
    runs: NDArray[np.int32]

    def take(self, rows: NDArray[np.intp]) -> "RowBlocks":
        """Return the blocks of some rows; ids and runs stay the same."""
        return RowBlocks(ids=self.ids[rows], runs=self.runs[rows])

    @property
    def n_blocks(self) -> int:
        """Number of blocks, counting those without a row."""
        return int(self.ids.max(initial=-1)) + 1


def find_row_blocks(index: pd.MultiIndex, marks: Iterable[NDArray[np.integer]]) -> RowBlocks:
    """Group rows that have equal marks.

    Parameters
    ----------
    index : MultiIndex of shape (n_rows,)
        Levels ``(instrument, datetime)``, in the order of dates.
    marks : iterable of ndarray of shape (n_rows,), int
        Marks from 0, such as what a split does with the row.

    Returns
    -------
    RowBlocks
        Ids in the order of first rows.
    """
    runs = [range(start, stop) for start, stop in _run_rows(date_codes(index).starts)]
    return RowBlocks(
        ids=number_rows(len(index), marks).astype(np.int32),
        runs=np.repeat(np.arange(len(runs), dtype=np.int32), [len(run) for run in runs]),
    )


def number_rows(n_rows: int, marks: Iterable[NDArray[np.integer]]) -> NDArray[np.intp]:
    """Return a number for each distinct combination of marks, in the order of first rows.

    Parameters
    ----------
    n_rows : int
        Number of rows.
    marks : iterable of ndarray of shape (n_rows,), int
        Marks from 0.

    Returns
    -------
    ndarray of shape (n_rows,), intp
        The number of each row's combination.
    """
    codes, n_codes = np.zeros(n_rows, dtype=np.int64), 1
    for mark in marks:
        n_marks = int(mark.max(initial=0)) + 1
        if n_codes * n_marks > _LARGEST_CODE:
            codes, distinct = pd.factorize(codes)
            n_codes = max(1, len(distinct))
        codes = codes * n_marks + mark
        n_codes *= n_marks
    return np.asarray(pd.factorize(codes)[0], dtype=np.intp)


def date_runs(date_starts: NDArray[np.int64], *, max_rows: int) -> Iterator[range]:
    """Cut dates into runs of neighbours that have few rows together.

    Parameters
    ----------
    date_starts : ndarray of shape (n_dates + 1,), int64
        First row of each date, and the number of rows.
    max_rows : int
        Rows of a run; a single date may have more.

    Yields
    ------
    range
        Positions of the dates of a run, in order.
    """
    first = 0
    while first < len(date_starts) - 1:
        reach = int(np.searchsorted(date_starts, date_starts[first] + max_rows, side="right")) - 1
        stop = max(reach, first + 1)
        yield range(first, stop)
        first = stop


def rows_by_id(ids: NDArray[np.integer]) -> Iterator[tuple[int, Rows]]:
    """Yield each id with its rows: a slice, which copies nothing, where they are neighbours."""
    for number in np.unique(ids):
        yield int(number), compact(np.flatnonzero(ids == number))


def compact(rows: NDArray[np.intp]) -> Rows:
    """Return ascending rows as a slice where they are neighbours."""
    neighbours = as_slice(rows)
    return rows if neighbours is None else neighbours


def _run_rows(date_starts: NDArray[np.int64]) -> Iterator[tuple[int, int]]:
    for dates in date_runs(date_starts, max_rows=RUN_ROWS):
        yield int(date_starts[dates.start]), int(date_starts[dates.stop])
