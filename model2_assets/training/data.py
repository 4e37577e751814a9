"""The one matrix that every model and split of a horizon trains on."""

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from pathlib import Path
from tempfile import gettempdir
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from model2_assets.config.partition import horizon_days
from model2_assets.cross_validation.intervals import longest_label_end
from model2_assets.cross_validation.roles import Role, horizon_columns, role_columns
from model2_assets.errors import TrainingError
from model2_assets.panel import (
    CHUNK_ROWS,
    date_codes,
    instrument_codes,
    is_canonical,
    positions_in,
    row_name,
    to_canonical,
)
from model2_assets.storage.cache import working_files_of
from model2_assets.storage.matrix import StoredMatrix, stored_matrix
from model2_assets.training.inner_folds import InnerFolds
from model2_assets.training.resources import usable_cores

RUN_ROWS = 8192
"""Rows of a run of dates, so few that they stay in a processor's cache while they are added."""

_LARGEST_CODE = 2**62

Rows = slice | NDArray[np.intp]

RowWeights = Callable[[NDArray[np.intp]], NDArray[np.float64]]
"""Weights of train rows, from their positions alone: what a split does not train on
cannot reach its weights."""


@dataclass(frozen=True, eq=False)
class SelectedRows:
    """The rows of a matrix at chosen positions, as if they were an array of their own.

    A slice of neighbours in the matrix, which may be mapped from a file, is a read-only view; all
    else is a copy, so ask for some rows at a time.
    """

    matrix: NDArray[np.float32]
    positions: NDArray[np.intp]
    stored: StoredMatrix | None = None
    """Where other processes find the matrix, if they do."""

    def __len__(self) -> int:
        return len(self.positions)

    @property
    def shape(self) -> tuple[int, int]:
        """Number of rows chosen and of features."""
        return len(self.positions), self.matrix.shape[1]

    @property
    def dtype(self) -> np.dtype[np.float32]:
        """Type of the values, float32."""
        return self.matrix.dtype

    def __getitem__(self, rows: Rows) -> NDArray[np.float32]:
        found = self.positions[rows]
        if isinstance(rows, slice) and isinstance(neighbours := compact(found), slice):
            view = self.matrix[neighbours]
            view.flags.writeable = False
            return view
        return np.take(self.matrix, found, axis=0)

    @property
    def span(self) -> NDArray[np.float32]:
        """The matrix from the first chosen row in it to the last, others between them included."""
        if not len(self):
            return self.matrix[:0]
        return self.matrix[self.positions.min() : self.positions.max() + 1]


FeatureMatrix = NDArray[np.float32] | SelectedRows
"""Features of shape (n_rows, n_features), of which rows can be taken."""


def compact(rows: NDArray[np.intp]) -> Rows:
    """Return rows as a slice, which copies nothing, where they are neighbours in order."""
    if not len(rows):
        return slice(0, 0)
    first, last = int(rows[0]), int(rows[-1])
    if last - first != len(rows) - 1 or not (np.diff(rows) == 1).all():
        return rows
    return slice(first, last + 1)


@dataclass(frozen=True, eq=False)
class RowBlocks:
    """Which block a row belongs to, and which run of dates.

    Sums over rows are made run by run and block by block, and added in this order. So they
    are equal to the bit for any number of threads, and whichever blocks are looked at.
    """

    ids: NDArray[np.int32]
    """Block of each row, from 0."""
    runs: NDArray[np.int32]
    """Run of neighbouring dates of each row, ascending."""

    @classmethod
    def of(
        cls,
        index: pd.MultiIndex,
        group_id: NDArray[np.int16],
        roles: Iterable[NDArray[np.int8]],
        others: Iterable[NDArray[Any]] = (),
    ) -> "RowBlocks":
        """Make blocks of rows of equal group, roles in all splits, and other marks, by first rows.

        Other marks are which horizons label a row, and what inner folds do with it.
        """
        codes, n_codes = np.zeros(len(index), dtype=np.int64), 1
        # Groups count from -1.
        marks: Iterable[NDArray[Any]] = chain([group_id + 1], map(role_mark, roles), others)
        for mark in marks:
            n_marks = int(mark.max(initial=0)) + 1
            if n_codes * n_marks > _LARGEST_CODE:
                codes = pd.factorize(codes)[0]
                n_codes = int(codes.max(initial=0)) + 1
            codes = codes * n_marks + mark
            n_codes *= n_marks
        ids = pd.factorize(codes)[0].astype(np.int32)
        sizes = np.diff(date_codes(index).starts)
        return cls(ids=ids, runs=np.repeat(_run_of_dates(sizes), sizes))

    def take(self, rows: NDArray[np.intp]) -> "RowBlocks":
        """Return the blocks of some rows; ids and runs stay the same."""
        return RowBlocks(ids=self.ids[rows], runs=self.runs[rows])

    @property
    def n_blocks(self) -> int:
        """Number of blocks, counting those without a row."""
        return int(self.ids.max(initial=-1)) + 1


