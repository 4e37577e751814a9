"""The rules that bars must meet, and what happens to those that do not."""

import logging

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from model2_assets.config import MarketDataConfig
from model2_assets.errors import MarketDataError, named
from model2_assets.market_data.bars import (
    CURRENCY,
    NUMERIC_COLUMNS,
    PRICE_COLUMNS,
    first_row,
    shown,
    typed_bars,
)
from model2_assets.market_data.suspects import count_suspects, number_histories
from model2_assets.panel import DELISTING_RETURN, INDEX_NAMES

logger = logging.getLogger(__name__)

LOWEST_PRICE = 1e-9
"""Below it the 1e-12 that feature formulas add to their denominators is no longer small."""

HIGHEST_PRICE = 1e12
HIGHEST_VOLUME = 1e18
"""Above these are the largest numbers of data types, written where a value was missing."""

HIGHEST_DELISTING_RETURN = 10.0
"""Above it are percentages."""

MAX_GAP_DAYS = MarketDataConfig().max_gap_days


def validate_panel(
    frame: pd.DataFrame, *, origin: str = "panel", max_gap_days: int = MAX_GAP_DAYS
) -> tuple[pd.DataFrame, dict[str, int]]:
    """Check bars and bring them into the form of the market_data table.

    ==========================================  =================================================
    finding                                     what happens
    ==========================================  =================================================
    missing instrument, datetime or close       refused
    column
    no row, or none that has a close            refused
    text or booleans where numbers belong       refused
    dates that are text, or carry a time zone   refused
    dates before 1800 or after 2261             refused; of files also those after tomorrow
    empty instrument or datetime                refused
    instrument with white space around it, a    refused
    character that cannot be printed, or more
    than 100 characters
    instruments that differ in case or Unicode  kept apart, with a warning in the log:
    form alone                                  ``instruments_spelled_alike``
    more than one currency of an instrument     refused
    more than one currency                      kept, returns are in the currency of each
                                                instrument, with a warning in the log:
                                                ``currencies``
    two bars of an instrument on a date that    refused
    differ in a value or in their time of day
    zero, negative or infinite price, or one    refused (open, high, low, close, adjusted_close,
    below 1e-9 or above 1e12                    vwap)
    negative or infinite volume, or one above   refused
    1e18
    delisting_return below -1 or above 10, or   refused
    in a row without (adjusted) close
    exact duplicates of a row                   dropped: ``duplicate_rows_dropped``
    row without close                           dropped: ``rows_without_close_dropped``
    row without adjusted_close, where there is  dropped: ``rows_without_adjusted_close_dropped``
    such a column
    delisting_return elsewhere                  kept, ends the instrument's history; later bars
                                                of it are another one: ``delistings``
    more than `max_gap_days` dates of the       kept, starts a new history of the instrument,
    panel without a bar of an instrument        with a warning in the log: ``new_histories``
    missing open, high, low, volume, vwap       left NaN: ``missing_open``, ...
    high < low                                  both become NaN: ``high_below_low``
    zero volume                                 kept: ``zero_volume``
    close or open outside [low, high]           kept: ``close_outside_range``,
                                                ``open_outside_range``
    close, open or vwap outside [low, high] on  kept, with a warning in the log, as columns are
    most of 60 bars in a row                    of different adjustments: ``mixed_adjustments``
    close that does not move for more than 20   kept, with a warning in the log:
    bars while that of another one does         ``frozen_instruments``
    instruments with the same close and volume  kept, with a warning in the log:
    on most of their dates                      ``same_bars``
    time of day                                 cut off, if it leaves one bar a date:
                                                ``times_floored``
    (adjusted) close that moves by more than a  refused
    factor 1000 from one own bar to the next
    (adjusted) close that moves by more than a  kept, with a warning in the log, as the split
    factor 5 from one own bar to the next       adjustment is suspect: ``large_moves``
    instrument of fewer than 65 bars            kept: ``short_instruments``
    whole-number instruments                    become text
    rows out of order                           sorted
    ==========================================  =================================================

    Parameters
    ----------
    frame : DataFrame of shape (n_bars, n_columns)
        Columns instrument, datetime (either may be an index level), close and any of open,
        high, low, volume, adjusted_close, vwap, delisting_return (a fraction), currency,
        in_universe; others are left out.
    origin : str, default "panel"
        What messages call the data.
    max_gap_days : int, default 60
        Dates of the panel.

    Returns
    -------
    panel : DataFrame of shape (n_rows, n_columns)
        The market_data table: indexed by (instrument, datetime) in canonical order, float64
        columns, the bool column ``in_universe``, True where `frame` has none, and the int16
        column ``history``, which numbers the histories of an instrument from 1: labels and
        features treat each as an instrument of its own.
    counts : dict of str to int
        ``rows``, ``instruments``, ``dates``, and the counts named in the table above; those of
        optional columns only where the column is there.

    Raises
    ------
    MarketDataError
        If a rule of the table refuses the bars; names column, instrument, date and remedy.

    Examples
    --------
    >>> bars = pd.DataFrame(
    ...     {
    ...         "instrument": ["B", "A", "A"],
    ...         "datetime": pd.to_datetime(["2024-01-02"] * 3),
    ...         "close": [10.0, 20.0, 20.0],
    ...     }
    ... )
    >>> panel, counts = validate_panel(bars)
    >>> panel["close"].tolist(), counts["duplicate_rows_dropped"]
    ([20.0, 10.0], 1)
    """
    levels = [name for name in INDEX_NAMES if name in frame.index.names]
    flat = frame.reset_index([name for name in levels if name not in frame.columns])
    bars = typed_bars(flat, origin=origin)
    if "in_universe" in flat:
        bars["in_universe"] = _universe_flags(flat["in_universe"], origin)
    counts: dict[str, int] = {}
    bars = _drop_without_price(bars, counts, origin)
    bars = _sorted(bars)
    _refuse_impossible_values(bars, origin)
    bars = _one_bar_a_date(bars, counts, origin)
    _count_and_repair(bars, counts)
    _check_currencies(bars, counts, origin)
    panel, counts["new_histories"] = number_histories(_indexed(bars), max_gap_days)
    return panel, counts | count_suspects(panel, origin=origin)


