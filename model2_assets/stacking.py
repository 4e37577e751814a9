"""What a second-layer model is handed: the out-of-fold columns of a region, with labels."""

import re
from collections.abc import Collection, Mapping
from functools import reduce

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import nnls

from model2_assets.config.partition import Partition
from model2_assets.cross_validation import Role
from model2_assets.cross_validation.intervals import horizon_keys
from model2_assets.cross_validation.roles import role_columns, split_horizons
from model2_assets.errors import StoreError, TrainingError
from model2_assets.labels import realized_returns
from model2_assets.panel import joined_index, positions_in, taken
from model2_assets.storage.data_version import (
    data_version_of,
    data_versions_of,
    facts_of,
    stamped,
)

PURGE = "purge"
"""Fact of the frame's file: how the splits behind its columns were purged."""

_BASE_COLUMN = re.compile(r"oof_([1-9][0-9]*d)_([a-z][a-z0-9_]*)")


def column_of(partition: Partition) -> str:
    """Return the column of a partition's predictions, such as ``oof_21d_ridge``."""
    return f"oof_{partition.horizon}_{partition.model}"


def base_columns(frame: pd.DataFrame) -> dict[str, Partition]:
    """Return the columns of predictions that a stacking frame has, and where each is from."""
    matches = [_BASE_COLUMN.fullmatch(str(name)) for name in frame.columns]
    return {match[0]: Partition(match[1], match[2]) for match in matches if match}


def stackable_columns(frame: pd.DataFrame, horizon: str) -> tuple[str, ...]:
    """Return the columns that a model of one horizon may be stacked on side by side.

    Parameters
    ----------
    frame : DataFrame of shape (n_rows, n_columns)
        A stacking frame with its provenance.
    horizon : str
        Horizon of the label to predict, such as ``21d``.

    Returns
    -------
    tuple of str
        All columns of predictions where the file states ``purge: longest_horizon``; else
        those of the horizon alone.
    """
    every = facts_of(frame).get(PURGE) == "longest_horizon"
    columns = base_columns(frame).items()
    return tuple(name for name, partition in columns if every or partition.horizon == horizon)


PURGE_GUARANTEES: Mapping[str, str] = {
    "longest_horizon": (
        "purge longest_horizon: no prediction of a row comes from a model that saw a label "
        "overlapping the row's longest label window, so columns of all horizons may be stacked "
        "side by side"
    ),
    "per_horizon": (
        "purge per_horizon: no prediction of a row comes from a model that saw a label "
        "overlapping the row's window of the same horizon, but models of a shorter horizon did "
        "see labels overlapping its longer windows: stack columns of one horizon only"
    ),
}
"""What each purge mode guarantees of the columns, in words."""

NOT_GUARANTEED = (
    "a stacker's own score is not unbiased by that: the predictions of its train rows come "
    "from models that saw its test labels, unless they are nested (cross_validation.nested) or "
    "walk-forward"
)


