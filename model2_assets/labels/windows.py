"""Forward windows: from which bar to which a row's position is held, and when that is known."""

from dataclasses import dataclass, replace
from enum import IntEnum
from typing import TypeVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from model2_assets.config import LabelsConfig
from model2_assets.errors import LabelError
from model2_assets.market_data import adjusted_close
from model2_assets.panel import (
    DELISTING_RETURN,
    Histories,
    checked_panel,
    date_codes,
    histories,
    in_universe,
    row_name,
)

BPS = 1e4
LONG_GAP_FACTOR = 2

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]
Column = TypeVar("Column", FloatArray, IntArray, NDArray[np.int8])


@dataclass(frozen=True)
class OwnBars:
    """Bars in canonical order, and the way to each history's own sequence of them.

    A history is over where a position in it ends whatever comes: `known` is the date at which
    that is seen. One that is not may go on after the panel's end.
    """

    index: pd.MultiIndex
    dates: pd.DatetimeIndex
    row_date: IntArray  # position of each bar's date in `dates`
    in_universe: BoolArray
    own: Histories  # what follows is in its order
    date: IntArray
    price: FloatArray  # adjusted closes
    final_return: FloatArray  # of each history, after its last close
    known: IntArray  # of each history, position in `dates`
    returned: NDArray[np.intp]  # bars behind which more than `delisted_after` dates are missed

    @property
    def is_over(self) -> BoolArray:
        """Whether each history is over, as far as the panel goes."""
        return self.known < len(self.dates)

    @property
    def names_that_came_back(self) -> list[str]:
        """Instruments that had been missing as long as a delisted one, in order."""
        return sorted(set(self.index[self.own.order[self.returned]].get_level_values(0)))


def own_bars(panel: pd.DataFrame, *, delisted_after: int) -> OwnBars:
    """Order the bars of a panel history after history; refuse prices that are none."""
    panel = checked_panel(panel, LabelError, what="labels")
    index = panel.index
    assert isinstance(index, pd.MultiIndex)
    price = np.asarray(adjusted_close(panel), dtype=np.float64)
    _refuse_impossible(price, index)
    dates, own = date_codes(index), histories(panel)
    date, last = dates.codes[own.order], own.last
    missed = np.diff(date) - 1
    missed[last[:-1]] = 0  # between two histories
    final_return = np.full(len(last), np.nan)
    if DELISTING_RETURN in panel.columns:
        final_return = panel[DELISTING_RETURN].to_numpy(dtype=np.float64)[own.order[last]]
    is_said = ~np.isnan(final_return)
    return OwnBars(
        index=index,
        dates=pd.DatetimeIndex(dates.values),
        row_date=dates.codes,
        in_universe=in_universe(panel),
        own=own,
        date=date,
        price=price[own.order],
        final_return=np.where(is_said, final_return, 0.0),
        known=date[last] + np.where(is_said, 0, delisted_after + 1),
        returned=np.flatnonzero(missed > delisted_after),
    )


def _refuse_impossible(price: FloatArray, index: pd.MultiIndex) -> None:
    impossible = ~((price > 0) & np.isfinite(price))
    if impossible.any():
        row = int(np.flatnonzero(impossible)[0])
        raise LabelError(
            f"labels: the close of {row_name(index, row)} is {price[row]:g}; remove the row or "
            f"correct the price"
        )


class Fate(IntEnum):
    """What became of a row's window."""

    LABELLED = 0
    AT_DELISTING = 1  # labelled; the position ends with the name
    TOO_RECENT = 2
    DELISTED = 3
    LONG_GAP = 4
    FEW_NAMES = 5


@dataclass(frozen=True)
class Windows:
    """Forward windows of the in-universe rows, in canonical order."""

    forward_return: FloatArray  # bps; NaN where there is no window
    end: IntArray  # date code of the raw label end; -1 where there is no window
    date: IntArray  # date code of the row
    fate: NDArray[np.int8]  # `Fate` of each row
    settled: IntArray  # of each date in the panel, see `_settled`