def _run_of_dates(sizes: NDArray[np.int64]) -> NDArray[np.int32]:
    """Give dates the number of their run, of few rows together; a single date may have more."""
    runs, run, n_rows = [], 0, 0
    for size in sizes.tolist():
        if n_rows and n_rows + size > RUN_ROWS:
            run, n_rows = run + 1, 0
        n_rows += size
        runs.append(run)
    return np.array(runs, dtype=np.int32)


@dataclass(frozen=True, eq=False)
class TrainingData:
    """Features, labels and split roles of one horizon, row by row.

    Rows are in canonical order (by datetime, then instrument), so that the rows of a
    group of dates are contiguous, and a model whose result depends on row order always
    sees the same one.

    Attributes
    ----------
    index : MultiIndex of shape (n_rows,)
        Levels ``(instrument, datetime)``.
    X : ndarray or SelectedRows of shape (n_rows, n_features), float32
        NaN where a feature is missing, never infinite. Mostly rows of a matrix that is
        mapped into memory, so ask for rows by a slice or an array of positions, some at a
        time, and for nothing but `len`, `shape` and `dtype` besides.
    y : ndarray of shape (n_rows,), float64
        Labels in bps; never NaN.
    feature_names : tuple of str
        Names of the columns of `X`.
    roles : ndarray of shape (n_rows, n_splits), int8
        0 train, 1 test; others take no part in the split.
    group_id : ndarray of shape (n_rows,), int16
        The test group of the row's date.
    inner : InnerFolds, optional
        How train sets are split once more. None: they cannot be.
    make_blocks : callable, optional
        Returns the rows that the splits of every horizon treat alike. None: these splits count.
    working_folder : Path
        Local folder for files of fits in external memory.
    is_external : bool
        Whether fits are wanted in external memory.
    row_weights : callable, optional
        Returns the weights, with a mean of 1, of the train rows at given positions. None: all
        rows count alike.

    Raises
    ------
    TrainingError
        If rows are not in canonical order, a feature name repeats, a feature is infinite or a
        label is not finite. The message names the culprit.
    """

    index: pd.MultiIndex
    X: FeatureMatrix
    y: NDArray[np.float64]
    feature_names: tuple[str, ...]
    roles: NDArray[np.int8]
    group_id: NDArray[np.int16]
    inner: InnerFolds | None = None
    make_blocks: Callable[[], RowBlocks] | None = None
    row_weights: RowWeights | None = None
    working_folder: Path = Path(gettempdir())
    is_external: bool = False

    def __post_init__(self) -> None:
        if not is_canonical(self.index):
            raise TrainingError(
                "training rows are not in canonical order (by datetime, then instrument, each "
                "once); pass tables through model2_assets.panel.to_canonical"
            )
        bad = np.flatnonzero(~np.isfinite(self.y))
        if bad.size:
            raise TrainingError(
                f"label is {self.y[bad[0]]} at {row_name(self.index, bad[0])}; "
                f"leave out rows without a label"
            )
        repeated = [name for name in self.feature_names if self.feature_names.count(name) > 1]
        if repeated:
            raise TrainingError(f"feature {repeated[0]!r} appears twice; give each name once")
        refuse_infinity(self.X, self.index, self.feature_names)

    @property
    def n_rows(self) -> int:
        """Number of rows."""
        return len(self.index)

    @property
    def n_splits(self) -> int:
        """Number of splits."""
        return int(self.roles.shape[1])

    @cached_property
    def date_codes(self) -> NDArray[np.int64]:
        """Number of each row's date, from 0: shape (n_rows,)."""
        return date_codes(self.index).codes

    @cached_property
    def blocks(self) -> RowBlocks:
        """Rows that are in or out of train sets, and of inner ones, together."""
        if self.make_blocks is not None:
            return self.make_blocks()
        others = () if self.inner is None else self.inner.marks()
        return RowBlocks.of(self.index, self.group_id, self.roles.T, others)

    @property
    def tested_rows(self) -> NDArray[np.intp]:
        """Ascending positions of the rows that at least one split predicts.

        All rows in cross-validation; walking forward, those of the groups that are tested.
        Out-of-fold predictions, coverage and scores speak of these.
        """
        return np.flatnonzero((self.roles == Role.TEST).any(axis=1))

    def train_rows(self, split_id: int) -> NDArray[np.intp]:
        """Return the ascending positions of the rows that a split trains on."""
        return np.flatnonzero(self.roles[:, split_id] == Role.TRAIN)

    def test_rows(self, split_id: int) -> NDArray[np.intp]:
        """Return the ascending positions of the rows that a split predicts."""
        return np.flatnonzero(self.roles[:, split_id] == Role.TEST)

    def rows_on_every_nth_date(self, rows: NDArray[np.intp], stride: int) -> NDArray[np.intp]:
        """Keep the rows of every n-th date.

        Dates are counted from the first of the history, not of the split, so all splits train
        on the same dates, and a new date at the end moves none of them.
        """
        return rows if stride == 1 else rows[self.date_codes[rows] % stride == 0]


