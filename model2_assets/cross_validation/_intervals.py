"""Closed intervals [datetime, label end] of panel rows, as positions of dates."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from model2_assets.errors import CrossValidationError
from model2_assets.panel import INDEX_NAMES, date_codes


@dataclass(frozen=True)
class RowIntervals:
    """Intervals of rows as codes into the panel's distinct, sorted dates.

    A label end between two dates, or beyond the last, has the code of the last date not
    after it. Every interval starts on a date, so two intervals touch exactly where their
    codes do.

    Attributes
    ----------
    start : ndarray of shape (n_rows,), int64
        Code of the row's own date.
    end : ndarray of shape (n_rows,), int64
        Code of the last date not after the row's label end; -1 where it has no label.
    n_dates : int
        Number of distinct dates.
    """

    start: NDArray[np.int64]
    end: NDArray[np.int64]
    n_dates: int

    @property
    def labelled(self) -> NDArray[np.bool_]:
        """Whether each row has a label, shape (n_rows,)."""
        return self.end >= 0


def panel_index_of(X: object) -> pd.MultiIndex:
    """Return the (instrument, datetime) index of a frame, a series, or the index itself.

    Raises
    ------
    CrossValidationError
        If there is none, it has missing entries, or its dates have a time zone.
    """
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
    """Return the closed intervals [datetime, label end] of the rows of a panel.

    Parameters
    ----------
    X : DataFrame, Series or MultiIndex of shape (n_rows, ...)
        Indexed by, or itself, ``(instrument, datetime)``; rows in any order.
    label_end : array-like of datetime64, shape (n_rows,)
        Last date that the label of each row looks at.
    allow_missing : bool, default False
        Whether rows may have none; their dates count all the same.

    Returns
    -------
    RowIntervals
        In the order of the rows of `X`.

    Raises
    ------
    CrossValidationError
        If the index is not a panel's, or a label end is missing, precedes its row, or
        belongs to other rows.
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
        where = dict(zip(index.names, index[row], strict=True))
        raise CrossValidationError(
            f"row {row} (instrument {where['instrument']}, {where['datetime']:%Y-%m-%d}) {fault}, "
            f"as do {int(faulty.sum()) - 1} others; {remedy}"
        )
