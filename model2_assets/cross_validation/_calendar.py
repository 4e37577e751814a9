"""The distinct dates of a panel, in groups, as the splitters see them."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from model2_assets.cross_validation._intervals import RowIntervals


@dataclass(frozen=True)
class GroupedCalendar:
    """Rows, and the distinct dates that groups are cut from.

    Attributes
    ----------
    rows : RowIntervals
        Closed intervals of the rows, as date codes.
    group : ndarray of shape (n_dates,), int16
        Group of each date.
    """

    rows: RowIntervals
    group: NDArray[np.int16]

    @cached_property
    def latest_end(self) -> NDArray[np.int64]:
        """Latest label end of each date's rows, shape (n_dates,); -1 without a label."""
        latest = np.full(self.rows.n_dates, -1, dtype=np.int64)
        np.maximum.at(latest, self.rows.start, self.rows.end)
        return latest

    def test_blocks(self, tested: NDArray[np.int64]) -> tuple["Block", ...]:
        """Return the blocks of adjacent tested groups that have a label, ascending."""
        is_test = np.isin(self.group, tested).astype(np.int8)
        edges = np.diff(is_test, prepend=0, append=0)
        starts, stops = np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)
        blocks = []
        for start, stop in zip(starts.tolist(), stops.tolist(), strict=True):
            labelled = start + np.flatnonzero(self.latest_end[start:stop] >= 0)
            if len(labelled):
                end = int(self.latest_end[start:stop].max())
                blocks.append(Block(first=int(labelled[0]), last=stop - 1, end=end))
        return tuple(blocks)


@dataclass(frozen=True)
class Block:
    """A run of consecutive test dates.

    Attributes
    ----------
    first : int
        Code of the first date with a labelled row: where the block's interval begins.
    last : int
        Code of the last date.
    end : int
        Code of the latest label end of the block's rows: where its interval ends.
    """

    first: int
    last: int
    end: int
