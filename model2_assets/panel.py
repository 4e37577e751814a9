"""The panel: rows of (instrument, datetime) in canonical order."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from model2_assets.errors import Model2Error

INDEX_NAMES = ("instrument", "datetime")

DELISTING_RETURN = "delisting_return"
"""Column of market data: what a name returned after its last close, a fraction; NaN elsewhere."""

HISTORY = "history"
"""Column of market data: the number of a bar's history among those of its instrument, from 1."""


@dataclass(frozen=True)
class LevelCodes:
    """One index level of n rows as integer codes into its distinct values, in ascending order."""

    codes: NDArray[np.int64]
    values: pd.Index

    @property
    def starts(self) -> NDArray[np.int64]:
        """First row of each value, and the number of rows: shape (n_values + 1,).

        Of rows that are sorted by value, as those of a panel in canonical order are by date.
        """
        return np.searchsorted(self.codes, np.arange(len(self.values) + 1)).astype(np.int64)


def date_codes(index: pd.Index) -> LevelCodes:
    """Return the dates of a panel index, in any row order, as codes into its sorted dates."""
    return level_codes(index, "datetime")


def instrument_codes(index: pd.Index) -> LevelCodes:
    """Return the instruments of a panel index as codes into its sorted names; see `date_codes`."""
    return level_codes(index, "instrument")


def level_codes(index: pd.Index, level: str) -> LevelCodes:
    """Return a level of a panel index, by its name; see `date_codes`."""
    assert isinstance(index, pd.MultiIndex)
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


def is_canonical(index: pd.Index) -> bool:
    """Tell whether rows are unique and sorted by datetime, then instrument."""
    dates, instruments = date_codes(index), instrument_codes(index)
    keys = dates.codes * max(len(instruments.values), 1) + instruments.codes
    return bool(np.all(np.diff(keys) > 0))


def to_canonical(frame: pd.DataFrame) -> pd.DataFrame:
    """Return a panel frame sorted by datetime, then instrument: itself where it is already."""
    index = frame.index
    if is_canonical(index):
        return frame
    return frame.iloc[np.lexsort((instrument_codes(index).codes, date_codes(index).codes))]


def panel_index(instruments: ArrayLike, datetimes: ArrayLike) -> pd.MultiIndex:
    """Build an ``(instrument, datetime)`` index from two columns of shape (n_rows,)."""
    dates = pd.DatetimeIndex(np.asarray(datetimes, dtype="datetime64[us]"))
    names = pd.Index(np.asarray(instruments, dtype=object), dtype="str")
    return pd.MultiIndex.from_arrays([names, dates], names=list(INDEX_NAMES))


def with_plain_names(index: pd.MultiIndex) -> pd.MultiIndex:
    """Return a panel index whose instruments are no categories, but what these are names of."""
    categories = index.levels[0]
    if not isinstance(categories, pd.CategoricalIndex):
        return index
    names = pd.Index(categories.categories[categories.codes])
    order = names.argsort()
    rank = np.append(np.argsort(order), -1)  # the code of a missing name is -1
    levels: list[Any] = [names[order], index.levels[1]]
    codes: list[Any] = [rank[index.codes[0]], index.codes[1]]
    return pd.MultiIndex(levels, codes, names=index.names, verify_integrity=False)


def joined_index(indexes: Sequence[pd.Index]) -> pd.MultiIndex:
    """Return the rows of several panel indexes, one after the other."""
    levels: list[Any] = []
    codes: list[Any] = []
    for codes_of in (instrument_codes, date_codes):
        found = [codes_of(index) for index in indexes]
        first, *others = (each.values for each in found)  # noqa: PD011
        levels.append(first.append(others).unique().sort_values())
        ranks = (levels[-1].get_indexer(each.values).astype(np.int32) for each in found)
        codes.append(np.concatenate([r[each.codes] for r, each in zip(ranks, found, strict=True)]))
    return pd.MultiIndex(levels, codes, names=INDEX_NAMES, verify_integrity=False)


