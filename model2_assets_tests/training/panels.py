"""Small hand-made panels with splits, independent of the package's own splitter."""

from itertools import combinations

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from model2_assets.panel import panel_index
from model2_assets.training import TrainingData, assemble_training_data

TRAIN, TEST, PURGED_BEFORE, PURGED_AFTER = 0, 1, 2, 3

GAP = 2
"""Days that a label looks ahead; there is no embargo."""


def make_index(n_dates: int, n_instruments: int) -> pd.MultiIndex:
    dates = pd.date_range("2020-01-01", periods=n_dates, freq="D")
    names = [f"S{number:02d}" for number in range(n_instruments)]
    return panel_index(names * n_dates, dates.repeat(n_instruments))


def make_roles(
    n_dates: int, n_instruments: int, *, n_groups: int, n_test_groups: int = 1, gap: int = GAP
) -> tuple[NDArray[np.int16], NDArray[np.int8]]:
    group = np.arange(n_dates) * n_groups // n_dates
    columns = []
    for tested in combinations(range(n_groups), n_test_groups):
        is_test = np.isin(group, tested)
        role = np.where(is_test, TEST, TRAIN)
        for date in np.flatnonzero(~is_test):
            if is_test[date : date + gap + 1].any():
                role[date] = PURGED_BEFORE
            elif is_test[max(date - gap, 0) : date].any():
                role[date] = PURGED_AFTER
        columns.append(role)
    roles = np.column_stack(columns).repeat(n_instruments, axis=0).astype(np.int8)
    return group.repeat(n_instruments).astype(np.int16), roles


def make_tables(
    *,
    n_dates: int = 60,
    n_instruments: int = 8,
    n_features: int = 6,
    n_groups: int = 5,
    n_test_groups: int = 1,
    signal: float = 100.0,
    missing: float = 0.1,
    seed: int = 0,
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    rng = np.random.default_rng(seed)
    index = make_index(n_dates, n_instruments)
    X = rng.normal(size=(len(index), n_features)).astype(np.float32)
    y = signal * X[:, 0] - signal / 2 * X[:, 1] * X[:, 2] + rng.normal(scale=300, size=len(index))
    X[rng.random(X.shape) < missing] = np.nan
    names = [f"F{number}" for number in range(n_features)]
    group_id, roles = make_roles(
        n_dates, n_instruments, n_groups=n_groups, n_test_groups=n_test_groups
    )
    splits = pd.DataFrame(
        {f"split_{split_id}": roles[:, split_id] for split_id in range(roles.shape[1])},
        index=index,
    )
    splits.insert(0, "group_id", group_id)
    dates = index.get_level_values("datetime")
    ends = (dates + pd.Timedelta(days=GAP)).where(dates < dates.max() - pd.Timedelta(days=GAP - 1))
    labels = pd.DataFrame({"label_21d": y, "label_end_21d": ends.fillna(dates.max())}, index=index)
    return pd.DataFrame(X, index=index, columns=names), labels, splits


def make_data(**settings: object) -> TrainingData:
    tables = make_tables(**settings)  # type: ignore[arg-type]
    return assemble_training_data(*tables, horizon="21d", embargo_days=0)


def hand_made(roles: ArrayLike, group_id: ArrayLike) -> TrainingData:
    """Return two instruments on as many dates as it takes, without any signal."""
    roles = np.array(roles, dtype=np.int8)
    index = make_index(len(roles) // 2, 2)
    return TrainingData(
        index=index,
        X=np.zeros((len(index), 1), dtype=np.float32),
        y=np.zeros(len(index)),
        feature_names=("f",),
        roles=roles,
        group_id=np.array(group_id, dtype=np.int16),
    )
