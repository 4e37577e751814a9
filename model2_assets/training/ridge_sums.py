"""Everything that Ridge has to know of the rows, block by block, from one pass."""

import logging
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import reduce
from itertools import chain, pairwise
from pathlib import Path
from typing import Protocol

import joblib
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from model2_assets.panel import to_canonical
from model2_assets.storage.cache import working_files_of
from model2_assets.storage.data_version import document_digest
from model2_assets.training.data import (
    RUN_ROWS,
    FeatureMatrix,
    RowBlocks,
    SourceTables,
    TrainingData,
    blocks_of_tables,
    find_row_blocks,
    label_columns,
    positions_of,
    rows_by_id,
    take_rows,
)
from model2_assets.training.resources import blas_kernel
from model2_assets.training.ridge_solution import ColumnSums, Floats, ImputableColumns

logger = logging.getLogger(__name__)

Chosen = NDArray[np.bool_]


class Matrix(Protocol):
    """Rows of features, of which only slices are ever read."""

    def __getitem__(self, rows: slice, /) -> NDArray[np.float32]:
        """Return rows of shape (n_rows, n_features), float32."""
        ...


@dataclass(frozen=True, eq=False)
class ChosenRows:
    """Some rows of a matrix, copied a few at a time."""

    X: FeatureMatrix
    rows: NDArray[np.intp]

    def __getitem__(self, rows: slice, /) -> NDArray[np.float32]:
        return self.X[self.rows[rows]]


def add_up_blocks(
    X: Matrix,
    labels: Floats,
    blocks: RowBlocks,
    *,
    is_wanted: NDArray[np.bool_] | None = None,
    weights: Floats | None = None,
    n_threads: int = 1,
) -> dict[int, ColumnSums]:
    """Add up products of features and labels for every block of rows.

    Parameters
    ----------
    X : matrix of shape (n_rows, n_features), float32
        NaN where a feature is missing; read once, a run of dates at a time.
    labels : ndarray of shape (n_rows, n_labels), float64
        Labels; the sums of a block are NaN for one that its rows do not have.
    blocks : RowBlocks
        Block of every row.
    is_wanted : ndarray of shape (n_blocks,), bool, optional
        Blocks to add up; by default all.
    weights : ndarray of shape (n_rows,), float64, optional
        What every product of a row is multiplied by.
    n_threads : int, default 1
        Runs worked on at once, each on the BLAS threads that the caller allows.

    Returns
    -------
    dict of int to ColumnSums
        By ascending block. Equal to the bit for any `n_threads`, and a block's for any
        `is_wanted` and any further labels.
    """

    def add_up(rows: slice) -> list[tuple[int, ColumnSums]]:
        ids = blocks.ids[rows]
        if is_wanted is not None and not is_wanted[ids].any():
            return []
        features, own_labels = X[rows], labels[rows]
        own_weights = None if weights is None else weights[rows]
        return [
            (
                block,
                ColumnSums.of(
                    features[own],
                    own_labels[own],
                    None if own_weights is None else own_weights[own],
                ),
            )
            for block, own in rows_by_id(ids)
            if is_wanted is None or is_wanted[block]
        ]

    totals: dict[int, ColumnSums] = {}
    parallel = joblib.Parallel(n_jobs=n_threads, backend="threading", return_as="generator")
    for run in parallel(joblib.delayed(add_up)(rows) for rows in _run_slices(blocks.runs)):
        for block, sums in run:
            known = totals.get(block)
            totals[block] = sums if known is None else ColumnSums.total([known, sums])
    return dict(sorted(totals.items()))


def _run_slices(runs: NDArray[np.int32]) -> Iterator[slice]:
    cuts = np.flatnonzero(np.diff(runs)) + 1
    bounds = [0, *cuts.tolist(), len(runs)]
    for start, stop in pairwise(bounds):
        if start < stop:
            yield slice(start, stop)


@dataclass(frozen=True, eq=False)
class InnerFold:
    """Train and validation rows within the train rows of a split, as sums.

    Attributes
    ----------
    train, validation : ColumnSums
        Over train rows whose labels do not touch the group, and over those of the group.
    """

    train: ColumnSums
    validation: ColumnSums