def positions_in(index: pd.Index, rows: pd.Index) -> NDArray[np.intp]:
    """Return where rows of a panel are in an index of a panel; -1 where they are not.

    As ``index.get_indexer(rows)`` does, without a hash table, which pandas keeps with the index:
    some 30 bytes a row.
    """
    dates, names = date_codes(index), instrument_codes(index)
    of_date, of_name = (
        there.values.get_indexer(asked.values)[asked.codes]  # noqa: PD011
        for there, asked in ((dates, date_codes(rows)), (names, instrument_codes(rows)))
    )
    n_names = len(names.values)
    place = np.full(len(dates.values) * n_names + 1, -1, dtype=np.intp)  # the last: elsewhere
    place[dates.codes * n_names + names.codes] = np.arange(len(index))
    if np.count_nonzero(place >= 0) < len(index):
        return np.asarray(index.get_indexer(rows), dtype=np.intp)
    return place[np.where((of_date < 0) | (of_name < 0), -1, of_date * n_names + of_name)]


def taken(column: pd.Series, rows: NDArray[np.intp]) -> NDArray[Any]:
    """Return a column's values at some rows, missing where there is no such row (-1)."""
    return np.asarray(pd.api.extensions.take(column.to_numpy(), rows, allow_fill=True))


def aligned(column: pd.Series, index: pd.Index) -> pd.Series:
    """Return a column of a panel at the rows of an index, as ``reindex``: see `positions_in`."""
    values = taken(column, positions_in(column.index, index))
    return pd.Series(values, index=index, name=column.name)


def row_name(index: pd.Index, row: int) -> str:
    """Return what messages call a row of a panel, such as ``instrument A on 2024-01-02``."""
    where = dict(zip(index.names, index[row], strict=True))
    return f"instrument {where['instrument']} on {where['datetime']:%Y-%m-%d}"


CHUNK_ROWS = 20_000
"""Rows at a time: of some hundred features few enough to stay in the processor's cache, where
columns a power of two apart would push each other out."""


def row_chunks(frame: pd.DataFrame, n_rows: int = CHUNK_ROWS) -> Iterator[pd.DataFrame]:
    """Yield views of a table's rows in order, at most `n_rows` at a time."""
    for start in range(0, len(frame), n_rows):
        yield frame.iloc[start : start + n_rows]


PART_ROWS = 131_072
"""Rows of a part at most: few enough to be in memory several times, many enough for a task."""


def date_parts(index: pd.Index, most_rows: int | None = None) -> list[slice]:
    """Cut rows in the order of their dates into parts of whole dates.

    Parameters
    ----------
    index : Index of length n_rows
        Of a panel, or the dates themselves.
    most_rows : int, optional
        Rows of a part at most, `PART_ROWS` by default; a longer date is a part of its own.

    Returns
    -------
    list of slice
        Neighbours, of all rows, at least one. One where there are no dates, or these do not
        ascend. Each begins where the one before ends, so that the rows of each date are all
        that the cut depends on.
    """
    dates = index.get_level_values("datetime") if "datetime" in index.names else index
    n_rows, start, parts = len(index), 0, []
    most_rows = PART_ROWS if most_rows is None else most_rows
    if not isinstance(dates, pd.DatetimeIndex) or not dates.is_monotonic_increasing:
        return [slice(0, n_rows)]
    days = dates.to_numpy()
    ends = np.append(np.flatnonzero(days[1:] != days[:-1]) + 1, n_rows)
    while start < n_rows:
        first, beyond = np.searchsorted(ends, [start, start + most_rows], side="right")
        parts.append(slice(start, int(ends[max(first, beyond - 1)])))
        start = parts[-1].stop
    return parts or [slice(0, 0)]


