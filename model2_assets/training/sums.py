"""Sums of products over rows, block by block, from one pass: all that Ridge has to know of them."""

import logging
import time
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property, reduce
from itertools import groupby, pairwise
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from model2_assets.cross_validation.roles import Role
from model2_assets.engines import LocalEngine
from model2_assets.errors import TrainingError
from model2_assets.training.data import (
    RUN_ROWS,
    FeatureMatrix,
    RowBlocks,
    Rows,
    TrainingData,
    compact,
)

logger = logging.getLogger(__name__)

Floats = NDArray[np.float64]
Chosen = NDArray[np.bool_]
Blocks = list[int]

SPAN_RUNS = 64
"""Runs of rows that are added up by themselves: a task, wherever it runs, of half a million rows.

Sums of a span are added run after run, those of all rows span after span. So they are equal to
the bit for any engine and any number of workers and threads.
"""

_ARRAYS = ("shift", "missing", "gram", "moments", "squares")
"""What of the sums of a block a file holds."""


@dataclass(frozen=True, eq=False)
class ImputableColumns:
    """Columns that are the same for every split, and of which imputed features are made.

    A missing value becomes the mean of the split's train rows, so imputed features differ
    from split to split. But they are linear in columns that do not: each feature less a
    number, with 0 where it is missing; an indicator that it is there (for features that are
    missing in some of the rows); and a constant. Sums of products of these, made once per
    block of rows, serve every split that trains on the block.

    `shift` is what each feature is reduced by, NaN for one without any value. The model is the
    same for any: near the values rounding is small, and a constant feature that is shifted by
    its own value is exactly 0. `missing` are the features that have an indicator, ascending.
    """

    shift: Floats
    missing: NDArray[np.intp]

    @classmethod
    def of(cls, X: NDArray[np.float32], incomplete: Chosen) -> Self:
        """Shift each feature by the first value that it has: a fact of these rows alone."""
        missing = np.flatnonzero(np.isnan(X[incomplete]).any(axis=0))
        shift = X[np.argmin(incomplete)].astype(np.float64)
        for feature in np.flatnonzero(np.isnan(shift)):
            shift[feature] = next(iter(X[~np.isnan(X[:, feature]), feature]), np.nan)
        return cls(shift=shift, missing=missing)

    def joined(self, other: Self) -> Self:
        """Return columns that sums over either can be brought to."""
        return type(self)(
            shift=np.where(np.isnan(self.shift), other.shift, self.shift),
            missing=np.union1d(self.missing, other.missing),
        )

    @property
    def n_features(self) -> int:
        """Number of features."""
        return len(self.shift)

    @property
    def n_columns(self) -> int:
        """Features, their indicators, and the constant at the end."""
        return self.n_features + len(self.missing) + 1

    @cached_property
    def indicator(self) -> NDArray[np.intp]:
        """Column of each feature's indicator; the constant for those never missing."""
        columns = np.full(self.n_features, self.n_columns - 1, dtype=np.intp)
        columns[self.missing] = self.n_features + np.arange(len(self.missing))
        return columns

    def values(self, X: NDArray[np.float32]) -> Floats:
        """Return the columns of rows: C-contiguous, of shape (n_rows, n_columns)."""
        values = np.ones((len(X), self.n_columns))
        features = values[:, : self.n_features]
        np.subtract(X, np.nan_to_num(self.shift), out=features)
        if len(self.missing):
            absent = np.isnan(X)
            np.copyto(features, 0.0, where=absent)
            values[:, self.n_features : -1] = ~absent[:, self.missing]
        return values


