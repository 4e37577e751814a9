"""The splitter: combinatorial, purged and embargoed, on panels."""

from collections.abc import Iterator
from dataclasses import dataclass
from math import comb

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from model2_assets.config import MAX_SPLITS
from model2_assets.cross_validation._groups import (
    group_of_date,
    path_ids,
    test_group_combinations,
)
from model2_assets.cross_validation._intervals import (
    RowIntervals,
    panel_index_of,
    row_intervals,
)
from model2_assets.cross_validation._roles import Role
from model2_assets.errors import CrossValidationError
from model2_assets.panel import date_codes


class PurgedEmbargoedTimeSeriesSplit:
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
    are not a backtest.

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
        self.n_groups = _integer("n_groups", n_groups, minimum=2)
        self.n_test_groups = _integer("n_test_groups", n_test_groups, minimum=1)
        self.embargo_days = _integer("embargo_days", embargo_days, minimum=0)
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

    def path_ids(self) -> NDArray[np.int64]:
        """Return the path that each tested group of each split belongs to.

        Returns
        -------
        ndarray of shape (n_splits, n_test_groups), int64
            In the order of `test_groups`; each path covers every group once.
        """
        return path_ids(self.test_groups)

    def get_n_splits(self, X: object = None, y: object = None, groups: object = None) -> int:
        """Return the number of splits; the arguments are scikit-learn's and not used."""
        del X, y, groups
        return self.n_splits

    def group_ids(self, X: pd.DataFrame | pd.Series | pd.MultiIndex) -> NDArray[np.int16]:
        """Return the group of dates that each row belongs to.

        Parameters
        ----------
        X : DataFrame, Series or MultiIndex of shape (n_rows, ...)
            Indexed by, or itself, ``(instrument, datetime)``; rows in any order.

        Returns
        -------
        ndarray of shape (n_rows,), int16
            Group id, ascending in time.

        Raises
        ------
        CrossValidationError
            If the index is of another kind, or has fewer dates than groups.
        """
        dates = date_codes(panel_index_of(X))
        return group_of_date(len(dates.values), self.n_groups)[dates.codes]

    def split(
        self,
        X: pd.DataFrame | pd.Series | pd.MultiIndex,
        y: object = None,
        groups: object = None,
        *,
        label_end: ArrayLike | pd.Series | pd.Index,
    ) -> Iterator[tuple[NDArray[np.intp], NDArray[np.intp]]]:
        """Yield the train and test rows of every split, as scikit-learn does.

        Parameters
        ----------
        X : DataFrame, Series or MultiIndex of shape (n_rows, ...)
            Indexed by, or itself, ``(instrument, datetime)``; rows in any order.
        y, groups : object, optional
            Not used; there for scikit-learn.
        label_end : array-like of datetime64, shape (n_rows,)
            Last date that the label of each row of `X` looks at. Dates beyond those of `X`
            are fine.

        Yields
        ------
        train : ndarray of shape (n_train,), intp
            Positions of train rows in `X`, ascending.
        test : ndarray of shape (n_test,), intp
            Positions of test rows in `X`, ascending.

        Raises
        ------
        CrossValidationError
            If the index is not a panel's, has fewer dates than groups, or a label end is
            missing or precedes its row.
        """
        del y, groups
        calendar = self._calendar(row_intervals(X, label_end))

        def positions() -> Iterator[tuple[NDArray[np.intp], NDArray[np.intp]]]:
            for tested in self.test_groups:
                roles = self._roles_of_split(calendar, tested)
                yield np.flatnonzero(roles == Role.TRAIN), np.flatnonzero(roles == Role.TEST)

        return positions()

    def roles(
        self,
        X: pd.DataFrame | pd.Series | pd.MultiIndex,
        *,
        label_end: ArrayLike | pd.Series | pd.Index,
    ) -> NDArray[np.int8]:
        """Return what every row does in every split.

        Parameters
        ----------
        X : DataFrame, Series or MultiIndex of shape (n_rows, ...)
            Indexed by, or itself, ``(instrument, datetime)``; rows in any order.
        label_end : array-like of datetime64, shape (n_rows,)
            Last date that the label of each row of `X` looks at.

        Returns
        -------
        ndarray of shape (n_rows, n_splits), int8
            A `Role`, in Fortran order, so that one split is contiguous.

        Raises
        ------
        CrossValidationError
            As `split`.
        """
        calendar = self._calendar(row_intervals(X, label_end))
        roles = np.empty((len(calendar.rows.start), self.n_splits), dtype=np.int8, order="F")
        for split_id, tested in enumerate(self.test_groups):
            roles[:, split_id] = self._roles_of_split(calendar, tested)
        return roles

    def _calendar(self, rows: RowIntervals) -> "_Calendar":
        latest_end = np.zeros(rows.n_dates, dtype=np.int64)
        np.maximum.at(latest_end, rows.start, rows.end)
        return _Calendar(
            rows=rows, group=group_of_date(rows.n_dates, self.n_groups), latest_end=latest_end
        )

    def _roles_of_split(self, calendar: "_Calendar", tested: NDArray[np.int64]) -> NDArray[np.int8]:
        blocks = calendar.blocks(tested)
        date_roles = calendar.date_roles(blocks, self.embargo_days)
        roles: NDArray[np.int8] = date_roles[calendar.rows.start]
        reaches_next = calendar.rows.end >= calendar.next_block(blocks)[calendar.rows.start]
        trains = (roles == Role.TRAIN) | (roles == Role.EMBARGOED)
        roles[reaches_next & trains] = Role.PURGED_BEFORE
        return roles


