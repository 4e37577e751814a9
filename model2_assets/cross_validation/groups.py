"""Groups of whole dates, tested in turn, and the paths that they make."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from itertools import combinations
from math import comb
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from model2_assets.cross_validation.intervals import GroupedCalendar, panel_index_of, row_intervals
from model2_assets.cross_validation.roles import Role
from model2_assets.errors import CrossValidationError
from model2_assets.panel import date_codes


def group_of_date(n_dates: int, n_groups: int) -> NDArray[np.int16]:
    """Cut consecutive dates into contiguous groups whose sizes differ by at most one.

    The first ``n_dates % n_groups`` groups are one date longer, so every date is in one.

    Parameters
    ----------
    n_dates : int
        Number of distinct dates.
    n_groups : int
        Number of groups.

    Returns
    -------
    ndarray of shape (n_dates,), int16
        Group of each date, ascending.

    Raises
    ------
    CrossValidationError
        If there are fewer dates than groups.

    Examples
    --------
    >>> group_of_date(7, 3)
    array([0, 0, 0, 1, 1, 2, 2], dtype=int16)
    """
    if n_dates < n_groups:
        raise CrossValidationError(
            f"n_groups is {n_groups} but there are only {n_dates} distinct dates to cut; "
            f"lower cross_validation.n_groups or give more history"
        )
    size, remainder = divmod(n_dates, n_groups)
    sizes = np.full(n_groups, size)
    sizes[:remainder] += 1
    return np.repeat(np.arange(n_groups, dtype=np.int16), sizes)


def test_group_combinations(n_groups: int, n_test_groups: int) -> NDArray[np.int64]:
    """Return every choice of test groups, in lexicographic order.

    Returns
    -------
    ndarray of shape (n_splits, n_test_groups), int64
        Ascending group ids; ``n_splits = C(n_groups, n_test_groups)``.

    Examples
    --------
    >>> test_group_combinations(3, 2).tolist()
    [[0, 1], [0, 2], [1, 2]]
    """
    chosen = list(combinations(range(n_groups), n_test_groups))
    return np.array(chosen, dtype=np.int64).reshape(comb(n_groups, n_test_groups), n_test_groups)


def path_ids(test_groups: NDArray[np.int64]) -> NDArray[np.int64]:
    """Assign every tested group of every split to a path.

    The n-th split that tests a group gives that group's part of path n, so with all
    combinations each of the ``C(n_groups - 1, n_test_groups - 1)`` paths covers all groups
    once [1]_.

    Parameters
    ----------
    test_groups : ndarray of shape (n_splits, n_test_groups), int64
        Groups that each split tests.

    Returns
    -------
    ndarray of shape (n_splits, n_test_groups), int64
        Path that each of those tested groups belongs to.

    References
    ----------
    .. [1] M. López de Prado, "Advances in Financial Machine Learning", Wiley 2018,
       section 12.4.

    Examples
    --------
    >>> path_ids(test_group_combinations(3, 2)).tolist()
    [[0, 0], [1, 0], [1, 1]]
    """
    flat = test_groups.ravel()
    order = np.argsort(flat, kind="stable")
    counts = np.bincount(flat)
    within_group = np.arange(len(flat)) - np.repeat(np.cumsum(counts) - counts, counts)
    paths = np.empty(len(flat), dtype=np.int64)
    paths[order] = within_group
    return paths.reshape(test_groups.shape)


def path_of_group(
    test_groups: NDArray[np.int64], split_ids: ArrayLike, group_ids: ArrayLike
) -> NDArray[np.int64]:
    """Return the path that each pair of a split and a group that it tests belongs to.

    Parameters
    ----------
    test_groups : ndarray of shape (n_splits, n_test_groups), int64
        Groups that each split tests.
    split_ids, group_ids : array-like of int, shape (n_pairs,)
        The pairs.

    Returns
    -------
    ndarray of shape (n_pairs,), int64
        Path ids.

    Raises
    ------
    CrossValidationError
        If there is no such split, or it does not test that group.

    Examples
    --------
    >>> path_of_group(test_group_combinations(3, 2), [0, 2, 2], [1, 1, 2])
    array([0, 1, 1])
    """
    splits = np.asarray(split_ids, dtype=np.int64)
    groups = np.asarray(group_ids, dtype=np.int64)
    n_splits, n_groups = len(test_groups), int(test_groups.max()) + 1
    path_of = np.full((n_splits, n_groups), -1, dtype=np.int64)
    path_of[np.arange(n_splits)[:, None], test_groups] = path_ids(test_groups)
    known = (splits >= 0) & (splits < n_splits) & (groups >= 0) & (groups < n_groups)
    paths = np.full(splits.shape, -1, dtype=np.int64)
    paths[known] = path_of[splits[known], groups[known]]
    strange = np.flatnonzero(paths < 0)
    if len(strange):
        split_id, group_id = splits[strange[0]], groups[strange[0]]
        raise CrossValidationError(
            f"there is no split {split_id} that tests group {group_id} (and {len(strange) - 1} "
            f"more such predictions); pass the splitter that made them, of {n_splits} splits"
        )
    return paths


Unlabelled = Literal["refuse", "leave_out"]


class DateGroupsSplit(ABC):
    """Splits of an (instrument, datetime) panel by contiguous groups of whole dates.

    A subclass says which groups each split tests, and what that makes of every row.

    Attributes
    ----------
    n_groups : int
        Contiguous groups of dates; sizes differ by at most one date.
    embargo_days : int
        Distinct dates of the panel dropped after a test block, on top of the purge.
    """

    n_groups: int
    embargo_days: int

    @property
    @abstractmethod
    def test_groups(self) -> NDArray[np.int64]:
        """Groups that each split tests: ndarray of shape (n_splits, n_test_groups)."""

    @abstractmethod
    def _roles_of_split(
        self, calendar: GroupedCalendar, tested: NDArray[np.int64]
    ) -> NDArray[np.int8]:
        """Return the role of every labelled row in the split that tests these groups."""

    @property
    def n_splits(self) -> int:
        """Number of splits."""
        return len(self.test_groups)

    @property
    def n_paths(self) -> int:
        """Number of recombined histories: how often each tested group is tested."""
        return int(self.path_ids().max()) + 1

    def path_ids(self) -> NDArray[np.int64]:
        """Return the path that each tested group of each split belongs to.

        Returns
        -------
        ndarray of shape (n_splits, n_test_groups), int64
            In the order of `test_groups`; each path has every tested group once.
        """
        return path_ids(self.test_groups)

    def path_of(self, split_ids: ArrayLike, group_ids: ArrayLike) -> NDArray[np.int64]:
        """Return the path that predictions of these splits for these groups belong to.

        Parameters
        ----------
        split_ids : array-like of int, shape (n_predictions,)
            Split that each prediction comes from.
        group_ids : array-like of int, shape (n_predictions,)
            Group of the date of the row that it is for.

        Returns
        -------
        ndarray of shape (n_predictions,), int64
            Path ids.

        Raises
        ------
        CrossValidationError
            If there is no such split, or it does not test that group.
        """
        return path_of_group(self.test_groups, split_ids, group_ids)

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
        calendar = self._calendar(X, label_end)

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
        unlabelled: Unlabelled = "refuse",
    ) -> NDArray[np.int8]:
        """Return what every row does in every split.

        Parameters
        ----------
        X : DataFrame, Series or MultiIndex of shape (n_rows, ...)
            Indexed by, or itself, ``(instrument, datetime)``; rows in any order.
        label_end : array-like of datetime64, shape (n_rows,)
            Last date that the label of each row of `X` looks at.
        unlabelled : {"refuse", "leave_out"}, default "refuse"
            What becomes of rows without a label end: an error, or the role unused. Left
            out, they purge nothing and are purged by nothing, but their dates are cut into
            groups and counted by the embargo like any other.

        Returns
        -------
        ndarray of shape (n_rows, n_splits), int8
            A `Role`, in Fortran order, so that one split is contiguous.

        Raises
        ------
        CrossValidationError
            As `split`.
        """
        calendar = self._calendar(X, label_end, allow_missing=unlabelled == "leave_out")
        without_label = ~calendar.rows.labelled
        roles = np.empty((len(without_label), self.n_splits), dtype=np.int8, order="F")
        for split_id, tested in enumerate(self.test_groups):
            roles[:, split_id] = self._roles_of_split(calendar, tested)
        roles[without_label] = Role.UNUSED
        return roles

    def _calendar(
        self,
        X: object,
        label_end: ArrayLike | pd.Series | pd.Index,
        *,
        allow_missing: bool = False,
    ) -> GroupedCalendar:
        rows = row_intervals(X, label_end, allow_missing=allow_missing)
        return GroupedCalendar(rows=rows, group=group_of_date(rows.n_dates, self.n_groups))


def as_integer(name: str, value: object, *, minimum: int) -> int:
    """Return a setting that has to be an integer of at least `minimum`.

    Raises
    ------
    CrossValidationError
        If it is not.
    """
    is_integer = isinstance(value, int | np.integer) and not isinstance(value, bool)
    if not is_integer or int(value) < minimum:  # type: ignore[call-overload]
        raise CrossValidationError(
            f"{name} must be an integer of at least {minimum}, got {value!r}"
        )
    return int(value)  # type: ignore[call-overload, no-any-return]
