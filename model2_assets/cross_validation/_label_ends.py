"""Horizons of a labels table, and how far each row looks ahead."""

import re

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from model2_assets.errors import CrossValidationError

_LABEL_COLUMN = re.compile(r"label_([1-9][0-9]*)d")


def horizon_keys(labels: pd.DataFrame) -> tuple[str, ...]:
    """Return the horizons that a labels table has, such as ``("21d", "63d")``, ascending.

    Raises
    ------
    CrossValidationError
        If there is no column ``label_<h>d``, or one without its ``label_end_<h>d``.
    """
    matches = [_LABEL_COLUMN.fullmatch(str(column)) for column in labels.columns]
    keys = tuple(f"{days}d" for days in sorted(int(match[1]) for match in matches if match))
    if not keys:
        raise CrossValidationError(
            f"the labels table has no column label_<horizon>d, only "
            f"{', '.join(map(str, labels.columns)) or 'none'}; add one per horizon"
        )
    for key in keys:
        if f"label_end_{key}" not in labels.columns:
            raise CrossValidationError(
                f"the labels table has label_{key} but no label_end_{key}; add the last date "
                f"that each label looks at, since purging needs it"
            )
    return keys


def longest_label_end(labels: pd.DataFrame) -> pd.Series:
    """Return the last date that any label of a row looks at.

    Parameters
    ----------
    labels : DataFrame of shape (n_rows, n_columns)
        Table with a column ``label_end_<h>d`` of datetime64 for every ``label_<h>d``.

    Returns
    -------
    Series of shape (n_rows,), datetime64[us]
        Named ``label_end``, indexed like `labels`. A row without its longer label has the
        end of the longest that it has; a row without any has NaT.

    Raises
    ------
    CrossValidationError
        If there is no label column, or one without its label end.

    Examples
    --------
    >>> labels = pd.DataFrame({
    ...     "label_1d": [5.0, -5.0],
    ...     "label_end_1d": pd.to_datetime(["2024-01-03", "2024-01-04"]),
    ...     "label_2d": [7.0, np.nan],
    ...     "label_end_2d": pd.to_datetime(["2024-01-04", None]),
    ... })
    >>> longest_label_end(labels).dt.strftime("%Y-%m-%d").tolist()
    ['2024-01-04', '2024-01-04']
    """
    columns = [
        labels[f"label_end_{key}"].to_numpy(dtype="datetime64[us]") for key in horizon_keys(labels)
    ]
    longest = columns[0].copy()
    for column in columns[1:]:
        np.fmax(longest, column, out=longest)
    return pd.Series(longest, index=labels.index, name="label_end")


def label_end_of(labels: pd.DataFrame, horizon: str) -> pd.Series:
    """Return the last date that each row's label of one horizon looks at.

    Parameters
    ----------
    labels : DataFrame of shape (n_rows, n_columns)
        Table with ``label_<h>d`` and ``label_end_<h>d``.
    horizon : str
        Such as ``21d``.

    Returns
    -------
    Series of shape (n_rows,), datetime64[us]
        Named ``label_end``, indexed like `labels`; NaT where there is no such label.

    Raises
    ------
    CrossValidationError
        If the table does not have that horizon.
    """
    known = horizon_keys(labels)
    if horizon not in known:
        raise CrossValidationError(
            f"the labels table has no horizon {horizon}, only {', '.join(known)}; materialize "
            f"cv_splits again from these labels"
        )
    ends = labels[f"label_end_{horizon}"].to_numpy(dtype="datetime64[us]")
    return pd.Series(ends, index=labels.index, name="label_end")


def label_positions(index: pd.MultiIndex, labels: pd.DataFrame) -> NDArray[np.intp]:
    """Return the row of `labels` for each row of `index`, shape (n_rows,).

    Raises
    ------
    CrossValidationError
        If `labels` repeats a row or lacks one.
    """
    if index.equals(labels.index):
        return np.arange(len(index), dtype=np.intp)
    if not labels.index.is_unique:
        instrument, date = labels.index[labels.index.duplicated()][0]
        raise CrossValidationError(
            f"the labels table repeats instrument {instrument} on {date:%Y-%m-%d}; keep one row"
        )
    positions = labels.index.get_indexer(index)
    if (positions < 0).any():
        instrument, date = index[int(np.argmax(positions < 0))]
        raise CrossValidationError(
            f"the labels table lacks instrument {instrument} on {date:%Y-%m-%d}, which "
            f"cv_splits has; materialize cv_splits again from these labels"
        )
    return positions