def _universe_flags(column: pd.Series | pd.DataFrame, origin: str) -> NDArray[np.bool_]:
    if isinstance(column, pd.DataFrame):
        raise MarketDataError(f"{origin}: column 'in_universe' is there more than once; keep one")
    if not pd.api.types.is_bool_dtype(column.dtype) or column.isna().any():
        raise MarketDataError(
            f"{origin}: column 'in_universe' holds {column.dtype}, not booleans alone; store it "
            f"as bool"
        )
    return column.to_numpy(dtype=bool)


def _drop_without_price(bars: pd.DataFrame, counts: dict[str, int], origin: str) -> pd.DataFrame:
    n_given = len(bars)
    for name in ("close", "adjusted_close"):
        if name in bars:
            missing = bars[name].isna().to_numpy()
            counts[f"rows_without_{name}_dropped"] = int(np.count_nonzero(missing))
            _refuse_loss_of_delisting_return(bars[missing], name, origin)
            bars = bars.loc[~missing] if missing.any() else bars
    if bars.empty:
        raise MarketDataError(
            f"{origin}: none of {n_given} rows has a close; give at least one bar with a price"
        )
    return bars


def _refuse_loss_of_delisting_return(dropped: pd.DataFrame, name: str, origin: str) -> None:
    if DELISTING_RETURN in dropped and dropped[DELISTING_RETURN].notna().any():
        row = first_row(dropped[DELISTING_RETURN].notna()) - 1
        raise MarketDataError(
            f"{origin}: {_name_row(dropped, row)} has a delisting_return but no {name}; give it on "
            f"the bar of the last close, after which it is earned"
        )


def _sorted(bars: pd.DataFrame) -> pd.DataFrame:
    """Sort by session date, then instrument; equal keys stay in the order given."""
    instruments = bars["instrument"].factorize(sort=True)[0]
    sessions = bars["datetime"].dt.normalize().factorize(sort=True)[0]
    keys = sessions * (int(instruments.max()) + 1) + instruments
    if np.all(np.diff(keys) >= 0):
        return bars
    return bars.iloc[np.argsort(keys, kind="stable")]


def _refuse_impossible_values(bars: pd.DataFrame, origin: str) -> None:
    for name in bars.columns.intersection(list(NUMERIC_COLUMNS), sort=False):
        values = bars[name].to_numpy()
        low, high, wanted = _possible(name)
        impossible = (values < low) | (values > high)
        if impossible.any():
            row = int(np.argmax(impossible))
            raise MarketDataError(
                f"{origin}: column {name!r} is {values[row]:g} for {_name_row(bars, row)}; it must "
                f"be {wanted}: correct the value, or leave it empty if it is not known"
            )


