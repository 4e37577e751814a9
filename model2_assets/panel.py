"""The panel: rows of (instrument, datetime) in canonical order."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

INDEX_NAMES = ("instrument", "datetime")


@dataclass(frozen=True)
class LevelCodes:
    """One index level as integer codes.

    Attributes
    ----------
    codes : ndarray of shape (n_rows,), int64
        Position of each row's value in `values`.
    values : Index of shape (n_values,)
        The distinct values in ascending order.
    """

    codes: NDArray[np.int64]
    values: pd.Index

    @property
    def starts(self) -> NDArray[np.int64]:
        """First row of each value, and the number of rows: shape (n_values + 1,).

        Of rows that are sorted by value, as those of a panel in canonical order are by date.
        """
        return np.searchsorted(self.codes, np.arange(len(self.values) + 1)).astype(np.int64)


def date_codes(index: pd.MultiIndex) -> LevelCodes:
    """Return the dates of a panel index as codes into its distinct, sorted dates.

    Parameters
    ----------
    index : MultiIndex of shape (n_rows,)
        Levels ``(instrument, datetime)``, in any row order.

    Returns
    -------
    LevelCodes
        ``values`` is a DatetimeIndex of shape (n_dates,).

    Examples
    --------
    >>> index = pd.MultiIndex.from_arrays(
    ...     [["A", "B", "A"], pd.to_datetime(["2024-01-02", "2024-01-02", "2024-01-03"])],
    ...     names=["instrument", "datetime"],
    ... )
    >>> date_codes(index).codes
    array([0, 0, 1])
    """
    return _level_codes(index, "datetime")


def instrument_codes(index: pd.MultiIndex) -> LevelCodes:
    """Return the instruments of a panel index as codes into its distinct, sorted names.

    Parameters
    ----------
    index : MultiIndex of shape (n_rows,)
        Levels ``(instrument, datetime)``, in any row order.

    Returns
    -------
    LevelCodes
        ``values`` is an Index of str of shape (n_instruments,).
    """
    return _level_codes(index, "instrument")


def _level_codes(index: pd.MultiIndex, level: str) -> LevelCodes:
    position = index.names.index(level)
    # Shifted, as a missing value has the code -1.
    shifted = np.asarray(index.codes[position], dtype=np.int64) + 1
    counts = np.bincount(shifted)
    used = np.flatnonzero(counts)
    values = index.levels[position][used - 1]
    order = values.argsort()
    rank = np.empty(len(counts), dtype=np.int64)
    rank[used[order]] = np.arange(len(order))
    return LevelCodes(codes=rank[shifted], values=values[order])


def is_canonical(index: pd.MultiIndex) -> bool:
    """Tell whether rows are unique and sorted by datetime, then instrument."""
    dates, instruments = date_codes(index), instrument_codes(index)
    keys = dates.codes * max(len(instruments.values), 1) + instruments.codes
    return bool(np.all(np.diff(keys) > 0))


def to_canonical(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of a panel frame sorted by datetime, then instrument.

    Parameters
    ----------
    frame : DataFrame of shape (n_rows, n_columns)
        Indexed by ``(instrument, datetime)``, in any row order.

    Returns
    -------
    DataFrame of shape (n_rows, n_columns)
        The same rows; the frame itself where it is in order already.
    """
    index = frame.index
    assert isinstance(index, pd.MultiIndex)
    if is_canonical(index):
        return frame
    return frame.iloc[np.lexsort((instrument_codes(index).codes, date_codes(index).codes))]


def panel_index(instruments: ArrayLike, datetimes: ArrayLike) -> pd.MultiIndex:
    """Build an ``(instrument, datetime)`` index from two columns of shape (n_rows,)."""
    dates = pd.DatetimeIndex(np.asarray(datetimes, dtype="datetime64[us]"))
    names = pd.Index(np.asarray(instruments, dtype=object), dtype="str")
    return pd.MultiIndex.from_arrays([names, dates], names=list(INDEX_NAMES))


def with_plain_names(index: pd.MultiIndex) -> pd.MultiIndex:
    """Return a panel index whose instruments are no categories, but what these are names of.

    Parameters
    ----------
    index : MultiIndex of shape (n_rows,)
        Levels ``(instrument, datetime)``, in any row order.

    Returns
    -------
    MultiIndex of shape (n_rows,)
        The same rows, instruments in ascending order; the index itself where it has no
        categories.
    """
    categories = index.levels[0]
    if not isinstance(categories, pd.CategoricalIndex):
        return index
    names = pd.Index(categories.categories[categories.codes])
    order = names.argsort()
    rank = np.append(np.argsort(order), -1)  # the code of a missing name is -1
    levels: list[Any] = [names[order], index.levels[1]]
    codes: list[Any] = [rank[index.codes[0]], index.codes[1]]
    return pd.MultiIndex(levels, codes, names=index.names, verify_integrity=False)


CHUNK_ROWS = 16_384
"""Rows at a time: of some hundred features few enough to stay in the processor's cache."""


def row_chunks(frame: pd.DataFrame, n_rows: int = CHUNK_ROWS) -> Iterator[pd.DataFrame]:
    """Yield the rows of a table in order, at most `n_rows` at a time.

    Parameters
    ----------
    frame : DataFrame of shape (n_all_rows, n_columns)
        The table.
    n_rows : int
        Rows of a chunk; the last may have fewer.

    Yields
    ------
    DataFrame of shape (at most n_rows, n_columns)
        Views, at no copy.
    """
    for start in range(0, len(frame), n_rows):
        yield frame.iloc[start : start + n_rows]