@dataclass(frozen=True, eq=False)
class SplitSums:
    """Sums by block, and which splits train on and test which block.

    Attributes
    ----------
    sums : mapping of int to ColumnSums
        Of one label, by block.
    trains, tests : ndarray of shape (n_blocks, n_splits), bool
        Whether a split trains on, and tests, the rows of a block.
    group : ndarray of shape (n_blocks,), int16
        Test group of the rows of a block.
    """

    sums: Mapping[int, ColumnSums]
    trains: NDArray[np.bool_]
    tests: NDArray[np.bool_]
    group: NDArray[np.int16]

    def train(self, split_id: int) -> ColumnSums:
        """Return the sums over the train rows of a split."""
        trained = np.flatnonzero(self.trains[:, split_id])
        return ColumnSums.total([self.sums[block] for block in trained.tolist()])

    def inner_blocks(self, split_id: int) -> Iterator[tuple[Chosen, Chosen]]:
        """Split the train blocks of a split once more, group by group.

        A train row is clear of a group if it is a train row of a split that tests the group:
        such splits purge and embargo around it. Where several groups are tested at once,
        the one that differs from this split in this group alone proves every such row.

        Parameters
        ----------
        split_id : int
            The outer split.

        Yields
        ------
        train, validation : ndarray of shape (n_blocks,), bool
            Train blocks that are clear of a group, and those in it; for every group that
            has both.
        """
        trained = self.trains[:, split_id]
        for group in np.unique(self.group[trained]):
            in_group = self.group == group
            testing = self.tests[in_group].any(axis=0)
            clear = self.trains[:, testing].any(axis=1) & ~in_group
            if (trained & clear).any():
                yield trained & clear, trained & in_group

    def inner_folds(self, split_id: int) -> Iterator[InnerFold]:
        """Return the sums of `inner_blocks`, group by group."""
        blocks = np.flatnonzero(self.trains[:, split_id]).tolist()
        columns = ImputableColumns.common(self.sums[block].columns for block in blocks)
        # Brought to the same columns once, not once for every inner fold.
        parts = {block: self.sums[block].on(columns) for block in blocks}

        def total(chosen: Chosen) -> ColumnSums:
            return reduce(ColumnSums.plus, [parts[b] for b in np.flatnonzero(chosen).tolist()])

        for train, validation in self.inner_blocks(split_id):
            yield InnerFold(train=total(train), validation=total(validation))


def add_up_splits(
    data: TrainingData,
    *,
    split_ids: tuple[int, ...],
    n_threads: int = 1,
    known: Mapping[int, ColumnSums] | None = None,
) -> SplitSums:
    """Add up the train rows of splits.

    Parameters
    ----------
    data : TrainingData
        Features, labels and roles.
    split_ids : tuple of int
        Splits that will be asked for; other rows are not read.
    n_threads : int, default 1
        Runs of dates worked on at once.
    known : mapping of int to ColumnSums, optional
        Sums of the blocks of `data.blocks`, where they are known already.

    Returns
    -------
    SplitSums
        Sums of every block that one of the splits trains on.
    """
    blocks = data.blocks
    roles = None if blocks is None else _roles_by_block(data, blocks)
    if blocks is None or roles is None:
        # Roles of its own: no other horizon's sums would do.
        group = data.group_id - data.group_id.min()
        blocks, known = find_row_blocks(data.index, chain([group], role_marks(data))), None
        roles = _roles_by_block(data, blocks)
        assert roles is not None
    trains, tests = roles
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
    group = np.zeros(blocks.n_blocks, dtype=np.int16)
    group[blocks.ids] = data.group_id
    return SplitSums(sums=known, trains=trains, tests=tests, group=group)


def role_marks(data: TrainingData) -> Iterator[NDArray[np.int8]]:
    """Mark, split after split, which rows it trains on (1), tests (2), or both (3)."""
    for split_id in range(data.n_splits):
        mark = np.zeros(data.n_rows, dtype=np.int8)
        mark[data.train_rows(split_id)] += 1
        mark[data.test_rows(split_id)] += 2
        yield mark


def _roles_by_block(
    data: TrainingData, blocks: RowBlocks
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]] | None:
    """Return which splits train on and test each block; None if one does so in part."""
    sizes = np.bincount(blocks.ids, minlength=blocks.n_blocks)
    roles = []
    for rows_of in (data.train_rows, data.test_rows):
        counts = np.stack(
            [
                np.bincount(blocks.ids[rows_of(split_id)], minlength=blocks.n_blocks)
                for split_id in range(data.n_splits)
            ],
            axis=1,
        )
        if not ((counts == 0) | (counts == sizes[:, np.newaxis])).all():
            return None
        roles.append(counts > 0)
    return roles[0], roles[1]


