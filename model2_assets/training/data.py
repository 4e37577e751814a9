"""The one matrix that every model and split of a horizon trains on."""

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from model2_assets.errors import TrainingError
from model2_assets.panel import date_codes, instrument_codes, is_canonical, to_canonical
from model2_assets.training.resources import usable_cores

TRAIN = 0
"""Role of a row that a split trains on."""

TEST = 1
"""Role of a row that a split predicts."""

NEITHER = 2
"""Role of a row that takes no part in a split; higher ones say why, such as the purge."""

RUN_ROWS = 8192
"""Rows of a run of dates, so few that they stay in a processor's cache while they are added."""

RowWeights = Callable[[NDArray[np.intp]], NDArray[np.float64]]
"""Weights of train rows, from their positions alone: what a split does not train on
cannot reach its weights."""

_CHUNK_ROWS = 16_384
_LARGEST_CODE = 2**62
_ROLES = re.compile(r"split_\d+(_\d+d)?")
_LABEL = re.compile(r"label_\d+d")


@dataclass(frozen=True, eq=False)
class SelectedRows:
    """The rows of a matrix at strictly ascending positions, as if they were an array of their own.

    Indexing follows numpy: a slice gives a read-only view where the chosen rows are
    neighbours in the matrix, and an array of positions always gives a copy. Rows that are
    no neighbours are copied either way, so ask for some at a time. The matrix, C-contiguous and
    float32, may be mapped from a file.
    """

    matrix: NDArray[np.float32]
    positions: NDArray[np.intp]

    def __post_init__(self) -> None:
        if not is_plain_matrix(self.matrix):
            raise TrainingError(
                f"a matrix must be C-contiguous float32 with two dimensions, got "
                f"{self.matrix.dtype} of shape {self.matrix.shape}"
            )
        ascending = bool((np.diff(self.positions) > 0).all())
        ends = self.positions[[0, -1]] if len(self.positions) else np.zeros(2, dtype=np.intp)
        if not ascending or ends[0] < 0 or (len(self) and ends[1] >= len(self.matrix)):
            raise TrainingError(
                f"positions must ascend within the {len(self.matrix)} rows of the matrix"
            )

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

    def __getitem__(self, rows: slice | NDArray[np.integer[Any]]) -> NDArray[np.float32]:
        found = compact(self.positions[rows])
        if not isinstance(found, slice):
            return np.take(self.matrix, found, axis=0)
        view = self.matrix[found]
        if not isinstance(rows, slice):
            return view.copy()
        view.flags.writeable = False
        return view

    @property
    def span(self) -> NDArray[np.float32]:
        """The matrix from the first chosen row to the last, others between them included."""
        if not len(self):
            return self.matrix[:0]
        return self.matrix[self.positions[0] : self.positions[-1] + 1]


FeatureMatrix = NDArray[np.float32] | SelectedRows
"""Features of shape (n_rows, n_features), of which rows can be taken."""


def compact(rows: NDArray[np.intp]) -> slice | NDArray[np.intp]:
    """Return ascending rows as a slice, which copies nothing, where they are neighbours."""
    if not len(rows):
        return slice(0, 0)
    first, last = int(rows[0]), int(rows[-1])
    if last - first != len(rows) - 1 or first < 0 or not (np.diff(rows) == 1).all():
        return rows
    return slice(first, last + 1)


