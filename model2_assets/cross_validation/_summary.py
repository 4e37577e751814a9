"""What each split tests and leaves out, for people."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from model2_assets.cross_validation._roles import (
    LONGEST,
    Role,
    count_roles,
    role_columns,
    split_horizons,
    split_ids,
    split_roles,
)
from model2_assets.panel import date_codes


def split_summary(splits: pd.DataFrame) -> pd.DataFrame:
    """Summarize every split: its test blocks, and rows and dates by role.

    Parameters
    ----------
    splits : DataFrame of shape (n_rows, 1 + n_columns)
        The cv_splits table.

    Returns
    -------
    DataFrame of shape (n_horizons * n_splits, 12)
        ``horizon``: that of the label that rows are purged with, such as ``21d``, or
        ``longest`` where one set of splits serves all; ``split_id``; ``test_groups`` (such
        as ``0, 3``); ``test_blocks``: first and last date of each run of consecutive test
        dates (such as ``2014-01-02 to 2014-12-31``, joined by ``; ``); ``test_dates`` and
        ``train_dates``: distinct dates with a row in that role; rows in each role:
        ``train``, ``test``, ``purged_before``, ``purged_after``, ``embargoed``, ``unused``.
    """
    dates = date_codes(_index_of(splits))
    calendar = pd.DatetimeIndex(dates.values)
    group_id = splits["group_id"].to_numpy()
    records = []
    for column in role_columns(splits):
        roles = column.roles(splits)
        test = roles == Role.TEST
        test_dates = np.unique(dates.codes[test])
        records.append(
            {
                "horizon": column.purged_with,
                "split_id": column.split_id,
                "test_groups": ", ".join(str(group) for group in np.unique(group_id[test])),
                "test_blocks": _ranges(test_dates, calendar),
                "test_dates": len(test_dates),
                "train_dates": len(np.unique(dates.codes[roles == Role.TRAIN])),
                **count_roles(roles),
            }
        )
    return pd.DataFrame(records)


@dataclass(frozen=True)
class SplitCoverage:
    """How many rows of a horizon are tested.

    Attributes
    ----------
    horizon : str
        Such as ``21d``; ``longest`` where one set of splits serves all.
    rows : int
        Rows with a label of the horizon, or of any.
    tested_rows : int
        Rows that at least one split tests: those that scores and coverage speak of.
    times_tested : int
        Splits that test each of those.
    first_tested : Timestamp or None
        Date of the first tested row; None where no row is tested.
    """

    horizon: str
    rows: int
    tested_rows: int
    times_tested: int
    first_tested: pd.Timestamp | None

    @property
    def text(self) -> str:
        """The figures in words."""
        name = "" if self.horizon == LONGEST else f"{self.horizon}: "
        times = f"each in {self.times_tested} split{'' if self.times_tested == 1 else 's'}"
        never = self.rows - self.tested_rows
        if not never:
            return f"{name}all {self.rows:,} rows are tested, {times}"
        share = self.tested_rows / self.rows
        since = f", from {self.first_tested:%Y-%m-%d} on" if self.first_tested is not None else ""
        return (
            f"{name}{self.tested_rows:,} of {self.rows:,} rows ({share:.1%}) are tested, {times}"
            f"{since}; {never:,} are never tested, and scores and coverage do not speak of them"
        )


def split_coverage(splits: pd.DataFrame) -> tuple[SplitCoverage, ...]:
    """Count the rows that are tested: all of them, or the later ones walking forward.

    Parameters
    ----------
    splits : DataFrame of shape (n_rows, 1 + n_columns)
        The cv_splits table.

    Returns
    -------
    tuple of SplitCoverage
        One for each horizon with roles of its own, or a single one.
    """
    dates = _index_of(splits).get_level_values("datetime")
    found = []
    for horizon in split_horizons(splits) or (None,):
        used = np.zeros(len(splits), dtype=bool)
        n_tests = np.zeros(len(splits), dtype=np.int64)
        for split_id in split_ids(splits):
            roles = split_roles(splits, split_id, horizon)
            used |= roles != Role.UNUSED
            n_tests += roles == Role.TEST
        tested = n_tests > 0
        found.append(
            SplitCoverage(
                horizon=horizon or LONGEST,
                rows=int(np.count_nonzero(used)) if horizon else len(splits),
                tested_rows=int(np.count_nonzero(tested)),
                times_tested=int(n_tests.max()),
                first_tested=dates[tested].min() if tested.any() else None,
            )
        )
    return tuple(found)


def _ranges(codes: NDArray[np.int64], calendar: pd.DatetimeIndex) -> str:
    runs = np.split(codes, np.flatnonzero(np.diff(codes) > 1) + 1) if len(codes) else []
    return "; ".join(f"{calendar[run[0]]:%Y-%m-%d} to {calendar[run[-1]]:%Y-%m-%d}" for run in runs)


def _index_of(splits: pd.DataFrame) -> pd.MultiIndex:
    index = splits.index
    assert isinstance(index, pd.MultiIndex)
    return index
