"""Labels in canonical order, found by instrument and date without hashing a pair."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from model2_assets.errors import ContractError
from model2_assets.panel import date_codes, instrument_codes

Values = NDArray[np.float64]
Rows = NDArray[np.int32]

RowName = Callable[[int], tuple[str, pd.Timestamp]]
"""Returns instrument and date of a row, for messages."""

NO_LABEL = -1


@dataclass(frozen=True, eq=False)
class LabelPanel:
    """The labels of a panel, by datetime, then instrument.

    Attributes
    ----------
    label : ndarray of shape (n_labels,), float64
        Finite labels in bps, in canonical order.
    date : ndarray of shape (n_labels,), int64
        Position of each label's date in `calendar`.
    calendar : DatetimeIndex of shape (n_dates,)
        The dates with labels, ascending.
    instruments : Index of shape (n_instruments,)
        The instruments with labels, ascending.
    cells : ndarray of shape (n_dates * n_instruments + 1,), int32
        Position of every date and instrument's label, `NO_LABEL` where there is none; the
        last cell stands for dates and instruments without any.
    """

    label: Values
    date: NDArray[np.int64]
    calendar: pd.DatetimeIndex
    instruments: pd.Index
    cells: Rows

    def positions(self, instrument: pd.Series | pd.Index, datetime: pd.Series | pd.Index) -> Rows:
        """Return the positions of the labels of rows given by two columns, shape (n_rows,)."""
        return self._positions(*pd.factorize(instrument), *pd.factorize(datetime))

    def positions_of_index(self, index: pd.MultiIndex) -> Rows:
        """Return the positions of the labels of ``(instrument, datetime)`` rows."""
        instrument, datetime = (index.names.index(name) for name in ("instrument", "datetime"))
        return self._positions(
            np.asarray(index.codes[instrument]),
            index.levels[instrument],
            np.asarray(index.codes[datetime]),
            index.levels[datetime],
        )

    def _positions(
        self,
        instrument: NDArray[np.integer],
        instruments: pd.Index,
        date: NDArray[np.integer],
        dates: pd.Index,
    ) -> Rows:
        # A missing value's code is -1 and picks the last entry, which stands for none.
        first_cell = self.calendar.get_indexer(pd.DatetimeIndex(dates)) * len(self.instruments)
        column = self.instruments.get_indexer(instruments).astype(np.int32)
        cell = np.append(first_cell, -1)[date]
        column = np.append(column, np.int32(-1))[instrument]
        absent = (cell < 0) | (column < 0)
        cell += column
        cell[absent] = -1
        positions: Rows = self.cells[cell]
        return positions


def label_panel(label: pd.Series) -> LabelPanel:
    """Bring labels into canonical order.

    Parameters
    ----------
    label : Series of shape (n_rows,), float
        Indexed by ``(instrument, datetime)``, in any row order; rows that are not finite
        count as not there.

    Returns
    -------
    LabelPanel
        The finite labels.

    Raises
    ------
    ContractError
        If an instrument has two labels on a date; names the first.
    """
    label = label[np.isfinite(label.to_numpy(dtype=np.float64, na_value=np.nan))]
    index = label.index
    assert isinstance(index, pd.MultiIndex)
    dates, instruments = date_codes(index), instrument_codes(index)
    width = len(instruments.values)
    cells = np.full(len(dates.values) * width + 1, NO_LABEL, dtype=np.int32)
    cell = dates.codes * width + instruments.codes
    cells[cell] = 0
    order = np.flatnonzero(cells[:-1] == 0)
    cells[order] = np.arange(len(order), dtype=np.int32)
    if len(order) < len(cell):
        refuse_rows("label", index.duplicated(), rows_named_by(index), "has two labels", "keep one")
    values = np.empty(len(order))
    values[cells[cell]] = label.to_numpy(dtype=np.float64)
    return LabelPanel(
        label=values,
        date=order // max(width, 1),
        calendar=pd.DatetimeIndex(dates.values),
        instruments=instruments.values,
        cells=cells,
    )


def rows_named_by(index: pd.MultiIndex) -> RowName:
    """Return what names the rows of an ``(instrument, datetime)`` index."""
    instruments, dates = (index.get_level_values(name) for name in ("instrument", "datetime"))
    return lambda row: (str(instruments[row]), pd.Timestamp(dates[row]))


def refuse_rows(
    table: str, faulty: NDArray[np.bool_], name: RowName, fault: str, remedy: str
) -> None:
    """Raise ContractError for the first faulty row, if there is one."""
    if faulty.any():
        instrument, date = name(int(np.argmax(faulty)))
        raise ContractError(
            f"{table} row of instrument {instrument} on {date:%Y-%m-%d} {fault} (as do "
            f"{int(faulty.sum()) - 1} others); {remedy}"
        )