def is_plain_matrix(values: NDArray[Any]) -> bool:
    """Tell whether an array is a C-contiguous float32 matrix."""
    return values.ndim == 2 and values.dtype == np.float32 and bool(values.flags.c_contiguous)


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
    def of(cls, index: pd.MultiIndex, marks: Iterable[NDArray[np.integer]]) -> "RowBlocks":
        """Group rows that have equal marks, such as what a split does with them.

        Blocks are numbered in the order of their first rows; marks count from 0.
        """
        starts = date_codes(index).starts
        sizes = [starts[run.stop] - starts[run.start] for run in _date_runs(starts, RUN_ROWS)]
        return cls(
            ids=_number_rows(len(index), marks).astype(np.int32),
            runs=np.repeat(np.arange(len(sizes), dtype=np.int32), sizes),
        )

    def take(self, rows: NDArray[np.intp]) -> "RowBlocks":
        """Return the blocks of some rows; ids and runs stay the same."""
        return RowBlocks(ids=self.ids[rows], runs=self.runs[rows])

    @property
    def n_blocks(self) -> int:
        """Number of blocks, counting those without a row."""
        return int(self.ids.max(initial=-1)) + 1


def _number_rows(n_rows: int, marks: Iterable[NDArray[np.integer]]) -> NDArray[np.intp]:
    """Return a number for each distinct combination of marks, in the order of first rows."""
    codes, n_codes = np.zeros(n_rows, dtype=np.int64), 1
    for mark in marks:
        n_marks = int(mark.max(initial=0)) + 1
        if n_codes * n_marks > _LARGEST_CODE:
            codes, distinct = pd.factorize(codes)
            n_codes = max(1, len(distinct))
        codes = codes * n_marks + mark
        n_codes *= n_marks
    return np.asarray(pd.factorize(codes)[0], dtype=np.intp)