def assemble_training_data(
    features: pd.DataFrame,
    labels: pd.DataFrame,
    cv_splits: pd.DataFrame,
    *,
    horizon: str,
    embargo_days: int = 5,
) -> TrainingData:
    """Bring features, labels and splits of one horizon together.

    Parameters
    ----------
    features : DataFrame of shape (n_feature_rows, n_features)
        Panel frame of numbers; NaN where a feature is missing.
    labels : DataFrame
        Panel frame with a column ``label_{horizon}`` in bps, NaN where there is none, and
        ``label_end_{horizon}``; those of other horizons count for inner folds.
    cv_splits : DataFrame
        Panel frame with columns ``group_id`` and ``split_0``, ``split_1`` and so on, or
        ``split_0_21d`` and so on where every horizon has roles of its own.
    horizon : str
        Such as ``21d``.
    embargo_days : int, default 5
        Embargo of the inner folds, in dates of `cv_splits`.

    Returns
    -------
    TrainingData
        The rows of `cv_splits` that have a label of this horizon, in canonical order, with
        the roles that are for this horizon.

    Raises
    ------
    CrossValidationError
        If a column of roles is missing.
    TrainingError
        If there is no column of labels, a row of `cv_splits` lacks features or is unknown to
        `labels`, no row has a label, or a value cannot be trained on.
    """
    label_column = f"label_{horizon}"
    if label_column not in labels:
        known = ", ".join(label_columns(labels)) or "none"
        raise TrainingError(f"labels have no column {label_column!r}; they have {known}")
    cv_splits = to_canonical(cv_splits)
    index = panel_rows(cv_splits)
    label_rows = positions_of(labels, index, "labels")
    y = labels[label_column].to_numpy(dtype=np.float64)[label_rows]
    labelled = np.flatnonzero(~np.isnan(y))
    if not labelled.size:
        raise TrainingError(f"no row has a label of horizon {horizon}; the history is too short")
    feature_rows = positions_of(features, index, "features")[labelled]
    roles = [column.roles(cv_splits) for column in horizon_columns(cv_splits, horizon)]
    inner = inner_folds_of(
        labels, cv_splits, label_rows, embargo_days=embargo_days, horizon=horizon
    )
    return TrainingData(
        index=index[labelled],
        X=take_rows(features, feature_rows),
        y=y[labelled],
        feature_names=tuple(str(name) for name in features.columns),
        roles=np.column_stack(roles)[labelled],
        group_id=cv_splits["group_id"].to_numpy(dtype=np.int16)[labelled],
        inner=None if inner is None else inner.take(labelled),
        make_blocks=lambda: blocks_of_tables(labels, cv_splits, label_rows, inner).take(labelled),
        working_folder=working_files_of(features).folder or Path(gettempdir()),
    )


def inner_folds_of(
    labels: pd.DataFrame,
    cv_splits: pd.DataFrame,
    label_rows: NDArray[np.intp],
    *,
    embargo_days: int,
    horizon: str,
) -> InnerFolds | None:
    """Make inner folds of the rows of canonical splits; None for labels without their ends."""
    if not all(name.replace("label_", "label_end_") in labels for name in label_columns(labels)):
        return None
    return InnerFolds.of(
        panel_rows(cv_splits),
        cv_splits["group_id"].to_numpy(dtype=np.int16),
        longest_label_end(labels).to_numpy(dtype="datetime64[us]")[label_rows],
        embargo_days=embargo_days,
        horizon_days=horizon_days(horizon),
    )