def in_universe(panel: pd.DataFrame) -> NDArray[np.bool_]:
    """Tell of every bar whether it is in the universe: all are where the panel does not say."""
    if "in_universe" in panel.columns:
        return panel["in_universe"].to_numpy(dtype=bool)
    return np.ones(len(panel), dtype=bool)


def ends_history(panel: pd.DataFrame) -> NDArray[np.bool_]:
    """Tell of every bar whether its ``delisting_return`` says that a history ends with it."""
    if DELISTING_RETURN in panel.columns:
        return panel[DELISTING_RETURN].notna().to_numpy(dtype=bool)
    return np.zeros(len(panel), dtype=bool)


@dataclass(frozen=True, eq=False)
class Histories:
    """The bars of a panel in canonical order, history after history, each by date.

    An instrument has one history, or several: the column ``history`` of the panel numbers them,
    and without it a bar ends one where `ends_history` says so.
    """

    order: NDArray[np.intp]
    """Positions of the bars in the panel."""
    codes: NDArray[np.int64]
    """Number of each bar's history, in this order."""
    last: NDArray[np.int64]
    """Place of each history's last bar in this order, by the history's number."""

    @property
    def starts(self) -> NDArray[np.int64]:
        """Place of each history's first bar, and the number of bars."""
        return np.append(0, self.last + 1)

    @property
    def number(self) -> NDArray[np.int64]:
        """Number of each bar's history, in the order of the panel."""
        number = np.empty_like(self.codes)
        number[self.order] = self.codes
        return number

    @property
    def earlier(self) -> NDArray[np.int64]:
        """Number of earlier bars that each bar has in its history, in the order of the panel."""
        earlier = np.empty(len(self.order), dtype=np.int64)
        earlier[self.order] = np.arange(len(self.order)) - self.starts[self.codes]
        return earlier

    @property
    def newest(self) -> NDArray[np.intp]:
        """Position of the last bar of each bar's history, both in the order of the panel."""
        newest = np.empty_like(self.order)
        newest[self.order] = self.order[self.last[self.codes]]
        return newest


def histories(panel: pd.DataFrame) -> Histories:
    """Find the way to each history's own sequence of bars."""
    assert isinstance(panel.index, pd.MultiIndex)
    instruments = instrument_codes(panel.index)
    # Stable sorts of 16-bit integers are radix sorts: five times faster at a million rows.
    narrow = np.uint16 if len(instruments.values) <= 2**16 else np.int64
    order = np.argsort(instruments.codes.astype(narrow), kind="stable")
    is_last = np.diff(instruments.codes[order], append=-1) != 0
    is_last |= ends_history(panel)[order]
    if HISTORY in panel.columns:
        is_last[:-1] |= np.diff(panel[HISTORY].to_numpy()[order]) != 0
    last = np.flatnonzero(is_last)
    codes = np.repeat(np.arange(len(last)), np.diff(last, prepend=-1))
    return Histories(order, codes, last)


def checked_panel(panel: pd.DataFrame, error: type[Model2Error], *, what: str) -> pd.DataFrame:
    """Return a panel of closes that a user handed in, in canonical order.

    `error` is raised if it is not indexed by ``(instrument, datetime)``, repeats a row or has no
    column ``close``; `what` is made of the panel, and begins the message.
    """
    index = panel.index
    if not isinstance(index, pd.MultiIndex) or tuple(index.names) != INDEX_NAMES:
        raise error(
            f"{what}: the panel is indexed by {list(index.names)}; set its index to "
            f"{list(INDEX_NAMES)} first"
        )
    if "close" not in panel.columns:
        raise error(
            f"{what}: the panel has no column 'close', only {', '.join(map(str, panel.columns))}; "
            f"name the one in your data by market_data.columns"
        )
    ordered = to_canonical(panel)
    if not is_canonical(ordered.index):
        repeated = row_name(index, int(np.argmax(index.duplicated())))
        raise error(f"{what}: the panel has {repeated} more than once; keep one row of them")
    return ordered