@dataclass(frozen=True, eq=False)
class ColumnSums:
    """Sums over rows: of products of columns, of columns with labels, of squares of labels."""

    columns: ImputableColumns
    gram: Floats
    """Shape (n_columns, n_columns)."""
    moments: Floats
    """Shape (n_columns, n_labels)."""
    squares: Floats
    """Shape (n_labels,)."""

    @classmethod
    def of(
        cls, X: NDArray[np.float32], labels: Floats, weights: Floats | None = None
    ) -> "ColumnSums":
        """Add up rows, every product of a row multiplied by its weight.

        Rows without any missing value are added up on features and the constant, which their
        indicators equal; the others, usually few, on all columns.
        """
        incomplete = _has_missing(X)
        columns = ImputableColumns.of(X, incomplete)
        roots = None if weights is None else np.sqrt(weights)
        parts = []
        if incomplete.any():
            some = None if roots is None else roots[incomplete]
            values = columns.values(X[incomplete])
            parts.append(_products(columns, values, labels[incomplete], some))
        if not incomplete.all():
            plain = replace(columns, missing=columns.missing[:0])
            values = plain.values(X)
            values[incomplete] = 0.0
            kept = np.where(incomplete[:, np.newaxis], 0.0, labels)
            parts.append(_products(plain, values, kept, roots).on(columns))
        return reduce(cls.plus, parts)

    @staticmethod
    def aligned(parts: Collection["ColumnSums"]) -> Iterator["ColumnSums"]:
        """Bring sums over several sets of rows to the same columns, one after the other."""
        columns = reduce(ImputableColumns.joined, (part.columns for part in parts))
        return (part.on(columns) for part in parts)

    @classmethod
    def total(cls, parts: Collection["ColumnSums"]) -> "ColumnSums":
        """Add up sums over several sets of rows, in their order."""
        return reduce(cls.plus, cls.aligned(parts))

    def plus(self, other: "ColumnSums") -> "ColumnSums":
        """Return the sums over the rows of both, of equal columns."""
        return replace(
            self,
            gram=self.gram + other.gram,
            moments=self.moments + other.moments,
            squares=self.squares + other.squares,
        )

    def of_label(self, label: int) -> "ColumnSums":
        """Return the sums of one label, by its position; nothing of the others is in them."""
        return replace(self, moments=self.moments[:, [label]], squares=self.squares[[label]])

    def on(self, columns: ImputableColumns) -> "ColumnSums":
        """Return the sums over the same rows of columns with all indicators of these.

        With x less s in place of x less t, each product of x has (t - s) times that of its
        indicator added.
        """
        own, n_features = self.columns, columns.n_features
        source = np.concatenate(
            [np.arange(n_features), own.indicator[columns.missing], [own.n_columns - 1]]
        )
        indicator = columns.indicator
        offset = np.nan_to_num(own.shift - columns.shift)
        gram, moments = self.gram[np.ix_(source, source)], self.moments[source]
        if offset.any():
            gram[:n_features] += offset[:, np.newaxis] * gram[indicator]
            gram[:, :n_features] += offset * gram[:, indicator]
            moments[:n_features] += offset[:, np.newaxis] * moments[indicator]
        return ColumnSums(columns=columns, gram=gram, moments=moments, squares=self.squares.copy())


def _has_missing(X: NDArray[np.float32]) -> Chosen:
    """Tell which rows have a missing value; one whose sum overflows both ways counts as such."""
    with np.errstate(over="ignore", invalid="ignore"):
        total = X @ np.ones(X.shape[1], dtype=np.float32)
    return np.isnan(total)


def _products(
    columns: ImputableColumns, values: Floats, labels: Floats, roots: Floats | None
) -> ColumnSums:
    if roots is not None:
        values *= roots[:, np.newaxis]
        labels = labels * roots[:, np.newaxis]
    # Label by label: a product with several at once is rounded otherwise than with one.
    each = np.ascontiguousarray(labels.T)
    return ColumnSums(
        columns=columns,
        gram=values.T @ values,
        moments=np.stack([values.T @ label for label in each], axis=1),
        squares=np.array([label @ label for label in each]),
    )