def make_stacking_frame(
    oof: Mapping[str, pd.DataFrame],
    *,
    labels: pd.DataFrame,
    cv_splits: pd.DataFrame,
    partitions: Collection[str],
    excess: bool,
    region: str,
) -> pd.DataFrame:
    """Join the out-of-fold predictions of every partition, and the outcomes of their rows.

    Parameters
    ----------
    oof : mapping of str to DataFrame of shape (n_predictions, 2)
        Out-of-fold predictions by partition key, such as ``21d|ridge``, with their
        provenance.
    labels : DataFrame of shape (n_label_rows, 3 * n_horizons)
        The labels table.
    cv_splits : DataFrame of shape (n_split_rows, 1 + n_splits)
        The splits that the predictions were made with: say how they were purged.
    partitions : collection of str
        Keys of all partitions of the region, in the order that columns are to have.
    excess : bool
        Whether labels are in excess of their date's mean (``labels.excess``): realized returns
        are too.
    region : str
        Its name.

    Returns
    -------
    DataFrame of shape (n_rows, 1 + n_partitions + 3 * n_horizons)
        Every row that any partition predicts, once, sorted by instrument, then datetime.
        ``fold_id`` int16; ``oof_<h>d_<model>`` float64, bps, for every partition that is
        there, NaN where it does not predict the row; of every horizon ``label_<h>d``, to fit a
        stack to, and ``realized_<h>d``, to score it on (`labels.realized_returns`), both float64,
        bps, and ``label_end_<h>d`` datetime64[us], missing where the row has no such label.
        The provenance names the columns that are missing, the version of each that is there, and
        the purge mode with what it guarantees.

    Raises
    ------
    StoreError
        If there are no predictions at all.
    LabelError
        If the labels have no forward return of a horizon.
    """
    present = [key for key in partitions if key in oof]
    if not present:
        raise StoreError(
            f"region {region} has no out-of-fold predictions to stack; materialize "
            f"oof_predictions of at least one of {', '.join(partitions)}"
        )
    columns = {key: column_of(Partition.parse(key)) for key in partitions}
    index = _union([oof[key].index for key in present])
    frame = pd.DataFrame({"fold_id": _fold_ids([oof[key] for key in present], index)}, index=index)
    for key in present:
        rows = positions_in(oof[key].index, index)
        frame[columns[key]] = taken(oof[key]["prediction"], rows)
    rows = positions_in(labels.index, index)
    for horizon in horizon_keys(labels):
        realized = realized_returns(labels, horizon, excess=excess)
        for outcome in (labels[f"label_{horizon}"], realized, labels[f"label_end_{horizon}"]):
            frame[outcome.name] = taken(outcome, rows)
    purge = "per_horizon" if split_horizons(cv_splits) else "longest_horizon"
    return stamped(
        frame,
        inputs=data_versions_of(labels=labels, cv_splits=cv_splits),
        region=region,
        columns={columns[key]: data_version_of(oof[key]) for key in present},
        missing_columns=[columns[key] for key in partitions if key not in oof],
        **{PURGE: purge},
        guarantee=PURGE_GUARANTEES[purge],
        not_guaranteed=NOT_GUARANTEED,
        trained_on_past_only=_trained_on_past_only(cv_splits),
    )


def _union(indexes: list[pd.Index]) -> pd.MultiIndex:
    """Return the distinct rows of all tables, by instrument, then datetime."""

    def with_others(index: pd.MultiIndex, other: pd.Index) -> pd.MultiIndex:
        return joined_index([index, other[positions_in(index, other) < 0]])

    union = reduce(with_others, indexes[1:], joined_index(indexes[:1])).sort_values()
    assert isinstance(union, pd.MultiIndex)
    return union


def _fold_ids(tables: list[pd.DataFrame], index: pd.MultiIndex) -> pd.Series:
    """Return the fold of every row as the first table that has it says."""
    folds = np.full(len(index), -1, dtype=np.int16)
    for table in reversed(tables):
        folds[positions_in(index, table.index)] = table["fold_id"].to_numpy()
    return pd.Series(folds, index=index)


def _trained_on_past_only(cv_splits: pd.DataFrame) -> bool:
    """Tell whether no split trains on a date after the first that it tests."""
    dates = cv_splits.index.get_level_values("datetime").to_numpy()
    for column in role_columns(cv_splits):
        roles = column.roles(cv_splits)
        train, test = dates[roles == Role.TRAIN], dates[roles == Role.TEST]
        if len(train) and len(test) and train.max() >= np.min(test):
            return False
    return True


def nonnegative_weights(columns: ArrayLike, label: ArrayLike) -> NDArray[np.float64]:
    r"""Fit the weights of a linear stack, none of them below zero.

    .. math::

        \min_{w \ge 0} \; \lVert (y - \bar y) - (P - \bar P) w \rVert_2

    as L. Breiman stacks regressions ("Stacked Regressions", Machine Learning 24, 1996).
    Non-negative weights keep nearly equal columns from being played against each other.

    Parameters
    ----------
    columns : array-like of shape (n_rows, n_columns), float
        Out-of-fold predictions, bps.
    label : array-like of shape (n_rows,), float
        Labels, bps. TrainingError is raised where there is no row, or a value is not finite.

    Returns
    -------
    ndarray of shape (n_columns,), float64
        All zero where no column has a positive part in the best fit: such a stack predicts
        nothing.

    Examples
    --------
    >>> weights = nonnegative_weights([[1.0, -1.0], [2.0, 1.0], [3.0, 0.0]], [2.0, 4.0, 6.0])
    >>> weights.round(9).tolist()
    [2.0, 0.0]
    """
    P = np.asarray(columns, dtype=np.float64)
    y = np.asarray(label, dtype=np.float64)
    if not len(y) or not (np.isfinite(P).all() and np.isfinite(y).all()):
        raise TrainingError(
            f"a stack needs rows whose columns and label are all finite, got {len(y):,} rows; drop "
            f"those with a missing value"
        )
    weights: NDArray[np.float64] = nnls(P - P.mean(axis=0), y - y.mean())[0]
    return weights
