"""Folds of a second-layer model: the groups that are there, purged once more."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from model2_assets.cross_validation.intervals import GroupedCalendar, row_intervals
from model2_assets.cross_validation.roles import Role
from model2_assets.cross_validation.splitter import PurgedEmbargoedTimeSeriesSplit
from model2_assets.errors import CrossValidationError


@dataclass(frozen=True, eq=False)
class HeldOutGroup:
    """One group of dates held out, and the rows that may train on its behalf.

    Attributes
    ----------
    group_id : int
        The group.
    train : ndarray of shape (n_train,), intp
        Positions of the train rows, ascending.
    test : ndarray of shape (n_test,), intp
        Positions of the group's rows, ascending.
    """

    group_id: int
    train: NDArray[np.intp]
    test: NDArray[np.intp]


def leave_group_out(
    X: pd.DataFrame | pd.Series | pd.MultiIndex,
    group_id: ArrayLike,
    *,
    label_end: ArrayLike | pd.Series | pd.Index,
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
    calendar = GroupedCalendar(rows=rows, group=_group_of_date(groups, rows.start, rows.n_dates))
    purged = PurgedEmbargoedTimeSeriesSplit(embargo_days=embargo_days)
    for tested in np.unique(groups)[int(past_only) :]:
        roles = purged._roles_of_split(calendar, np.array([tested]))
        trains = roles == Role.TRAIN
        if past_only:
            trains &= groups < tested
        yield HeldOutGroup(int(tested), np.flatnonzero(trains), np.flatnonzero(roles == Role.TEST))


def _group_of_date(
    groups: NDArray[np.int64], date: NDArray[np.int64], n_dates: int
) -> NDArray[np.int16]:
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
