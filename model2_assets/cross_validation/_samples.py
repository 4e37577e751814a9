"""Labelled rows in train and test of every split, and the least that is accepted."""

import numpy as np
import pandas as pd

from model2_assets.cross_validation._label_ends import horizon_keys, label_positions
from model2_assets.cross_validation._roles import Role, split_ids, split_roles
from model2_assets.errors import CrossValidationError


def count_samples(splits: pd.DataFrame, labels: pd.DataFrame) -> pd.DataFrame:
    """Count the labelled rows that every split trains on and tests, for every horizon.

    Parameters
    ----------
    splits : DataFrame of shape (n_rows, 1 + n_columns)
        The cv_splits table.
    labels : DataFrame of shape (n_label_rows, n_columns)
        The labels table; has every row of `splits`.

    Returns
    -------
    DataFrame of shape (n_horizons * n_splits, 4)
        Columns ``horizon`` (such as ``21d``), ``split_id``, ``train`` and ``test`` (rows).

    Raises
    ------
    CrossValidationError
        If `labels` lacks a row of `splits`.
    """
    positions = label_positions(_index_of(splits), labels)
    counts = []
    for horizon in horizon_keys(labels):
        labelled = labels[f"label_{horizon}"].notna().to_numpy()[positions]
        for split_id in split_ids(splits):
            roles = split_roles(splits, split_id, horizon)[labelled]
            train = int(np.count_nonzero(roles == Role.TRAIN))
            test = int(np.count_nonzero(roles == Role.TEST))
            counts.append((horizon, split_id, train, test))
    return pd.DataFrame(counts, columns=["horizon", "split_id", "train", "test"])


def check_min_samples(
    splits: pd.DataFrame, labels: pd.DataFrame, *, min_samples: int
) -> pd.DataFrame:
    """Require enough labelled rows in train and test of every split, for every horizon.

    Parameters
    ----------
    splits : DataFrame of shape (n_rows, 1 + n_columns)
        The cv_splits table.
    labels : DataFrame of shape (n_label_rows, n_columns)
        The labels table; has every row of `splits`.
    min_samples : int
        Labelled rows that train and test each need.

    Returns
    -------
    DataFrame of shape (n_horizons * n_splits, 4)
        The counts, as `count_samples`.

    Raises
    ------
    CrossValidationError
        If a split has fewer; names the horizon, the split, its test groups and its counts.
    """
    counts = count_samples(splits, labels)
    short = counts[(counts["train"] < min_samples) | (counts["test"] < min_samples)]
    if len(short):
        horizon, split_id = str(short["horizon"].iloc[0]), int(short["split_id"].iloc[0])
        roles = split_roles(splits, split_id, horizon)
        tested = splits["group_id"][roles == Role.TEST].unique()
        groups = ", ".join(str(group) for group in sorted(tested)) or "none"
        others = f" (and {len(short) - 1} more)" if len(short) > 1 else ""
        raise CrossValidationError(
            f"horizon {horizon}, split {split_id} testing fold {groups}: "
            f"{short['train'].iloc[0]} labelled train rows and {short['test'].iloc[0]} labelled "
            f"test rows, but cross_validation.min_samples is {min_samples}{others}; give more "
            f"history or instruments, or lower cross_validation.n_groups, embargo_days, "
            f"min_samples or labels.horizons"
        )
    return counts


def _index_of(splits: pd.DataFrame) -> pd.MultiIndex:
    index = splits.index
    assert isinstance(index, pd.MultiIndex)
    return index