def blocks_of_tables(
    labels: pd.DataFrame,
    cv_splits: pd.DataFrame,
    label_rows: NDArray[np.intp],
    inner: InnerFolds | None,
) -> RowBlocks:
    """Group rows of canonical splits by labels, by roles in all splits, and by inner folds."""
    is_labelled = (labels[name].notna().to_numpy() for name in label_columns(labels))
    return RowBlocks.of(
        panel_rows(cv_splits),
        cv_splits["group_id"].to_numpy(dtype=np.int16),
        (column.roles(cv_splits) for column in role_columns(cv_splits)),
        chain((known[label_rows] for known in is_labelled), inner.marks() if inner else ()),
    )


def label_columns(labels: pd.DataFrame) -> list[str]:
    """Return the names of the labels of all horizons, in the order of the table."""
    return [str(name) for name in labels.columns if re.fullmatch(r"label_\d+d", str(name))]


def role_mark(roles: NDArray[np.int8]) -> NDArray[np.int8]:
    """Mark what a split does with rows; whatever keeps a row out of it does so alike."""
    return np.minimum(roles, np.int8(Role.PURGED_BEFORE))


def refuse_infinity(X: FeatureMatrix, index: pd.MultiIndex, feature_names: tuple[str, ...]) -> None:
    """Refuse an infinite feature; the error names the feature and the row."""
    # The matrix as it lies is read at the speed of memory; rows are chosen only at a finding.
    with ThreadPoolExecutor(usable_cores()) as pool:
        lying = _chunks(X.span if isinstance(X, SelectedRows) else X)
        if not any(pool.map(lambda chunk: np.isinf(chunk).any(), lying)):
            return
    for number, chunk in enumerate(_chunks(X)):
        rows, columns = np.nonzero(np.isinf(chunk))
        if len(rows):
            raise TrainingError(
                f"feature {feature_names[columns[0]]!r} is infinite at "
                f"{row_name(index, number * CHUNK_ROWS + rows[0])}; NaN is allowed, infinity is "
                f"not: correct the feature builder"
            )


def _chunks(X: FeatureMatrix) -> Iterator[NDArray[np.float32]]:
    return (X[start : start + CHUNK_ROWS] for start in range(0, len(X), CHUNK_ROWS))


def hash_row_order(index: pd.MultiIndex) -> str:
    """Hash which rows there are and in which order, with SHA-256 in hexadecimal.

    Of values alone: equal for any dtype, time unit or internal layout of the index.
    """
    instruments, dates = instrument_codes(index), date_codes(index)
    digest = hashlib.sha256()
    names = list(map(str, instruments.values))
    days = [date.isoformat(timespec="microseconds") for date in pd.DatetimeIndex(dates.values)]
    digest.update(json.dumps([names, days]).encode())
    digest.update(instruments.codes.astype("<i8").tobytes())
    digest.update(dates.codes.astype("<i8").tobytes())
    return digest.hexdigest()


def panel_rows(frame: pd.DataFrame) -> pd.MultiIndex:
    """Return the index of a panel frame, as its type."""
    assert isinstance(frame.index, pd.MultiIndex)
    return frame.index


def positions_of(frame: pd.DataFrame, index: pd.MultiIndex, table: str) -> NDArray[np.intp]:
    """Return where rows of cv_splits are in a panel frame, which has to have them all."""
    positions = positions_in(panel_rows(frame), index)
    missing = np.flatnonzero(positions < 0)
    if missing.size:
        raise TrainingError(
            f"{table} lack {missing.size} rows of cv_splits, first {row_name(index, missing[0])}; "
            f"rebuild cv_splits from these {table}"
        )
    return positions


def take_rows(features: pd.DataFrame, rows: NDArray[np.intp]) -> FeatureMatrix:
    """Choose rows of features: without a copy of those that a store has read, or our builder made.

    These are one C-contiguous float32 matrix. A number beyond float32 becomes infinite.
    """
    with np.errstate(over="ignore"):
        values = features.to_numpy(dtype=np.float32)
    if values.flags.c_contiguous:
        return SelectedRows(values, rows, stored_matrix(features))
    return np.ascontiguousarray(values[rows])