def forward_windows(bars: OwnBars, settings: LabelsConfig, *, horizon: int) -> Windows:
    """Find the windows of a horizon, and why a row has none."""
    lag, n_bars = settings.execution_lag_days, len(bars.price)
    reach = lag + horizon
    value = np.full(n_bars, np.nan)
    end = np.full(n_bars, -1, dtype=np.int64)
    fate = np.full(n_bars, Fate.TOO_RECENT, dtype=np.int8)

    # Of bars in one row: those whose exit is of another history lose their window below.
    n_starts = max(n_bars - reach, 0)
    has_exit_bar = bars.own.codes[:n_starts] == bars.own.codes[reach:]
    value[:n_starts] = BPS * (bars.price[reach:] / bars.price[lag:][:n_starts] - 1.0)
    end[:n_starts] = bars.date[reach:]
    fate[:n_starts][has_exit_bar] = Fate.LABELLED
    is_long = bars.date[reach:] - bars.date[:n_starts] > LONG_GAP_FACTOR * reach
    fate[:n_starts][has_exit_bar & is_long] = Fate.LONG_GAP

    # Where the history is over, a position ends at its last close. Not before the horizon of its
    # date is over, else the newest dates would have labels of delisted names alone.
    start = np.append(np.flatnonzero(~has_exit_bar), np.arange(n_starts, n_bars))
    start = start[bars.is_over[bars.own.codes[start]]]
    fate[start] = Fate.DELISTED
    if settings.delisting == "last_close":
        start = start[start + lag <= bars.own.last[bars.own.codes[start]]]
        history = bars.own.codes[start]
        last = bars.own.last[history]
        final_price = bars.price[last] * (1.0 + bars.final_return[history])
        value[start] = BPS * (final_price / bars.price[start + lag] - 1.0)
        end[start] = np.maximum(bars.known[history], bars.date[start] + reach)
        is_long = bars.date[last] - bars.date[start] > LONG_GAP_FACTOR * reach
        fate[start] = np.where(is_long, Fate.LONG_GAP, Fate.AT_DELISTING)
        fate[start[end[start] >= len(bars.dates)]] = Fate.TOO_RECENT

    has_window = fate <= Fate.AT_DELISTING
    value[~has_window], end[~has_window] = np.nan, -1
    return Windows(
        forward_return=_canonical(bars, value),
        end=_canonical(bars, end),
        date=bars.row_date[bars.in_universe],
        fate=_canonical(bars, fate),
        settled=_settled(bars, settings, fate, reach=reach),
    )


def longest_span(settings: LabelsConfig) -> int:
    """Return within how many panel dates of its row a label ends, unless a name comes back."""
    reach = max(settings.horizons) + settings.execution_lag_days
    return LONG_GAP_FACTOR * reach + settings.delisted_after + 1


def _canonical(bars: OwnBars, values: Column) -> Column:
    """Bring values of own bars into canonical order, those of the in-universe rows."""
    ordered = np.empty_like(values)
    ordered[bars.own.order] = values
    return ordered[bars.in_universe]


def _settled(
    bars: OwnBars, settings: LabelsConfig, fate: NDArray[np.int8], *, reach: int
) -> IntArray:
    """Return, of each date, when the last row lost a window that it had for a while; -1: none.

    Its name seemed delisted, until it came back: then the window has a long gap, or no exit yet.
    """
    settled = np.full(len(bars.dates), -1, dtype=np.int64)
    if settings.delisting == "drop" or not bars.returned.size:
        return settled
    has_none = (fate == Fate.LONG_GAP) | (fate == Fate.TOO_RECENT)
    start = np.flatnonzero(has_none & bars.in_universe[bars.own.order])
    # A window that ended there would not have been a long one either.
    limit = LONG_GAP_FACTOR * reach
    place = bars.own.codes * (len(bars.dates) + limit) + bars.date
    too_late = np.searchsorted(place, place[start] + limit, side="right")
    found = np.searchsorted(bars.returned, np.minimum(too_late, start + reach)) - 1
    last = bars.returned[found]
    comeback = bars.date[last + 1]
    seemed = (found >= 0) & (last >= start + settings.execution_lag_days)
    seemed &= comeback > bars.date[start] + reach
    np.maximum.at(settled, bars.date[start[seemed]], comeback[seemed])
    return settled


def with_enough_names(windows: Windows, min_names: int) -> Windows:
    """Take the windows of dates away that have fewer names with one."""
    has_window = windows.end >= 0
    n_names = np.bincount(windows.date[has_window], minlength=len(windows.settled))
    is_few = has_window & (n_names < min_names)[windows.date]
    if not is_few.any():
        return windows
    return replace(
        windows,
        forward_return=np.where(is_few, np.nan, windows.forward_return),
        end=np.where(is_few, -1, windows.end),
        fate=np.where(is_few, np.int8(Fate.FEW_NAMES), windows.fate),
    )
