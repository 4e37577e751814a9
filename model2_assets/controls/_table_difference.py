"""Where two tables of features differ, to the bit."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from model2_assets.row_chunks import CHUNK_ROWS, row_chunks


@dataclass(frozen=True)
class TableDifference:
    """How far two tables agree.

    Attributes
    ----------
    n_values : int
        Values that both have.
    n_different : int
        Of these, values that differ.
    first_difference : str
        Names the first value that differs by feature, instrument and date; failing that,
        a row or a feature that one table lacks. Empty where there is none.
    """

    n_values: int
    n_different: int
    first_difference: str


def compare_tables(stored: pd.DataFrame, recomputed: pd.DataFrame) -> TableDifference:
    """Compare two tables value by value.

    Parameters
    ----------
    stored, recomputed : DataFrame of shape (n_rows, n_features)
        Floats, indexed by ``(instrument, datetime)``, in canonical order.

    Returns
    -------
    TableDifference
        Values are equal if their bits are, or if both are missing. The first is that of
        the earliest row, and among its features the leftmost.
    """
    one_sided = [*_one_sided_rows(stored, recomputed), *_one_sided_features(stored, recomputed)]
    if not stored.index.equals(recomputed.index):
        positions = recomputed.index.get_indexer(stored.index)
        stored, recomputed = stored[positions >= 0], recomputed.iloc[positions[positions >= 0]]
    names = [name for name in stored.columns if name in recomputed.columns]
    n_different, first_row, first_name = 0, 0, ""
    pairs = zip(row_chunks(stored), row_chunks(recomputed), strict=True)
    for start, (left, right) in zip(count(step=CHUNK_ROWS), pairs, strict=False):
        rows, columns = np.nonzero(_different(left, right, names))
        if len(rows) and not n_different:
            first_row, first_name = start + int(rows[0]), names[columns[0]]
        n_different += len(rows)
    first_difference = one_sided[0] if one_sided else ""
    if n_different:
        instrument, date = stored.index[first_row]
        before, after = (table[first_name].iloc[first_row] for table in (stored, recomputed))
        first_difference = (
            f"feature {first_name!r} of {instrument} on {date:%Y-%m-%d} is {before!s}, "
            f"but {after!s}"
        )
    return TableDifference(
        n_values=len(stored) * len(names),
        n_different=n_different,
        first_difference=first_difference,
    )


def _one_sided_rows(stored: pd.DataFrame, recomputed: pd.DataFrame) -> Iterator[str]:
    if stored.index.equals(recomputed.index):
        return
    for left, right, text in (
        (stored, recomputed, "has features, but none"),
        (recomputed, stored, "has no features, but some"),
    ):
        alone = np.flatnonzero(~left.index.isin(right.index))
        if len(alone):
            instrument, date = left.index[alone[0]]
            yield f"{instrument} on {date:%Y-%m-%d} {text}"


def _one_sided_features(stored: pd.DataFrame, recomputed: pd.DataFrame) -> Iterator[str]:
    for left, right, text in (
        (stored, recomputed, "is there, but not"),
        (recomputed, stored, "is not there, but is"),
    ):
        yield from (f"feature {name!r} {text}" for name in left.columns if name not in right)


def _different(left: pd.DataFrame, right: pd.DataFrame, names: list[str]) -> NDArray[np.bool_]:
    """Return which values differ: shape (n_rows, n_names)."""
    if not names:
        return np.zeros((len(left), 0), dtype=bool)
    left, right = (side if list(side.columns) == names else side[names] for side in (left, right))
    if len(set(left.dtypes)) == 1:
        values = left.to_numpy()
        return ~_same_bits(values, right.to_numpy(dtype=values.dtype))
    columns = (left[name].to_numpy() for name in names)
    same = [
        _same_bits(values, right[name].to_numpy(dtype=values.dtype))
        for name, values in zip(names, columns, strict=True)
    ]
    return ~np.column_stack(same)


def _same_bits(left: NDArray[np.floating], right: NDArray[np.floating]) -> NDArray[np.bool_]:
    bits = np.dtype(f"u{left.dtype.itemsize}")
    same: NDArray[np.bool_] = np.ascontiguousarray(left).view(bits) == np.ascontiguousarray(
        right
    ).view(bits)
    if not same.all():
        same |= np.isnan(left) & np.isnan(right)
    return same
