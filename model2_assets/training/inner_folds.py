"""Train sets split once more: by groups of whole dates, purged and embargoed like the splits."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from model2_assets.cross_validation import leave_group_out
from model2_assets.panel import date_codes

FEWEST_GROUPS = 3
"""A train set of fewer groups is cut into so many blocks of dates of its own."""

Positions = NDArray[np.intp]


class InnerFold(NamedTuple):
    """A part of a train set that is held out, and the rows that may train on its behalf."""

    group: int | None
    """None for a block of dates that is none of the groups."""
    train: Positions
    held_out: Positions


@dataclass(frozen=True, eq=False)
class InnerFolds:
    """Groups of whole dates that train sets are split by, whoever made the outer splits.

    A row is clear of a group if it is none of its rows, the interval from its date to its label
    end touches none of theirs, and it lies beyond the embargo.

    Attributes
    ----------
    index : MultiIndex of shape (n_panel_rows,)
        Rows of the splits, whether or not a horizon labels them.
    group : ndarray of shape (n_panel_rows,), int16
        From 0.
    label_end : ndarray of shape (n_panel_rows,), datetime64[us]
        End of the longest label of each row.
    embargo_days : int
        Dates after the latest label end of a group that are left out, too.
    stride : int
        What is asked of inner folds is asked on every n-th date: neighbouring labels share
        most of their days.
    rows : ndarray of shape (n_rows,), intp
        Those that a horizon labels; train sets are positions among these.
    """

    index: pd.MultiIndex
    group: NDArray[np.int16]
    label_end: NDArray[np.datetime64]
    embargo_days: int
    stride: int
    rows: Positions

    @classmethod
    def of(
        cls,
        index: pd.MultiIndex,
        group_id: NDArray[np.int16],
        label_end: NDArray[np.datetime64],
        *,
        embargo_days: int,
        horizon_days: int,
    ) -> "InnerFolds":
        """Take the test groups of the splits, or, where these cut through dates, as many blocks."""
        n_groups, group = len(np.unique(group_id)), pd.factorize(group_id, sort=True)[0]
        dates = date_codes(index)
        first_rows = dates.starts[:-1]
        if (group != group[first_rows][dates.codes]).any():
            group = _blocks_of_dates(dates.codes, max(n_groups, FEWEST_GROUPS))
        return cls(
            index=index,
            group=group.astype(np.int16),
            label_end=label_end,
            embargo_days=embargo_days,
            stride=max(1, horizon_days // 4),
            rows=np.arange(len(index)),
        )

    def take(self, rows: Positions) -> "InnerFolds":
        """Return the same folds for some of the rows."""
        return replace(self, rows=self.rows[rows])

    @cached_property
    def clear(self) -> NDArray[np.bool_]:
        """Which rows are clear of which group: shape (n_panel_rows, n_groups)."""
        clear = np.zeros((len(self.index), int(self.group.max()) + 1), dtype=bool, order="F")
        held_out = leave_group_out(
            self.index, self.group, label_end=self.label_end, embargo_days=self.embargo_days
        )
        for group in held_out:
            clear[group.train, group.group_id] = True
        return clear

    def marks(self) -> Iterator[NDArray[np.integer | np.bool_]]:
        """Yield what folds depend on: the groups, and who is clear of each; for `rows`."""
        yield self.group[self.rows]
        yield from self.clear[self.rows].T

    def split(self, train: Positions, *, is_usable: Callable[[InnerFold], bool]) -> list[InnerFold]:
        """Hold out every group of a train set in turn, where the fold is of use.

        Where there are too few groups, as for the first models of a walk-forward, or none is of
        use, the dates of the train set are cut into three blocks instead.
        """
        groups = np.unique(self.group[self.rows[train]]).tolist()
        folds = [] if len(groups) < FEWEST_GROUPS else [self._of_group(train, g) for g in groups]
        usable = [fold for fold in folds if is_usable(fold)]
        return usable or [fold for fold in self._blocks(train) if is_usable(fold)]

    def _of_group(self, train: Positions, group: int) -> InnerFold:
        rows = self.rows[train]
        return InnerFold(group, train[self.clear[rows, group]], train[self.group[rows] == group])

    def _blocks(self, train: Positions) -> Iterator[InnerFold]:
        rows = self.rows[train]
        index = self.index[rows]
        blocks = _blocks_of_dates(date_codes(index).codes, FEWEST_GROUPS)
        for block in leave_group_out(
            index, blocks, label_end=self.label_end[rows], embargo_days=self.embargo_days
        ):
            yield InnerFold(None, train[block.train], train[block.test])


def _blocks_of_dates(date: NDArray[np.int64], n_blocks: int) -> NDArray[np.int64]:
    """Cut dates, numbered from 0, into contiguous blocks of about as many dates."""
    return date * n_blocks // (int(date.max()) + 1)