def _date_runs(date_starts: NDArray[np.int64], max_rows: int) -> Iterator[range]:
    """Cut dates into runs of few rows together; a single date may have more."""
    first = 0
    while first < len(date_starts) - 1:
        reach = int(np.searchsorted(date_starts, date_starts[first] + max_rows, side="right")) - 1
        stop = max(reach, first + 1)
        yield range(first, stop)
        first = stop


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
    blocks : RowBlocks, optional
        Rows that the splits of every horizon treat alike. None: those of these splits count.
    row_weights : callable, optional
        Returns the weights, with a mean of 1, of the train rows at given positions. None: all
        rows count alike.

    Raises
    ------
    TrainingError
        If shapes disagree, rows are not in canonical order, a feature name repeats, a
        feature is infinite or a label is not finite. The message names the culprit.
    """

    index: pd.MultiIndex
    X: FeatureMatrix
    y: NDArray[np.float64]
    feature_names: tuple[str, ...]
    roles: NDArray[np.int8]
    group_id: NDArray[np.int16]
    blocks: RowBlocks | None = None
    row_weights: RowWeights | None = None

    def __post_init__(self) -> None:
        self._check_shapes()
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
        refuse_infinity(self.X, self.index, self.feature_names)

    def _check_shapes(self) -> None:
        n_rows, n_features = len(self.index), len(self.feature_names)
        expected: dict[str, tuple[Any, type[np.generic], tuple[int, ...]]] = {
            "X": (self.X, np.float32, (n_rows, n_features)),
            "y": (self.y, np.float64, (n_rows,)),
            "roles": (self.roles, np.int8, (n_rows, self.roles.shape[-1])),
            "group_id": (self.group_id, np.int16, (n_rows,)),
        }
        for name, (array, dtype, shape) in expected.items():
            if array.shape != shape or array.dtype != dtype:
                raise TrainingError(
                    f"{name} must be {np.dtype(dtype)} of shape {shape}, "
                    f"got {array.dtype} of shape {array.shape}"
                )
        if isinstance(self.X, np.ndarray) and not self.X.flags.c_contiguous:
            raise TrainingError("X must be C-contiguous; pass it through numpy.ascontiguousarray")
        repeated = [name for name in self.feature_names if self.feature_names.count(name) > 1]
        if repeated:
            raise TrainingError(f"feature {repeated[0]!r} appears twice; give each name once")

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

    @property
    def tested_rows(self) -> NDArray[np.intp]:
        """Ascending positions of the rows that at least one split predicts.

        All rows in cross-validation; walking forward, those of the groups that are tested.
        Out-of-fold predictions, coverage and scores speak of these.
        """
        return np.flatnonzero((self.roles == TEST).any(axis=1))

    def train_rows(self, split_id: int) -> NDArray[np.intp]:
        """Return the ascending positions of the rows that a split trains on."""
        return np.flatnonzero(self.roles[:, split_id] == TRAIN)

    def test_rows(self, split_id: int) -> NDArray[np.intp]:
        """Return the ascending positions of the rows that a split predicts."""
        return np.flatnonzero(self.roles[:, split_id] == TEST)

    def rows_on_every_nth_date(self, rows: NDArray[np.intp], stride: int) -> NDArray[np.intp]:
        """Keep the rows of every n-th date.

        Dates are counted from the first of the history, not of the split, so all splits train
        on the same dates, and a new date at the end moves none of them.
        """
        return rows if stride == 1 else rows[self.date_codes[rows] % stride == 0]


def assemble_training_data(
    features: pd.DataFrame, labels: pd.DataFrame, cv_splits: pd.DataFrame, *, horizon: str
) -> TrainingData:
    """Bring features, labels and splits of one horizon together.

    Parameters
    ----------
    features : DataFrame of shape (n_feature_rows, n_features)
        Panel frame of numbers; NaN where a feature is missing.
    labels : DataFrame
        Panel frame with a column ``label_{horizon}`` in bps, NaN where there is none.
    cv_splits : DataFrame
        Panel frame with columns ``group_id`` and ``split_0``, ``split_1`` and so on, or
        ``split_0_21d`` and so on where every horizon has roles of its own.
    horizon : str
        Such as ``21d``.

    Returns
    -------
    TrainingData
        The rows of `cv_splits` that have a label of this horizon, in canonical order, with
        the roles that are for this horizon.

    Raises
    ------
    TrainingError
        If a column is missing, a row of `cv_splits` lacks features or is unknown to
        `labels`, no row has a label, or a value cannot be trained on.
    """
    label_column = f"label_{horizon}"
    if label_column not in labels:
        known = ", ".join(str(name) for name in labels.columns if str(name).startswith("label_"))
        raise TrainingError(f"labels have no column {label_column!r}; they have {known or 'none'}")
    cv_splits = to_canonical(cv_splits)
    index = panel_rows(cv_splits)
    label_rows = positions_of(labels, index, "labels")
    y = labels[label_column].to_numpy(dtype=np.float64)[label_rows]
    labelled = np.flatnonzero(~np.isnan(y))
    if not labelled.size:
        raise TrainingError(f"no row has a label of horizon {horizon}; the history is too short")
    feature_rows = positions_of(features, index, "features")[labelled]
    return TrainingData(
        index=index[labelled],
        X=take_rows(features, feature_rows),
        y=y[labelled],
        feature_names=tuple(str(name) for name in features.columns),
        roles=_roles(cv_splits, horizon)[labelled],
        group_id=cv_splits["group_id"].to_numpy(dtype=np.int16)[labelled],
        blocks=blocks_of_tables(labels, cv_splits, label_rows).take(labelled),
    )


def blocks_of_tables(
    labels: pd.DataFrame, cv_splits: pd.DataFrame, label_rows: NDArray[np.intp]
) -> RowBlocks:
    """Group rows of canonical splits by which horizons label them and by their roles in all."""

    def marks() -> Iterator[NDArray[np.integer]]:
        group_id = cv_splits["group_id"].to_numpy(dtype=np.int16)
        yield group_id - group_id.min()
        for name in label_columns(labels):
            yield labels[name].notna().to_numpy()[label_rows].astype(np.int8)
        for name in cv_splits.columns:
            if _ROLES.fullmatch(str(name)):
                yield role_mark(cv_splits[name].to_numpy(dtype=np.int8))

    return RowBlocks.of(panel_rows(cv_splits), marks())


def role_mark(roles: NDArray[np.int8]) -> NDArray[np.int8]:
    """Mark what a split does with rows; whatever keeps a row out of it does so alike."""
    return np.minimum(roles, NEITHER)


def label_columns(labels: pd.DataFrame) -> list[str]:
    """Return the names of the labels of all horizons, in the order of the table."""
    return [str(name) for name in labels.columns if _LABEL.fullmatch(str(name))]


def refuse_infinity(X: FeatureMatrix, index: pd.MultiIndex, feature_names: tuple[str, ...]) -> None:
    """Refuse an infinite feature; the error names the feature and the row."""
    # The matrix as it lies is read at the speed of memory; rows are chosen only at a finding.
    if isinstance(X, SelectedRows):
        with ThreadPoolExecutor(usable_cores()) as pool:
            if not any(pool.map(_has_infinity, _chunks(X.span))):
                return
    for number, chunk in enumerate(_chunks(X)):
        if _has_infinity(chunk):
            rows, columns = np.nonzero(np.isinf(chunk))
            raise TrainingError(
                f"feature {feature_names[columns[0]]!r} is infinite at "
                f"{row_name(index, number * _CHUNK_ROWS + rows[0])}; NaN is allowed, infinity is "
                f"not: correct the feature builder"
            )


def _chunks(X: FeatureMatrix) -> Iterator[NDArray[np.float32]]:
    return (X[start : start + _CHUNK_ROWS] for start in range(0, len(X), _CHUNK_ROWS))


def _has_infinity(values: NDArray[np.float32]) -> bool:
    return bool(np.isinf(values).any())


def row_name(index: pd.MultiIndex, position: int | np.integer) -> str:
    """Name a row for a message, such as ``AAPL 2024-01-02``."""
    instrument = index.get_level_values("instrument")[int(position)]
    date = index.get_level_values("datetime")[int(position)]
    return f"{instrument} {date:%Y-%m-%d}"


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
    positions = np.asarray(panel_rows(frame).get_indexer(index), dtype=np.intp)
    missing = np.flatnonzero(positions < 0)
    if missing.size:
        raise TrainingError(
            f"{table} lack {missing.size} rows of cv_splits, first {row_name(index, missing[0])}; "
            f"rebuild cv_splits from these {table}"
        )
    return positions


def take_rows(features: pd.DataFrame, rows: NDArray[np.intp]) -> FeatureMatrix:
    """Choose rows of features: without a copy where they are a matrix of their own.

    Those that a store has read, or our builder made, are one C-contiguous float32 matrix. Of
    others, or where rows do not ascend, a copy is made in chunks; a number beyond float32
    becomes infinite.
    """
    if len(features.columns) and (np.diff(rows) > 0).all():
        # Of a table of one type this is a view.
        first = features.iloc[:1].to_numpy()
        if first.dtype == np.float32 and is_plain_matrix(values := features.to_numpy()):
            return SelectedRows(values, rows)
    X = np.empty((len(rows), features.shape[1]), dtype=np.float32)
    with np.errstate(over="ignore"):
        for start in range(0, len(rows), _CHUNK_ROWS):
            chunk = slice(start, start + _CHUNK_ROWS)
            X[chunk] = features.iloc[rows[chunk]].to_numpy(dtype=np.float32)
    return X


def _roles(cv_splits: pd.DataFrame, horizon: str) -> NDArray[np.int8]:
    columns = [match for match in map(_ROLES.fullmatch, map(str, cv_splits.columns)) if match]
    suffix = f"_{horizon}" if any(match[1] for match in columns) else ""
    n_splits = sum((match[1] or "") == suffix for match in columns)
    names = [f"split_{split_id}{suffix}" for split_id in range(n_splits)]
    absent = [name for name in names if name not in cv_splits]
    if absent or not names:
        culprit = (absent or [f"split_0{suffix}"])[0]
        raise TrainingError(f"cv_splits have no column {culprit!r}; rebuild them")
    return np.ascontiguousarray(cv_splits[names].to_numpy(dtype=np.int8))
