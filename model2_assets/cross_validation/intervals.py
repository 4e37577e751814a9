"""Closed intervals [datetime, label end] of rows, and the dates that they touch."""

import re
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from model2_assets.errors import CrossValidationError
from model2_assets.panel import INDEX_NAMES, date_codes, positions_in, row_name


@dataclass(frozen=True)
class RowIntervals:
    """Intervals of rows as codes into the panel's distinct, sorted dates.

    A label end between two dates, or beyond the last, has the code of the last date not
    after it. Every interval starts on a date, so two intervals touch exactly where their
    codes do.
    """

    start: NDArray[np.int64]  # code of each row's own date
    end: NDArray[np.int64]  # of its label end; -1 where it has no label
    n_dates: int


def panel_index_of(X: object) -> pd.MultiIndex:
    """Return the (instrument, datetime) index of a frame, a series, or the index itself."""
    index = X.index if isinstance(X, pd.DataFrame | pd.Series) else X
    if not isinstance(index, pd.MultiIndex) or set(index.names) != set(INDEX_NAMES):
        names = list(index.names) if isinstance(index, pd.Index) else type(index).__name__
        raise CrossValidationError(
            f"X must be indexed by {INDEX_NAMES}, got {names}; set that index, or pass it as X"
        )
    if len(index) == 0:
        raise CrossValidationError(
            "X has no rows to split; give features and labels that share some"
        )
    for name in INDEX_NAMES:
        missing = index.codes[index.names.index(name)] < 0
        if missing.any():
            row = int(np.argmax(missing))
            raise CrossValidationError(f"X has no {name} in row {row}; fill it or drop the row")
    dates = index.levels[index.names.index("datetime")]
    if not isinstance(dates, pd.DatetimeIndex) or dates.tz is not None:
        raise CrossValidationError(
            f"index level datetime of X must hold dates without time zone, got {dates.dtype}; "
            f"convert it"
        )
    return index


def row_intervals(
    X: object, label_end: ArrayLike | pd.Series | pd.Index, *, allow_missing: bool = False
) -> RowIntervals:
    """Return the closed intervals [datetime, label end] of the rows of a panel, in their order.

    Rows without a label end are refused, or, where they are allowed, have none; their dates
    count all the same.
    """
    index = panel_index_of(X)
    ends = _label_end_values(index, label_end)
    dates = date_codes(index)
    moments = pd.DatetimeIndex(dates.values).as_unit("us").to_numpy()
    missing = np.isnat(ends)
    if not allow_missing:
        _refuse_first(index, missing, "has no label end", "drop rows without a label")
    end = np.searchsorted(moments, ends, side="right").astype(np.int64) - 1
    early = (end < dates.codes) & ~missing
    _refuse_first(index, early, "has a label end before its own date", "correct label_end")
    end[missing] = -1
    return RowIntervals(start=dates.codes, end=end, n_dates=len(moments))


def _label_end_values(
    index: pd.MultiIndex, label_end: ArrayLike | pd.Series | pd.Index
) -> NDArray[np.datetime64]:
    own_index = getattr(label_end, "index", None)
    if isinstance(own_index, pd.MultiIndex) and not own_index.equals(index):
        raise CrossValidationError(
            "label_end is indexed by other rows than X; reindex it to the index of X"
        )
    try:
        ends = pd.DatetimeIndex(label_end)  # type: ignore[arg-type]
    except (TypeError, ValueError) as error:
        raise CrossValidationError(
            f"label_end must hold one date per row ({error}); convert it with pandas.to_datetime"
        ) from error
    if len(ends) != len(index) or ends.tz is not None:
        raise CrossValidationError(
            f"label_end must hold one date without time zone for each of the {len(index)} rows "
            f"of X, got {len(ends)} of {ends.dtype}"
        )
    return ends.as_unit("us").to_numpy()


def _refuse_first(index: pd.MultiIndex, faulty: NDArray[np.bool_], fault: str, remedy: str) -> None:
    if faulty.any():
        row = int(np.argmax(faulty))
        raise CrossValidationError(
            f"row {row} ({row_name(index, row)}) {fault}, as do {int(faulty.sum()) - 1} others; "
            f"{remedy}"
        )


_LABEL_COLUMN = re.compile(r"label_([1-9][0-9]*)d")