def add_up_blocks(
    X: FeatureMatrix,
    labels: Floats,
    blocks: RowBlocks,
    *,
    is_wanted: Chosen | None = None,
    span: int | None = None,
    n_threads: int = 1,
) -> dict[int, ColumnSums]:
    """Add up products of features and labels for every block of rows, by ascending block.

    The features are read once. Labels have the shape (n_rows, n_labels); the sums of a block are
    NaN for one that its rows do not have. A block's are equal to the bit for any `is_wanted` and
    further labels. With a `span`, they are over its rows alone: `add_in_order` makes those of all.
    """

    def runs() -> Iterator[dict[int, Rows]]:
        ends = list(pairwise([0, *_ends_of_runs(blocks), len(blocks.runs)]))
        chosen = slice(None) if span is None else slice(span * SPAN_RUNS, (span + 1) * SPAN_RUNS)
        for start, stop in ends[chosen]:
            ids = blocks.ids[start:stop]
            yield {
                block: compact(start + np.flatnonzero(ids == block))
                for block in np.unique(ids).tolist()
                if is_wanted is None or is_wanted[block]
            }

    return _add_up(X, labels, runs(), n_threads=n_threads)


def _ends_of_runs(blocks: RowBlocks) -> list[int]:
    return (np.flatnonzero(np.diff(blocks.runs)) + 1).tolist()