@dataclass(frozen=True)
class _Calendar:
    """Rows and the distinct dates they are cut by.

    Attributes
    ----------
    rows : RowIntervals
        Closed intervals of the rows, as date codes.
    group : ndarray of shape (n_dates,), int16
        Group of each date.
    latest_end : ndarray of shape (n_dates,), int64
        Latest label end among the rows of each date, as date code.
    """

    rows: RowIntervals
    group: NDArray[np.int16]
    latest_end: NDArray[np.int64]

    def blocks(self, tested: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the merged test blocks: shape (n_blocks, 2), first and last date codes."""
        is_test = np.isin(self.group, tested).astype(np.int8)
        edges = np.diff(is_test, prepend=0, append=0)
        return np.column_stack([np.flatnonzero(edges == 1), np.flatnonzero(edges == -1) - 1])

    def date_roles(self, blocks: NDArray[np.int64], embargo_days: int) -> NDArray[np.int8]:
        """Return the role of each date's rows by where the date lies, shape (n_dates,)."""
        roles = np.full(self.rows.n_dates, Role.TRAIN, dtype=np.int8)
        ends = [int(self.latest_end[first : last + 1].max()) for first, last in blocks]
        for end in ends:
            roles[end + 1 : end + 1 + embargo_days] = Role.EMBARGOED
        for (_, last), end in zip(blocks, ends, strict=True):
            roles[last + 1 : end + 1] = Role.PURGED_AFTER
        for first, last in blocks:
            roles[first : last + 1] = Role.TEST
        return roles

    def next_block(self, blocks: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the first date code of the next block after each date, shape (n_dates,).

        ``n_dates`` where none follows. A row that reaches any later block reaches the next.
        """
        firsts = np.append(blocks[:, 0], self.rows.n_dates)
        return firsts[np.searchsorted(blocks[:, 0], np.arange(self.rows.n_dates), side="right")]


def _integer(name: str, value: object, *, minimum: int) -> int:
    is_integer = isinstance(value, int | np.integer) and not isinstance(value, bool)
    if not is_integer or int(value) < minimum:  # type: ignore[call-overload]
        raise CrossValidationError(
            f"{name} must be an integer of at least {minimum}, got {value!r}"
        )
    return int(value)  # type: ignore[call-overload, no-any-return]