def horizon_keys(labels: pd.DataFrame) -> tuple[str, ...]:
    """Return the horizons that a labels table has, such as ``("21d", "63d")``, ascending."""
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
    """Return the last date that any label of a row looks at, named ``label_end``.

    A row without its longer label has the end of the longest that it has; one without any, NaT.

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


def label_ends(
    labels: pd.DataFrame, horizon: str, positions: NDArray[np.intp]
) -> NDArray[np.datetime64]:
    """Return the last date that labels of one horizon look at, NaT without one, of some rows."""
    known = horizon_keys(labels)
    if horizon not in known:
        raise CrossValidationError(
            f"the labels table has no horizon {horizon}, only {', '.join(known)}; materialize "
            f"cv_splits again from these labels"
        )
    return labels[f"label_end_{horizon}"].to_numpy(dtype="datetime64[us]")[positions]


def label_positions(index: pd.Index, labels: pd.DataFrame) -> NDArray[np.intp]:
    """Return the row of `labels` for each row of `index`, shape (n_rows,)."""
    if index.equals(labels.index):
        return np.arange(len(index), dtype=np.intp)
    if labels.index.duplicated().any():
        repeated = row_name(labels.index, int(np.argmax(labels.index.duplicated())))
        raise CrossValidationError(f"the labels table repeats {repeated}; keep one row")
    positions = positions_in(labels.index, index)
    if (positions < 0).any():
        raise CrossValidationError(
            f"the labels table lacks {row_name(index, int(np.argmax(positions < 0)))}, which "
            f"cv_splits has; materialize cv_splits again from these labels"
        )
    return positions


Balance = Literal["dates", "rows"]


def group_of_date(
    rows_of_date: NDArray[np.int64], n_groups: int, *, balance: Balance
) -> NDArray[np.int16]:
    """Cut consecutive dates into contiguous groups of about equally many dates, or rows.

    By dates, the first ``n_dates % n_groups`` groups have one more. By rows, group g begins
    at the date before which the rows are nearest to g / n_groups of all (the earlier of two),
    moved as little as leaves every group a date.

    >>> rows_of_date = np.array([1, 1, 1, 2, 2, 3, 4])
    >>> group_of_date(rows_of_date, 3, balance="dates")
    array([0, 0, 0, 1, 1, 2, 2], dtype=int16)
    >>> group_of_date(rows_of_date, 3, balance="rows")
    array([0, 0, 0, 0, 1, 1, 2], dtype=int16)
    """
    n_dates = len(rows_of_date)
    if n_dates < n_groups:
        raise CrossValidationError(
            f"n_groups is {n_groups} but there are only {n_dates} distinct dates to cut; "
            f"lower cross_validation.n_groups or give more history"
        )
    if balance == "rows":
        sizes = _sizes_of_equal_rows(rows_of_date, n_groups)
    else:
        size, remainder = divmod(n_dates, n_groups)
        sizes = np.full(n_groups, size)
        sizes[:remainder] += 1
    return np.repeat(np.arange(n_groups, dtype=np.int16), sizes)


def _sizes_of_equal_rows(rows_of_date: NDArray[np.int64], n_groups: int) -> NDArray[np.int64]:
    """Return the number of dates of each group, shape (n_groups,)."""
    n_dates, group = len(rows_of_date), np.arange(1, n_groups)
    rows_before = np.append(0, np.cumsum(rows_of_date))
    ideal = group * rows_before[-1]  # n_groups times as many, to stay with integers
    rows_before *= n_groups
    begin = np.searchsorted(rows_before, ideal)
    begin -= ideal - rows_before[begin - 1] <= rows_before[begin] - ideal
    begin = np.maximum.accumulate(np.clip(begin - group, 0, n_dates - n_groups)) + group
    return np.diff(begin, prepend=0, append=n_dates)


class Block(NamedTuple):
    """A run of consecutive test dates, by their codes."""

    first: int  # first date with a labelled row: where the block's interval begins
    last: int
    end: int  # latest label end of the block's rows: where its interval ends


@dataclass(frozen=True)
class GroupedCalendar:
    """Rows, and the group of each of their n_dates distinct dates."""

    rows: RowIntervals
    group: NDArray[np.int16]

    @cached_property
    def latest_end(self) -> NDArray[np.int64]:
        """Latest label end of each date's rows, shape (n_dates,); -1 without a label."""
        latest = np.full(self.rows.n_dates, -1, dtype=np.int64)
        np.maximum.at(latest, self.rows.start, self.rows.end)
        return latest

    def test_blocks(self, tested: NDArray[np.int64]) -> tuple[Block, ...]:
        """Return the blocks of adjacent tested groups that have a label, ascending."""
        is_test = np.isin(self.group, tested).astype(np.int8)
        edges = np.diff(is_test, prepend=0, append=0)
        starts, stops = np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)
        blocks = []
        for start, stop in zip(starts.tolist(), stops.tolist(), strict=True):
            labelled = start + np.flatnonzero(self.latest_end[start:stop] >= 0)
            if len(labelled):
                end = int(self.latest_end[start:stop].max())
                blocks.append(Block(first=int(labelled[0]), last=stop - 1, end=end))
        return tuple(blocks)
