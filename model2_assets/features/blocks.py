"""Features larger than memory: instruments by blocks into scratch files, then dates by parts.

Every file is mapped or read a few rows at a time, so that neither step holds more than a few
thousand rows, whatever the size of the panel; the pages of a mapped file are the system's to take
back. Tasks are told paths and ranges, so that they may run in another process that sees the folder.
"""

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
import pandas as pd
from numpy.typing import DTypeLike, NDArray

from model2_assets.features.kernels import N_BAR_COLUMNS, compute_alpha158
from model2_assets.features.normalize import normalize_cross_sections
from model2_assets.panel import PART_ROWS, Histories, date_codes, date_parts

_RUN_ROWS = 8192
"""Rows of whole dates that are brought together at a time."""

_reserve = getattr(os, "posix_fallocate", lambda file, _, size: os.truncate(file, size))

_BARS, _TARGETS, _FEATURES = "bars.npy", "targets.npy", "features.npy"


class Run(Protocol):
    """Runs a task on items, anywhere; yields the results in the order of the items."""

    def __call__(self, task: Callable[[Any], Any], items: Iterable[Any], /) -> Iterator[Any]:
        """Run it."""


@dataclass(frozen=True)
class Block:
    """Neighbouring bars of whole histories: where they are, and their number among the blocks."""

    folder: Path
    number: int
    bars: slice
    starts: NDArray[np.int64]  # of the histories, counted from the first bar, and their end
    selected: NDArray[np.int64]

    @property
    def files(self) -> tuple[Path, Path]:
        """Where the features of its rows are, in canonical order, and their places in the table."""
        name = f"block-{self.number:05d}"
        return self.folder / f"{name}.npy", self.folder / f"{name}-rows.npy"


@dataclass(frozen=True)
class Part:
    """Neighbouring rows of whole dates in the table, and the blocks that they are in."""

    folder: Path
    blocks: tuple[tuple[Path, Path], ...]
    first: int
    starts: NDArray[np.int64]  # of the dates, counted from the first row, and their end
    normalization: Literal["rank", "zscore", "none"]


def write_bars(
    folder: Path,
    columns: Iterable[NDArray[np.float64] | None],
    own: Histories,
    targets: NDArray[np.int64],
) -> None:
    """Write bars, history after history, and the row of the table that each gives, -1 for none."""
    bars = new_matrix(folder / _BARS, (N_BAR_COLUMNS, len(own.order)), np.float64)
    for row, column in zip(bars, columns, strict=True):
        row[:] = np.nan if column is None else column[own.order]
    np.save(folder / _TARGETS, targets[own.order])


def cut_blocks(folder: Path, own: Histories, selected: NDArray[np.int64]) -> Iterator[Block]:
    """Cut histories into blocks of at most `PART_ROWS` bars; a longer one is a block of its own."""
    ends, first, number = own.starts[1:], 0, 0
    while first < len(ends):
        start = own.starts[first]
        stop = max(first + 1, int(np.searchsorted(ends, start + PART_ROWS, side="right")))
        starts = own.starts[first : stop + 1]
        yield Block(folder, number, slice(start, starts[-1]), starts - start, selected)
        first, number = stop, number + 1


def compute_block(block: Block) -> None:
    """Compute the features of a block, not yet normalized, for all of its rows in the table."""
    targets = np.load(block.folder / _TARGETS, mmap_mode="r")[block.bars]
    rows = np.sort(targets[targets >= 0])
    values_file, rows_file = block.files
    np.save(rows_file, rows)
    values = new_matrix(values_file, (len(rows), len(block.selected)))
    own_targets = np.where(targets >= 0, np.searchsorted(rows, targets), -1)
    bars = np.array(np.load(block.folder / _BARS, mmap_mode="r")[:, block.bars])
    bars[np.isinf(bars)] = np.nan
    compute_alpha158(bars, block.starts, own_targets, block.selected, values)


def cut_parts(
    folder: Path, blocks: Iterable[Block], index: pd.MultiIndex, normalization: Any
) -> Iterator[Part]:
    """Cut the rows of the table by dates, as `date_parts` does."""
    files, starts = tuple(block.files for block in blocks), date_codes(index).starts
    for part in date_parts(index):
        dates = starts[np.searchsorted(starts, part.start) : np.searchsorted(starts, part.stop) + 1]
        yield Part(folder, files, part.start, dates - part.start, normalization)


def compute_part(part: Part) -> None:
    """Bring the rows of a part together, normalize each date, and write them to their place."""
    blocks = [(mapped_matrix(values), mapped_matrix(rows)) for values, rows in part.blocks]
    with (part.folder / _FEATURES).open("r+b") as file:
        np.lib.format.read_magic(file)
        (_, n_columns), _, dtype = np.lib.format.read_array_header_1_0(file)
        begin, date = file.tell(), 0
        while date + 1 < len(part.starts):
            # Not all at once, and not through a mapping: machines that share a disk may write
            # neighbouring parts.
            beyond = np.searchsorted(part.starts, part.starts[date] + _RUN_ROWS, side="right") - 1
            stop = max(date + 1, int(beyond))
            starts = part.starts[date : stop + 1]
            values = np.empty((starts[-1] - starts[0], n_columns), dtype=dtype)
            start = part.first + starts[0]
            for block, rows in blocks:
                own = slice(*np.searchsorted(rows, [start, start + len(values)]))
                values[rows[own] - start] = block[own]
            dates = starts - starts[0]
            normalize_cross_sections(values, dates, method=part.normalization, n_threads=1)
            file.seek(begin + start * n_columns * dtype.itemsize)
            file.write(values.data)
            date = stop


def features_by_block(
    folder: Path,
    index: pd.MultiIndex,
    blocks: Iterable[Block],
    *,
    normalization: Literal["rank", "zscore", "none"],
    run: Run,
) -> NDArray[np.float32]:
    """Compute features whose bars `write_bars` has written; returns them mapped, (n_rows, n).

    They have the bits that they have in memory, for any `run`.
    """
    blocks = list(blocks)
    for _ in run(compute_block, blocks):
        pass
    shape = (len(index), len(blocks[0].selected))
    new_matrix(folder / _FEATURES, shape)
    for _ in run(compute_part, cut_parts(folder, blocks, index, normalization)):
        pass
    for block in blocks:
        for path in block.files:
            path.unlink()
    return mapped_matrix(folder / _FEATURES)


def new_matrix(path: Path, shape: tuple[int, int], dtype: DTypeLike = np.float32) -> NDArray[Any]:
    """Create a ``.npy`` file, and map it to be written; an OSError where the disk has no room.

    Room is reserved first: through a mapping, a full disk would end the process.
    """
    header = {"descr": np.dtype(dtype).str, "fortran_order": False, "shape": shape}
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, header)
        size = file.tell() + int(np.prod(shape)) * np.dtype(dtype).itemsize
        file.flush()
        _reserve(file.fileno(), 0, size)
    return mapped_matrix(path, "r+")


def mapped_matrix(path: Path, mode: Literal["r", "r+"] = "r") -> NDArray[Any]:
    """Map what `new_matrix` created, to be read."""
    with path.open("rb") as file:
        np.lib.format.read_magic(file)
        shape, _, dtype = np.lib.format.read_array_header_1_0(file)
    # No byte of an empty array can be mapped.
    return np.asarray(np.load(path, mmap_mode=mode)) if 0 not in shape else np.empty(shape, dtype)
