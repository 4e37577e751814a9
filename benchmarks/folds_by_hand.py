"""Tables and purged folds as a user would handle them: plain pandas."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmarks.inputs import Inputs

Fold = tuple[NDArray[np.intp], NDArray[np.intp]]
"""Positions of train and of test rows."""

N_FOLDS, EMBARGO_DAYS = 5, 5


def read_tables(inputs: Inputs) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Read features, labels and splits as plain Parquet files, without any check."""
    features, labels, splits = (
        _read(inputs, asset) for asset in ("features", "labels", "cv_splits")
    )
    return features, labels, splits


def _read(inputs: Inputs, asset: str) -> pd.DataFrame:
    table = pd.read_parquet(inputs.path(asset))
    if "instrument" in table.columns:
        table = table.set_index(["instrument", "datetime"])
    return table


def labelled(
    features: pd.DataFrame, labels: pd.DataFrame, splits: pd.DataFrame, horizon: str
) -> tuple[pd.DataFrame, pd.Series, list[Fold]]:
    """Return the rows that have a label, with the folds of the stored splits.

    Parameters
    ----------
    features, labels, splits : DataFrame
        Stored tables, indexed by (instrument, datetime).
    horizon : str
        Such as ``21d``.

    Returns
    -------
    X : DataFrame of shape (n_rows, n_features)
        Their features.
    y : Series of shape (n_rows,)
        Their labels.
    folds : list of pairs of ndarray
        Positions of train and test rows of each fold.
    """
    y = labels[f"label_{horizon}"].reindex(splits.index).dropna()
    X = features.reindex(y.index)
    roles = splits.loc[y.index].filter(regex=r"^split_\d+$")
    folds = [
        (np.flatnonzero(roles[name] == 0), np.flatnonzero(roles[name] == 1))
        for name in roles.columns
    ]
    return X, y, folds


def purged_folds(dates: pd.Series, label_end: pd.Series) -> list[Fold]:
    """Cut dates into blocks, and drop train rows whose label touches the tested block.

    Parameters
    ----------
    dates, label_end : Series of shape (n_rows,), datetime64
        Date of each row, and the last date its label looks at.

    Returns
    -------
    list of pairs of ndarray
        Positions of train and test rows of each fold.
    """
    days = np.sort(dates.unique())
    folds = []
    for block in np.array_split(days, N_FOLDS):
        test = dates.between(block[0], block[-1])
        last = label_end[test].max()
        embargo_end = days[min(np.searchsorted(days, last, "right") + EMBARGO_DAYS, len(days)) - 1]
        train = (label_end < block[0]) | (dates > max(embargo_end, last))
        folds.append((np.flatnonzero(train), np.flatnonzero(test)))
    return folds
