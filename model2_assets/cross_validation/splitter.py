"""Splits of panels by groups of whole dates: combinatorial, purged and embargoed."""

import copy
from abc import ABC, abstractmethod
from collections.abc import Iterator
from itertools import combinations
from math import comb
from typing import Any, Literal, NamedTuple, Self, get_args

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from model2_assets.config.region import MAX_SPLITS
from model2_assets.cross_validation.intervals import (
    Balance,
    Block,
    GroupedCalendar,
    group_of_date,
    panel_index_of,
    row_intervals,
)
from model2_assets.cross_validation.roles import Role
from model2_assets.errors import CrossValidationError
from model2_assets.panel import date_codes

Panel = pd.DataFrame | pd.Series | pd.MultiIndex
Dates = ArrayLike | pd.Series | pd.Index
IntArray = NDArray[np.int64]
Positions = NDArray[np.intp]


class DateGroupsSplit(ABC):
    """Splits of an (instrument, datetime) panel by contiguous groups of whole dates.

    A subclass says which groups each split tests, and what that makes of every row. With
    ``sklearn.set_config(enable_metadata_routing=True)``, scikit-learn's tools take it as `cv`,
    and hand it the label ends: ``cross_val_score(..., cv=cv, params={"label_end": label_end})``.
    """

    _label_end_request: bool | str | None = True

    n_groups: int
    embargo_days: int
    balance: Balance

    @property
    @abstractmethod
    def test_groups(self) -> IntArray:
        """Groups that each split tests: ndarray of shape (n_splits, n_test_groups)."""

    @abstractmethod
    def roles_of_split(self, calendar: GroupedCalendar, tested: IntArray) -> NDArray[np.int8]:
        """Return the role of every labelled row in the split that tests these groups."""

    def __repr__(self) -> str:
        settings = [f"{k}={v!r}" for k, v in vars(self).items() if not k.startswith("_")]
        return f"{type(self).__name__}({', '.join(settings)})"

    def __sklearn_clone__(self) -> Self:
        return copy.copy(self)

    def set_split_request(self, *, label_end: bool | str | None = True) -> Self:
        """Have scikit-learn hand label ends to `split` (True, the default), or under another name.

        A name of their own is for where an estimator or a score takes ``label_end`` as well.
        """
        self._label_end_request = label_end
        return self

    def get_metadata_routing(self) -> Any:
        """Return the ``sklearn.utils.metadata_routing.MetadataRequest`` of `set_split_request`."""
        # Whoever asks has loaded it; reading this package does not.
        from sklearn.utils.metadata_routing import MetadataRequest

        request = MetadataRequest(owner=self)
        request.split.add_request(param="label_end", alias=self._label_end_request)
        return request

    @property
    def n_splits(self) -> int:
        """Number of splits."""
        return len(self.test_groups)

    @property
    def n_paths(self) -> int:
        """Number of complete recombined histories: how often each tested group is tested."""
        return int(self.path_table().max()) + 1

    def path_table(self) -> IntArray:
        """Return the path that each split gives a part of, for each group that it tests.

        The n-th split that tests a group gives that group's part of path n, so with all
        combinations each of the ``C(n_groups - 1, n_test_groups - 1)`` paths has every group
        once. Integers of shape (n_splits, n_groups); -1 where a split does not test a group.

        >>> PurgedEmbargoedTimeSeriesSplit(3, n_test_groups=2).path_table().tolist()
        [[0, 0, -1], [1, -1, 0], [-1, 1, 1]]
        """
        is_tested = np.zeros((self.n_splits, self.n_groups), dtype=np.int64)
        np.put_along_axis(is_tested, self.test_groups, 1, axis=1)
        return np.where(is_tested > 0, is_tested.cumsum(axis=0) - 1, -1)

    def path_ids(self) -> IntArray:
        """Return the path of each of the `test_groups`: ndarray of shape (n_splits, n_tested)."""
        paths: IntArray = np.take_along_axis(self.path_table(), self.test_groups, axis=1)
        return paths

    def get_n_splits(self, *_: object, **__: object) -> int:
        """Return the number of splits; the arguments are scikit-learn's and not used."""
        return self.n_splits

    def group_ids(self, X: Panel) -> NDArray[np.int16]:
        """Return the group of dates that each row of `X` (see `split`) belongs to.

        With ``balance="rows"`` the rows of `X` are counted: give it the rows to be split.

        Returns
        -------
        ndarray of shape (n_rows,), int16
            Group id, ascending in time.
        """
        dates = date_codes(panel_index_of(X))
        return self._group_of_date(dates.codes, len(dates.values))[dates.codes]

    def split(
        self, X: Panel, y: object = None, groups: object = None, *, label_end: Dates
    ) -> Iterator[tuple[Positions, Positions]]:
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
        train, test : ndarray of shape (n_train,) and (n_test,), intp
            Positions of the rows in `X`, ascending.

        Raises
        ------
        CrossValidationError
            If the index is not a panel's, has fewer dates than groups, or a label end is
            missing or precedes its row.
        """
        del y, groups
        calendar = self._calendar(X, label_end)  # at once, so that errors do not wait

        def positions() -> Iterator[tuple[Positions, Positions]]:
            for tested in self.test_groups:
                roles = self.roles_of_split(calendar, tested)
                yield np.flatnonzero(roles == Role.TRAIN), np.flatnonzero(roles == Role.TEST)

        return positions()

    def roles(
        self, X: Panel, *, label_end: Dates, unlabelled: Literal["refuse", "leave_out"] = "refuse"
    ) -> NDArray[np.int8]:
        """Return what every row does in every split.

        Parameters
        ----------
        X, label_end
            As for `split`.
        unlabelled : {"refuse", "leave_out"}, default "refuse"
            What becomes of rows without a label end: an error, or the role unused. Left
            out, they purge nothing and are purged by nothing, but their dates are cut into
            groups and counted by the embargo like any other.

        Returns
        -------
        ndarray of shape (n_rows, n_splits), int8
            A `Role`, in Fortran order, so that one split is contiguous.
        """
        calendar = self._calendar(X, label_end, allow_missing=unlabelled == "leave_out")
        roles = np.empty((len(calendar.rows.end), self.n_splits), dtype=np.int8, order="F")
        for split_id, tested in enumerate(self.test_groups):
            roles[:, split_id] = self.roles_of_split(calendar, tested)
        roles[calendar.rows.end < 0] = Role.UNUSED
        return roles

    def _calendar(
        self, X: object, label_end: Dates, *, allow_missing: bool = False
    ) -> GroupedCalendar:
        rows = row_intervals(X, label_end, allow_missing=allow_missing)
        return GroupedCalendar(rows=rows, group=self._group_of_date(rows.start, rows.n_dates))

    def _group_of_date(self, date: IntArray, n_dates: int) -> NDArray[np.int16]:
        rows_of_date = np.bincount(date, minlength=n_dates)
        return group_of_date(rows_of_date, self.n_groups, balance=self.balance)


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
        Contiguous groups of dates.
    n_test_groups : int, default 1
        Groups tested together; below `n_groups`.
    embargo_days : int, default 5
        Distinct dates of the panel dropped after a test block, on top of the purge.
    balance : {"dates", "rows"}, default "dates"
        What groups have equally much of: dates, to within one, or rows, to within those of a
        date at either end. Where the cross-section grows, groups of equal dates differ in
        rows by its growth; groups of equal rows differ in dates.

    Raises
    ------
    CrossValidationError
        If a setting is not an integer, or out of range.

    Notes
    -----
    Purging and the embargo are those of López de Prado, chapter 7, and the combinations and paths
    those of chapter 12, carried from one series to panels.

    References
    ----------
    López de Prado, M. (2018), Advances in Financial Machine Learning, Wiley.

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

    def __init__(
        self,
        n_groups: int = 5,
        *,
        n_test_groups: int = 1,
        embargo_days: int = 5,
        balance: Balance = "dates",
    ) -> None:
        self.n_groups = as_integer("n_groups", n_groups, minimum=2)
        self.n_test_groups = as_integer("n_test_groups", n_test_groups, minimum=1)
        self.embargo_days = as_integer("embargo_days", embargo_days, minimum=0)
        require_choice("balance", balance, get_args(Balance))
        self.balance: Balance = balance
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

    @property
    def n_splits(self) -> int:
        """Number of splits, C(n_groups, n_test_groups)."""
        return comb(self.n_groups, self.n_test_groups)

    @property
    def test_groups(self) -> IntArray:
        """Groups that each split tests, ascending: ndarray of shape (n_splits, n_test_groups)."""
        return np.array([*combinations(range(self.n_groups), self.n_test_groups)], dtype=np.int64)

    def roles_of_split(self, calendar: GroupedCalendar, tested: IntArray) -> NDArray[np.int8]:
        """Return the role of every labelled row in the split that tests these groups."""
        rows, blocks = calendar.rows, calendar.test_blocks(tested)
        by_date = np.full(rows.n_dates, Role.TRAIN, dtype=np.int8)
        for block in blocks:
            by_date[block.end + 1 : block.end + 1 + self.embargo_days] = Role.EMBARGOED
        for block in blocks:
            by_date[block.last + 1 : block.end + 1] = Role.PURGED_AFTER
        by_date[np.isin(calendar.group, tested)] = Role.TEST
        roles: NDArray[np.int8] = by_date[rows.start]
        reaches_next = rows.end >= _start_of_next(blocks, rows.n_dates)[rows.start]
        trains = (roles == Role.TRAIN) | (roles == Role.EMBARGOED)
        roles[reaches_next & trains] = Role.PURGED_BEFORE
        return roles


def _start_of_next(blocks: tuple[Block, ...], n_dates: int) -> IntArray:
    """Return where the interval of the next block after each date starts, shape (n_dates,).

    ``n_dates`` where none follows. A row that reaches any later block reaches the next.
    """
    starts = np.array([*(block.first for block in blocks), n_dates], dtype=np.int64)
    return starts[np.searchsorted(starts[:-1], np.arange(n_dates), side="right")]


def as_integer(name: str, value: object, *, minimum: int) -> int:
    """Return a setting that has to be an integer of at least `minimum`."""
    if isinstance(value, int | np.integer) and not isinstance(value, bool) and value >= minimum:
        return int(value)
    raise CrossValidationError(f"{name} must be an integer of at least {minimum}, got {value!r}")


def require_choice(name: str, value: str, choices: tuple[str, ...]) -> None:
    """Refuse a setting that is none of several words."""
    if value not in choices:
        raise CrossValidationError(f"{name} must be one of {', '.join(choices)}, got {value!r}")


class HeldOutGroup(NamedTuple):
    """One group of dates held out, and the rows that may train on its behalf.

    Attributes
    ----------
    group_id : int
        The group.
    train, test : ndarray of shape (n_train,) and (n_test,), intp
        Positions of the train rows and of the group's rows, ascending.
    """

    group_id: int
    train: Positions
    test: Positions


def leave_group_out(
    X: Panel,
    group_id: ArrayLike,
    *,
    label_end: Dates,
    embargo_days: int = 5,
    past_only: bool = False,
) -> Iterator[HeldOutGroup]:
    """Hold out every given group of dates in turn, purged and embargoed as our splits are.

    `PurgedEmbargoedTimeSeriesSplit` cuts groups itself. Here they are given: a model stacked
    on out-of-fold columns has to be tested on the folds of those columns.

    Parameters
    ----------
    X : DataFrame, Series or MultiIndex of shape (n_rows, ...)
        Indexed by, or itself, ``(instrument, datetime)``; rows in any order.
    group_id : array-like of int, shape (n_rows,)
        Group of each row's date, such as ``fold_id``; a group's dates need not be adjacent.
    label_end : array-like of datetime64, shape (n_rows,)
        Last date that the label of each row looks at.
    embargo_days : int, default 5
        Distinct dates of `X` dropped after a held-out block, on top of the purge.
    past_only : bool, default False
        Whether only groups of smaller number train; the first group is then never held out.

    Yields
    ------
    HeldOutGroup
        By ascending group.

    Raises
    ------
    CrossValidationError
        If the index is not a panel's, a label end is missing or precedes its row, or the
        rows of a date are in several groups.

    Examples
    --------
    >>> dates = pd.date_range("2024-01-01", periods=6)
    >>> index = pd.MultiIndex.from_product([["A"], dates], names=["instrument", "datetime"])
    >>> folds = leave_group_out(
    ...     index, [0, 0, 1, 1, 2, 2], label_end=dates + pd.Timedelta(days=1), embargo_days=0
    ... )
    >>> for fold in folds:
    ...     print(fold.group_id, fold.train, fold.test)
    0 [3 4 5] [0 1]
    1 [0 5] [2 3]
    2 [0 1 2] [4 5]
    """
    rows = row_intervals(X, label_end)
    groups = np.asarray(group_id, dtype=np.int64)
    calendar = GroupedCalendar(rows=rows, group=_given_groups(groups, rows.start, rows.n_dates))
    purged = PurgedEmbargoedTimeSeriesSplit(embargo_days=embargo_days)
    for tested in np.unique(groups)[int(past_only) :]:
        roles = purged.roles_of_split(calendar, np.array([tested]))
        trains = roles == Role.TRAIN
        if past_only:
            trains &= groups < tested
        yield HeldOutGroup(int(tested), np.flatnonzero(trains), np.flatnonzero(roles == Role.TEST))


def _given_groups(groups: IntArray, date: IntArray, n_dates: int) -> NDArray[np.int16]:
    if len(groups) != len(date):
        raise CrossValidationError(
            f"group_id must hold one group for each of the {len(date)} rows of X, got {len(groups)}"
        )
    of_date = np.full(n_dates, -1, dtype=np.int64)
    of_date[date] = groups
    torn = np.flatnonzero(of_date[date] != groups)
    if len(torn):
        raise CrossValidationError(
            f"rows of one date are in groups {groups[torn[0]]} and {of_date[date[torn[0]]]}; a "
            f"group consists of whole dates"
        )
    return of_date.astype(np.int16)
