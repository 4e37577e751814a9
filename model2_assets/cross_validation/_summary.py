"""What each split tests and leaves out, for people."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from model2_assets.cross_validation._roles import Role, count_roles, split_ids, split_roles
from model2_assets.panel import date_codes


def split_summary(splits: pd.DataFrame) -> pd.DataFrame:
    """Summarize every split: its test blocks, and rows and dates by role.

    Parameters
    ----------
    splits : DataFrame of shape (n_rows, 1 + n_splits)
        The cv_splits table.

    Returns
    -------
    DataFrame of shape (n_splits, 10)
        ``split_id``; ``test_groups`` (such as ``0, 3``); ``test_blocks``: first and last
        date of each run of consecutive test dates (such as ``2014-01-02 to 2014-12-31``,
        joined by ``; ``); ``test_dates`` and ``train_dates``: distinct dates with a row in
        that role; rows in each role: ``train``, ``test``, ``purged_before``,
        ``purged_after``, ``embargoed``.
    """
    index = splits.index
    assert isinstance(index, pd.MultiIndex)
    dates = date_codes(index)
    calendar = pd.DatetimeIndex(dates.values)
    group_id = splits["group_id"].to_numpy()
    records = []
    for split_id in split_ids(splits):
        roles = split_roles(splits, split_id)
        test = roles == Role.TEST
        test_dates = np.unique(dates.codes[test])
        records.append(
            {
                "split_id": split_id,
                "test_groups": ", ".join(str(group) for group in np.unique(group_id[test])),
                "test_blocks": _ranges(test_dates, calendar),
                "test_dates": len(test_dates),
                "train_dates": len(np.unique(dates.codes[roles == Role.TRAIN])),
                **count_roles(roles),
            }
        )
    return pd.DataFrame(records)


def _ranges(codes: NDArray[np.int64], calendar: pd.DatetimeIndex) -> str:
    runs = np.split(codes, np.flatnonzero(np.diff(codes) > 1) + 1) if len(codes) else []
    return "; ".join(f"{calendar[run[0]]:%Y-%m-%d} to {calendar[run[-1]]:%Y-%m-%d}" for run in runs)