def add_up_rows(
    X: Matrix,
    y: NDArray[np.float64],
    *,
    weights: NDArray[np.float64] | None = None,
    n_threads: int = 1,
) -> ColumnSums:
    """Add up all rows, a few at a time.

    Parameters
    ----------
    X : matrix of shape (n_rows, n_features), float32
        NaN where a feature is missing.
    y : ndarray of shape (n_rows,), float64
        Labels.
    weights : ndarray of shape (n_rows,), float64, optional
        What every product of a row is multiplied by.
    n_threads : int, default 1
        Runs of rows worked on at once; the sums are equal to the bit for any.

    Returns
    -------
    ColumnSums
        Of one label.
    """
    everything = RowBlocks(
        ids=np.zeros(len(y), dtype=np.int32),
        runs=(np.arange(len(y)) // RUN_ROWS).astype(np.int32),
    )
    return add_up_blocks(X, y[:, np.newaxis], everything, weights=weights, n_threads=n_threads)[0]


_FORMAT = 1
"""Version of the files, and of the way in which sums are made."""

_ARRAYS = ("gram", "moments", "squares")


def kept_sums(tables: SourceTables, *, n_threads: int) -> dict[int, ColumnSums] | None:
    """Read the sums of a horizon, after adding up those of all horizons if need be.

    Parameters
    ----------
    tables : SourceTables
        Tables, with their data versions.
    n_threads : int
        Runs of dates worked on at once.

    Returns
    -------
    dict of int to ColumnSums or None
        By block of `blocks_of_tables`, of the label of `tables.horizon`; the same bits as
        from the rows of that horizon alone. None where nothing can be kept.
    """
    everything = working_files_of(tables.features).get(
        "ridge_sums",
        f"{_key(tables.versions)}.npz",
        write=lambda path: _write(path, add_up_tables(tables, n_threads=n_threads)),
        read=_read,
    )
    if everything is None:
        return None
    label = label_columns(tables.labels).index(f"label_{tables.horizon}")
    return {block: sums.of_label(label) for block, sums in everything.items()}


def add_up_tables(tables: SourceTables, *, n_threads: int) -> dict[int, ColumnSums]:
    """Add up products of features with the labels of every horizon, block by block.

    Parameters
    ----------
    tables : SourceTables
        Tables; `horizon` makes no difference.
    n_threads : int
        Runs of dates worked on at once.

    Returns
    -------
    dict of int to ColumnSums
        By block, of as many labels as there are horizons.
    """
    cv_splits = to_canonical(tables.cv_splits)
    index = cv_splits.index
    assert isinstance(index, pd.MultiIndex)
    labels = tables.labels[label_columns(tables.labels)].to_numpy(dtype=np.float64)
    label_rows = positions_of(tables.labels, index, "labels")
    logger.info("adding up the rows of all horizons, once for all of them")
    return add_up_blocks(
        take_rows(tables.features, positions_of(tables.features, index, "features")),
        labels[label_rows],
        blocks_of_tables(tables.labels, cv_splits, label_rows),
        n_threads=n_threads,
    )


def _key(versions: Mapping[str, str]) -> str:
    return document_digest(
        {"format": _FORMAT, "blas_kernel": blas_kernel(), "tables": dict(versions)}
    )


def _write(path: Path, sums: Mapping[int, ColumnSums]) -> None:
    arrays: dict[str, NDArray[np.generic]] = {"blocks": np.array(list(sums))}
    for block, part in sums.items():
        arrays[f"shift_{block}"] = part.columns.shift
        arrays[f"missing_{block}"] = part.columns.missing
        arrays.update({f"{name}_{block}": getattr(part, name) for name in _ARRAYS})
    with path.open("wb") as file:
        np.savez(file, **arrays)  # type: ignore[arg-type]


def _read(path: Path) -> dict[int, ColumnSums]:
    with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
        return {
            block: ColumnSums(
                columns=ImputableColumns(
                    shift=stored[f"shift_{block}"], missing=stored[f"missing_{block}"]
                ),
                **{name: stored[f"{name}_{block}"] for name in _ARRAYS},
            )
            for block in stored["blocks"].tolist()
        }