def _possible(name: str) -> tuple[float, float, str]:
    """Return the lowest and the highest possible value of a column, and both in words."""
    if name in PRICE_COLUMNS:
        wanted = f"positive, from {LOWEST_PRICE:g} to {HIGHEST_PRICE:g}"
        return LOWEST_PRICE, HIGHEST_PRICE, wanted
    if name == DELISTING_RETURN:
        high = HIGHEST_DELISTING_RETURN
        return -1.0, high, f"a fraction from -1 to {high:g}, -0.3 for a loss of 30%"
    return 0.0, HIGHEST_VOLUME, f"zero or more, up to {HIGHEST_VOLUME:g}"


def _one_bar_a_date(bars: pd.DataFrame, counts: dict[str, int], origin: str) -> pd.DataFrame:
    instruments = bars["instrument"].to_numpy()
    sessions = bars["datetime"].dt.normalize().to_numpy()
    is_later = np.zeros(len(bars), dtype=bool)
    is_later[1:] = (instruments[1:] == instruments[:-1]) & (sessions[1:] == sessions[:-1])
    _refuse_different_bars(bars, np.flatnonzero(is_later), origin)
    counts["duplicate_rows_dropped"] = int(np.count_nonzero(is_later))
    if is_later.any():
        bars, sessions = bars.loc[~is_later], sessions[~is_later]
    counts["times_floored"] = int(np.count_nonzero(bars["datetime"].to_numpy() != sessions))
    return bars.assign(datetime=sessions)


def _refuse_different_bars(bars: pd.DataFrame, later: NDArray[np.intp], origin: str) -> None:
    one, other = bars.iloc[later - 1], bars.iloc[later]
    for name in bars.columns:
        here, there = one[name].to_numpy(), other[name].to_numpy()
        differs = (here != there) & ~(pd.isna(here) & pd.isna(there))
        if differs.any():
            first = int(np.argmax(differs))
            raise MarketDataError(
                f"{origin}: two bars of {_name_row(bars, int(later[first]))} differ in column "
                f"{name!r} ({here[first]} and {there[first]}); keep one bar a session date"
            )


def _count_and_repair(bars: pd.DataFrame, counts: dict[str, int]) -> None:
    for name in ("open", "high", "low", "volume", "vwap"):
        if name in bars:
            counts[f"missing_{name}"] = int(bars[name].isna().sum())
    if DELISTING_RETURN in bars:
        counts["delistings"] = int(bars[DELISTING_RETURN].notna().sum())
    if "volume" in bars:
        counts["zero_volume"] = int((bars["volume"] == 0).sum())
    if not {"high", "low"} <= set(bars.columns):
        return
    inverted = (bars["high"] < bars["low"]).to_numpy()
    counts["high_below_low"] = int(np.count_nonzero(inverted))
    if inverted.any():
        for name in ("high", "low"):
            bars[name] = bars[name].mask(inverted)
    for name in ("close", "open"):
        if name in bars:
            outside = (bars[name] > bars["high"]) | (bars[name] < bars["low"])
            counts[f"{name}_outside_range"] = int(outside.sum())


def _check_currencies(bars: pd.DataFrame, counts: dict[str, int], origin: str) -> None:
    if CURRENCY not in bars:
        return
    pairs = bars.loc[bars[CURRENCY] != "", ["instrument", CURRENCY]].drop_duplicates()
    changes = pairs.index[pairs.duplicated("instrument")]
    if len(changes):
        instrument, currency = pairs.loc[changes[0]]
        first = pairs.loc[pairs["instrument"] == instrument, CURRENCY].iloc[0]
        raise MarketDataError(
            f"{origin}: the currency changes from {shown(first)} to {shown(currency)} for "
            f"{instrument} on {bars.loc[changes[0], 'datetime']:%Y-%m-%d}; convert all prices of "
            f"an instrument into one currency"
        )
    found = sorted(pairs[CURRENCY].unique())
    counts["currencies"] = len(found)
    if len(found) > 1:
        logger.warning(
            "prices are in %d currencies (%s); every return is in its instrument's own, and excess "
            "returns compare them as they are",
            len(found),
            named([shown(name) for name in found]),
        )


def _indexed(bars: pd.DataFrame) -> pd.DataFrame:
    codes, levels = zip(*(bars[name].factorize(sort=True) for name in INDEX_NAMES), strict=True)
    index = pd.MultiIndex(levels=levels, codes=codes, names=list(INDEX_NAMES))
    names = [name for name in NUMERIC_COLUMNS if name in bars]
    panel = bars[names].set_axis(index)
    flags = bars["in_universe"].to_numpy() if "in_universe" in bars else True
    return panel.assign(in_universe=flags)


def _name_row(bars: pd.DataFrame, row: int) -> str:
    return f"{bars['instrument'].iloc[row]} on {bars['datetime'].iloc[row]:%Y-%m-%d}"
