"""Walk-forward splits: every model has seen the past alone."""

from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from model2_assets.cross_validation.intervals import Balance, GroupedCalendar
from model2_assets.cross_validation.roles import Role
from model2_assets.cross_validation.splitter import DateGroupsSplit, as_integer, require_choice
from model2_assets.errors import CrossValidationError

Window = Literal["expanding", "rolling"]


class WalkForwardSplit(DateGroupsSplit):
    """Purged walk-forward validation of an (instrument, datetime) panel.

    The distinct dates are cut into `n_groups` contiguous groups of whole dates. Split i
    tests group ``train_groups + i`` by a model trained on groups before it only: on all of
    them, or on the last `train_groups`. A train row is purged whose own interval
    [datetime, label end] touches the test group, its first date included. Rows after the
    test group, and before a rolling window, are unused.

    The first `train_groups` groups are never tested, so predictions cover the rows of the
    others. In return no prediction comes from a model that saw anything dated in the test
    group or after it. Trained on the predictions of earlier groups alone, a second-layer
    model may be scored on later ones.

    Parameters
    ----------
    n_groups : int, default 5
        Contiguous groups of dates.
    window : {"expanding", "rolling"}, default "expanding"
        Whether a model trains on all earlier groups or on the last `train_groups`.
    train_groups : int, optional
        Groups that the first model trains on; below `n_groups`. 1 if left out, except that
        a rolling window has to say how long it is.
    embargo_days : int, default 5
        Without effect, and here so that all splitters take the same settings: an embargo
        follows a test block, where this splitter never trains.
    balance : {"dates", "rows"}, default "dates"
        What groups have equally much of; see `PurgedEmbargoedTimeSeriesSplit`.

    Raises
    ------
    CrossValidationError
        If a setting is of the wrong type, or out of range.

    Examples
    --------
    One instrument, eight days, labels that look one day ahead:

    >>> import pandas as pd
    >>> dates = pd.date_range("2024-01-01", periods=8)
    >>> index = pd.MultiIndex.from_product([["A"], dates], names=["instrument", "datetime"])
    >>> label_end = dates + pd.Timedelta(days=1)
    >>> for train, test in WalkForwardSplit(4).split(index, label_end=label_end):
    ...     print(train, test)
    [0] [2 3]
    [0 1 2] [4 5]
    [0 1 2 3 4] [6 7]
    """

    def __init__(
        self,
        n_groups: int = 5,
        *,
        window: Window = "expanding",
        train_groups: int | None = None,
        embargo_days: int = 5,
        balance: Balance = "dates",
    ) -> None:
        self.n_groups = as_integer("n_groups", n_groups, minimum=2)
        require_choice("window", window, get_args(Window))
        if window == "rolling" and train_groups is None:
            raise CrossValidationError(
                "a rolling window needs train_groups: the number of groups that it is long"
            )
        self.window: Window = window
        self.train_groups = as_integer(
            "train_groups", 1 if train_groups is None else train_groups, minimum=1
        )
        self.embargo_days = as_integer("embargo_days", embargo_days, minimum=0)
        require_choice("balance", balance, get_args(Balance))
        self.balance: Balance = balance
        if self.train_groups >= self.n_groups:
            raise CrossValidationError(
                f"train_groups ({train_groups}) must be below n_groups ({n_groups}), else "
                f"nothing is left to test"
            )

    @property
    def test_groups(self) -> NDArray[np.int64]:
        """Group that each split tests: ndarray of shape (n_splits, 1)."""
        return np.arange(self.train_groups, self.n_groups, dtype=np.int64)[:, None]

    def roles_of_split(
        self, calendar: GroupedCalendar, tested: NDArray[np.int64]
    ) -> NDArray[np.int8]:
        """Return the role of every labelled row in the split that tests this group."""
        rows, group, test_group = calendar.rows, calendar.group, int(tested[0])
        oldest = test_group - self.train_groups if self.window == "rolling" else 0
        by_date = np.full(rows.n_dates, Role.UNUSED, dtype=np.int8)
        by_date[(group >= oldest) & (group < test_group)] = Role.TRAIN
        by_date[group == test_group] = Role.TEST
        roles: NDArray[np.int8] = by_date[rows.start]
        for block in calendar.test_blocks(tested):
            roles[(roles == Role.TRAIN) & (rows.end >= block.first)] = Role.PURGED_BEFORE
        return roles