def count_spans(blocks: RowBlocks) -> int:
    """Return the number of spans that the rows of blocks are added up in."""
    return -(-(len(_ends_of_runs(blocks)) + 1) // SPAN_RUNS)


def add_up_rows(
    X: FeatureMatrix,
    y: Floats,
    rows: NDArray[np.intp],
    *,
    weights: Floats | None = None,
    n_threads: int = 1,
) -> ColumnSums:
    """Add up some rows, a few at a time."""
    runs = ({0: compact(rows[at : at + RUN_ROWS])} for at in range(0, len(rows), RUN_ROWS))
    return _add_up(X, y[:, np.newaxis], runs, weights=weights, n_threads=n_threads)[0]


def _add_up(
    X: FeatureMatrix,
    labels: Floats,
    runs: Iterable[Mapping[int, Rows]],
    *,
    weights: Floats | None = None,
    n_threads: int,
) -> dict[int, ColumnSums]:
    """Add up the rows of every block, run after run and span after span."""

    def add_up(run: Mapping[int, Rows]) -> dict[int, ColumnSums]:
        return {
            block: ColumnSums.of(X[rows], labels[rows], None if weights is None else weights[rows])
            for block, rows in run.items()
        }

    # On several threads, BLAS adds up in another order.
    with threadpool_limits(limits=1, user_api="blas"):
        of_runs = enumerate(LocalEngine(n_threads).map(add_up, runs))
        spans = groupby(of_runs, key=lambda numbered: numbered[0] // SPAN_RUNS)
        return add_in_order(add_in_order(sums for _, sums in span) for _, span in spans)


def add_in_order(parts: Iterable[Mapping[int, ColumnSums]]) -> dict[int, ColumnSums]:
    """Add sums by block over several sets of rows, one after the other, by ascending block."""
    totals: dict[int, ColumnSums] = {}
    for part in parts:
        for block, sums in part.items():
            totals[block] = ColumnSums.total([totals[block], sums]) if block in totals else sums
    return dict(sorted(totals.items()))


@dataclass(frozen=True, eq=False)
class TrainSums:
    """Sums over the train rows of one split, block by block, and over no others."""

    blocks: Mapping[int, ColumnSums]
    inner: Mapping[int, tuple[Blocks, Blocks]] = field(default_factory=dict)
    """The train blocks split once more: for every group, those clear of it and those in it."""

    def total(self) -> ColumnSums:
        """Return the sums over all train rows."""
        return ColumnSums.total(self.blocks.values())

    def inner_folds(self) -> Iterator[tuple[ColumnSums, ColumnSums]]:
        """Yield the sums over the train and over the validation rows of every inner fold."""
        # Brought to the same columns once, not once for every inner fold.
        aligned = ColumnSums.aligned(self.blocks.values())
        parts = dict(zip(self.blocks, aligned, strict=True))
        for train, validation in self.inner.values():
            yield (
                reduce(ColumnSums.plus, [parts[block] for block in train]),
                reduce(ColumnSums.plus, [parts[block] for block in validation]),
            )

    def clear_of(self, group: int) -> "TrainSums":
        """Return the sums over the train rows that are clear of a group."""
        clear, _ = self.inner[group]
        return TrainSums({block: self.blocks[block] for block in clear})


@dataclass(frozen=True, eq=False)
class SplitSums:
    """Sums by block, which splits train on which block, and how inner folds do.

    Holds labels of all rows, so it stays with the cross-validation loop: a trainer is handed
    what `of_split` returns.
    """

    sums: Mapping[int, ColumnSums]
    trains: Chosen
    """Shape (n_blocks, n_splits): whether a split trains on the rows of a block."""
    group: NDArray[np.int16]
    """Inner group of the rows of each block; shape (n_blocks,)."""
    clear: Chosen
    """Shape (n_blocks, n_groups): whether the rows of a block are clear of a group."""

    def of_split(self, split_id: int) -> TrainSums:
        """Return the sums over the train rows of a split."""
        trained = self.trains[:, split_id]
        inner = {}
        for group in np.unique(self.group[trained]).tolist() if self.clear.size else ():
            clear = trained & self.clear[:, group]
            if clear.any():
                in_group = trained & (self.group == group)
                inner[group] = (np.flatnonzero(clear).tolist(), np.flatnonzero(in_group).tolist())
        blocks = np.flatnonzero(trained).tolist()
        return TrainSums({block: self.sums[block] for block in blocks}, inner)


def add_up_splits(
    data: TrainingData,
    split_ids: Iterable[int],
    *,
    known: Mapping[int, ColumnSums] | None = None,
    n_threads: int = 1,
) -> SplitSums:
    """Add up every block of rows that one of the splits trains on; other rows are not read.

    Where the sums of the blocks of `data` are `known` already, no row is.
    """
    blocks = data.blocks
    trains = _by_block(blocks, data.roles == Role.TRAIN)
    if known is None:
        started = time.monotonic()
        known = add_up_blocks(
            data.X,
            data.y[:, np.newaxis],
            blocks,
            is_wanted=np.asarray(trains[:, list(split_ids)].any(axis=1)),
            n_threads=n_threads,
        )
        logger.info("sums of %d blocks of rows in %.1f s", len(known), time.monotonic() - started)
    inner = data.inner
    if inner is None:
        nowhere = np.zeros(blocks.n_blocks, dtype=np.int16)
        return SplitSums(known, trains, nowhere, np.empty((blocks.n_blocks, 0), dtype=bool))
    return SplitSums(
        known,
        trains,
        _by_block(blocks, inner.group[inner.rows]),
        _by_block(blocks, inner.clear[inner.rows]),
    )


def _by_block(blocks: RowBlocks, marks: NDArray[Any]) -> NDArray[Any]:
    """Return the marks of each block, whose rows have to have the same."""
    of_block = np.zeros((blocks.n_blocks, *marks.shape[1:]), dtype=marks.dtype)
    of_block[blocks.ids] = marks
    if not np.array_equal(of_block[blocks.ids], marks):
        raise TrainingError("the blocks are of other roles; give make_blocks=None with these")
    return of_block


def write_sums(path: Path, sums: Mapping[int, ColumnSums]) -> None:
    """Write sums by block as NumPy arrays, without pickle."""
    arrays: dict[str, Any] = {"blocks": np.array(list(sums))}
    for block, part in sums.items():
        columns = part.columns
        values = (columns.shift, columns.missing, part.gram, part.moments, part.squares)
        arrays |= {f"{name}_{block}": array for name, array in zip(_ARRAYS, values, strict=True)}
    with path.open("wb") as file:
        np.savez(file, **arrays)


def read_sums(path: Path) -> dict[int, ColumnSums]:
    """Read what `write_sums` wrote."""
    sums = {}
    with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
        for block in stored["blocks"].tolist():
            shift, missing, *others = (stored[f"{name}_{block}"] for name in _ARRAYS)
            sums[block] = ColumnSums(ImputableColumns(shift, missing), *others)
    return sums
