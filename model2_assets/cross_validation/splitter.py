"""The splitter: combinatorial, purged and embargoed, on panels."""

from math import comb

import numpy as np
from numpy.typing import NDArray

from model2_assets.config import MAX_SPLITS
from model2_assets.cross_validation.groups import (
    DateGroupsSplit,
    as_integer,
    test_group_combinations,
)
from model2_assets.cross_validation.intervals import Block, GroupedCalendar
from model2_assets.cross_validation.roles import Role
from model2_assets.errors import CrossValidationError


class PurgedEmbargoedTimeSeriesSplit(DateGroupsSplit):
    """Combinatorial purged cross-validation of an (instrument, datetime) panel.

    The distinct dates are cut into `n_groups` contiguous groups of whole dates; every
    choice of `n_test_groups` of them is a split. With one test group it is purged k-fold.

    In a split, adjacent test groups merge into one block. The interval of a block runs
    from its first date to the latest label end of its rows, both included. Around every
    block, on both sides,

    - a row is purged whose own interval [datetime, label end] touches the block's, and
    - the rows of the `embargo_days` dates that follow the block's latest label end are
      embargoed.

    Nothing else is taken out: rows between two separate blocks train. Where rules meet,
    test goes before purged before embargoed before train. Positions of dates are compared,
    never calendar durations, so weekends, holidays and gaps need no care.

    The splits train on the future of their test blocks. They validate a forecaster; they
    are not a backtest. `WalkForwardSplit` trains on the past alone.

    Parameters
    ----------
    n_groups : int, default 5
        Contiguous groups of dates; sizes differ by at most one date.
    n_test_groups : int, default 1
        Groups tested together; below `n_groups`.
    embargo_days : int, default 5
        Distinct dates of the panel dropped after a test block, on top of the purge.

    Raises
    ------
    CrossValidationError
        If a setting is not an integer, or out of range.

    Notes
    -----
    Purging and the embargo are those of [1]_, chapter 7, and the combinations and paths
    those of chapter 12, carried from one series to panels.

    References
    ----------
    .. [1] M. López de Prado, "Advances in Financial Machine Learning", Wiley 2018.

    Examples
    --------
    One instrument, six days, labels that look one day ahead:

    >>> import pandas as pd
    >>> dates = pd.date_range("2024-01-01", periods=6)
    >>> index = pd.MultiIndex.from_product([["A"], dates], names=["instrument", "datetime"])
    >>> cv = PurgedEmbargoedTimeSeriesSplit(3, embargo_days=0)
    >>> label_end = dates + pd.Timedelta(days=1)
    >>> for train, test in cv.split(index, label_end=label_end):
    ...     print(train, test)
    [3 4 5] [0 1]
    [0 5] [2 3]
    [0 1 2] [4 5]
    """

    def __init__(self, n_groups: int = 5, *, n_test_groups: int = 1, embargo_days: int = 5) -> None:
        self.n_groups = as_integer("n_groups", n_groups, minimum=2)
        self.n_test_groups = as_integer("n_test_groups", n_test_groups, minimum=1)
        self.embargo_days = as_integer("embargo_days", embargo_days, minimum=0)
        if self.n_test_groups >= self.n_groups:
            raise CrossValidationError(
                f"n_test_groups ({n_test_groups}) must be below n_groups ({n_groups}), else "
                f"nothing is left to train on"
            )
        if self.n_splits > MAX_SPLITS:
            raise CrossValidationError(
                f"n_groups {n_groups} and n_test_groups {n_test_groups} make {self.n_splits} "
                f"splits, each a model fit; keep to {MAX_SPLITS} by lowering either"
            )

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(n_groups={self.n_groups}, "
            f"n_test_groups={self.n_test_groups}, embargo_days={self.embargo_days})"
        )

    @property
    def n_splits(self) -> int:
        """Number of splits, C(n_groups, n_test_groups)."""
        return comb(self.n_groups, self.n_test_groups)

    @property
    def n_paths(self) -> int:
        """Number of complete recombined histories, C(n_groups - 1, n_test_groups - 1)."""
        return comb(self.n_groups - 1, self.n_test_groups - 1)

    @property
    def test_groups(self) -> NDArray[np.int64]:
        """Groups that each split tests: ndarray of shape (n_splits, n_test_groups)."""
        return test_group_combinations(self.n_groups, self.n_test_groups)

    def _roles_of_split(
        self, calendar: GroupedCalendar, tested: NDArray[np.int64]
    ) -> NDArray[np.int8]:
        rows, blocks = calendar.rows, calendar.test_blocks(tested)
        date_roles = _roles_by_date(calendar, tested, blocks, self.embargo_days)
        roles: NDArray[np.int8] = date_roles[rows.start]
        reaches_next = rows.end >= _start_of_next(blocks, rows.n_dates)[rows.start]
        trains = (roles == Role.TRAIN) | (roles == Role.EMBARGOED)
        roles[reaches_next & trains] = Role.PURGED_BEFORE
        return roles


def _roles_by_date(
    calendar: GroupedCalendar,
    tested: NDArray[np.int64],
    blocks: tuple[Block, ...],
    embargo_days: int,
) -> NDArray[np.int8]:
    """Return the role of each date's rows by where the date lies, shape (n_dates,)."""
    roles = np.full(calendar.rows.n_dates, Role.TRAIN, dtype=np.int8)
    for block in blocks:
        roles[block.end + 1 : block.end + 1 + embargo_days] = Role.EMBARGOED
    for block in blocks:
        roles[block.last + 1 : block.end + 1] = Role.PURGED_AFTER
    roles[np.isin(calendar.group, tested)] = Role.TEST
    return roles


def _start_of_next(blocks: tuple[Block, ...], n_dates: int) -> NDArray[np.int64]:
    """Return where the interval of the next block after each date starts, shape (n_dates,).

    ``n_dates`` where none follows. A row that reaches any later block reaches the next.
    """
    starts = np.array([*(block.first for block in blocks), n_dates], dtype=np.int64)
    return starts[np.searchsorted(starts[:-1], np.arange(n_dates), side="right")]
