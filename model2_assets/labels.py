"""Labels: forward excess returns, and the last date that each of them looks at.

A row's signal is known at the close of its own date t. The position is entered at the
close of the instrument's own bar t + lag and left at the close of t + lag + h, so that
h = 21 means 21 bars of that instrument, however many sessions it missed.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from model2_assets.config import LabelsConfig
from model2_assets.config.load import load_object, parse_section
from model2_assets.errors import LabelError
from model2_assets.market_data import adjusted_close
from model2_assets.panel import (
    built_table,
    checked_panel,
    date_codes,
    in_universe,
    instrument_codes,
    row_name,
)

logger = logging.getLogger(__name__)

BPS = 1e4
LONG_GAP_FACTOR = 2
BUILDER_KEY = "labels.builder"

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]


def build_labels_from_config(
    panel: pd.DataFrame, config: LabelsConfig | Mapping[str, Any]
) -> pd.DataFrame:
    r"""Compute forward returns, labels and label ends for every horizon.

    With :math:`p` the adjusted close on the instrument's own bars,

    .. math:: f_t = 10^4 \left( p_{t + lag + h} / p_{t + lag} - 1 \right)

    is the forward return in bps. The label is :math:`f_t` less its equal-weight mean over
    the rows of the same date (``excess``), then clipped to the quantiles q and 1 - q of that
    date, linearly interpolated (``winsorize``). Both look at the in-universe rows that have
    :math:`f_t`, so with either of them on, the label of a row looks as far ahead as the
    furthest of these rows: its label end is the latest exit date among them. Otherwise it is
    the row's own exit date.

    A window whose exit lies more than 2 (h + lag) panel dates after t, because of a long gap in
    the instrument's bars, gives no label.

    Parameters
    ----------
    panel : DataFrame of shape (n_bars, n_columns)
        The market_data table, in any row order: ``close``, ``adjusted_close`` where there is
        one, and ``in_universe`` (all True where absent). Bars of outsiders count as own
        bars of their instrument, but have no row in the result.
    config : LabelsConfig or mapping
        Horizons (own bars), execution lag (own bars), excess, winsorize.

    Returns
    -------
    DataFrame of shape (n_rows, 3 * n_horizons)
        The in-universe rows in canonical order. For each horizon h ``forward_return_{h}d``
        (float64, bps), ``label_{h}d`` (float64, bps) and ``label_end_{h}d``
        (datetime64[us]); NaN and NaT where there is no label. ``attrs["counts"]`` has
        ``rows`` and for each horizon ``labelled_rows_{h}d``, ``too_recent_rows_{h}d`` (no exit
        bar yet, or delisted before it), ``long_gap_rows_{h}d``, which add up to ``rows``, and
        ``single_name_dates_{h}d``, dates of a single labelled row, whose excess is 0.

    Raises
    ------
    LabelError
        If the panel has no such index, duplicate rows or closes that are not positive and
        finite, or if no row has a label of some horizon.
    ConfigError
        If `config` has an unknown key or an impossible value.

    Examples
    --------
    >>> index = pd.MultiIndex.from_product(
    ...     [["A"], pd.to_datetime(["2024-01-02", "2024-01-03", "2024-01-04"])],
    ...     names=["instrument", "datetime"],
    ... )
    >>> panel = pd.DataFrame({"close": [100.0, 100.0, 101.0]}, index=index)
    >>> settings = {"horizons": [1], "execution_lag_days": 1, "excess": False, "winsorize": 0}
    >>> build_labels_from_config(panel, settings)["label_1d"].round(6).tolist()
    [100.0, nan, nan]
    """
    settings = parse_section(LabelsConfig, config, origin="labels")
    bars = _own_bars(panel)
    counts = {"rows": int(np.count_nonzero(bars.in_universe))}
    columns: dict[str, NDArray[Any]] = {}
    for horizon in settings.horizons:
        windows = _windows(bars, horizon=horizon, lag=settings.execution_lag_days)
        label, end, n_single_name_dates = _labels(windows, settings)
        columns[f"forward_return_{horizon}d"] = windows.forward_return
        columns[f"label_{horizon}d"] = label
        columns[f"label_end_{horizon}d"] = _dates_of_codes(end, bars.dates)
        found = {**windows.counts, "single_name_dates": n_single_name_dates}
        counts |= {f"{name}_{horizon}d": count for name, count in found.items()}
        logger.info(
            "labels %dd: %d labelled rows, %d without an exit bar (too recent or delisted), %d "
            "with a long gap, %d dates of a single name",
            horizon,
            *found.values(),
        )
    result = pd.DataFrame(columns, index=bars.index[bars.in_universe], copy=False)
    result.attrs["counts"] = counts
    return result


def make_labels(panel: pd.DataFrame, config: LabelsConfig) -> pd.DataFrame:
    """Build labels with ``labels.builder``, or ours where it is not set, in canonical order.

    LabelError is raised if all labels of a horizon are equal: a model would predict them
    perfectly, having learned nothing. Excess returns of a single instrument are all 0.
    """
    own = config.builder and load_object(config.builder, key=BUILDER_KEY)
    labels = built_table(own or build_labels_from_config, panel, config, key=BUILDER_KEY)
    for horizon in config.horizon_keys:
        _require_forward_return(labels, horizon)
        _refuse_equal_labels(labels, f"label_{horizon}")
    return labels


def _refuse_equal_labels(labels: pd.DataFrame, name: str) -> None:
    named = labels.loc[:, labels.columns == name]
    if named.shape[1] != 1 or not pd.api.types.is_numeric_dtype(named.dtypes.iloc[0]):
        return  # the contract says so
    known = labels[name].dropna()
    dates = known.index.get_level_values("datetime")
    if dates.nunique() < 2 or np.ptp(known.to_numpy(dtype=np.float64)) > 0:
        return
    cause = "prices never move, or all move alike: correct them"
    if dates.is_unique:
        cause = "no date has more than one instrument: give more, or set labels.excess to false"
    raise LabelError(
        f"labels: all {len(known):,} values of {name} are {known.iloc[0]:g} bps, which leaves "
        f"nothing to learn; {cause}"
    )


def realized_returns(labels: pd.DataFrame, horizon: str, *, excess: bool) -> pd.Series:
    """Return what every labelled row earned over its horizon, never winsorized.

    What speaks of returns is scored on these (IC, rank IC, quantile returns, their spread and its
    Sharpe ratio), what speaks of the fit on labels: clipped returns tie, and their spread is
    larger or smaller than what was earned.

    Parameters
    ----------
    labels : DataFrame of shape (n_rows, n_columns)
        The labels table, in any row order: ``forward_return_{horizon}`` (bps, the return to the
        label's own exit) and ``label_{horizon}``.
    horizon : str
        Such as ``21d``.
    excess : bool
        Whether to subtract the equal-weight mean of the date's labelled rows, as
        ``labels.excess`` does.

    Returns
    -------
    Series of shape (n_rows,), float64
        ``realized_{horizon}`` in bps, in the order of `labels`; NaN where the label is missing.

    Raises
    ------
    LabelError
        If the table has no forward return of the horizon.

    Examples
    --------
    >>> from model2_assets.panel import panel_index
    >>> index = panel_index(list("ABC"), ["2024-01-02"] * 3)
    >>> columns = {"forward_return_1d": [-300.0, 100.0, 50.0], "label_1d": [-50.0, 50.0, None]}
    >>> labels = pd.DataFrame(columns, index=index)
    >>> realized_returns(labels, "1d", excess=True).tolist()
    [-200.0, 200.0, nan]
    """
    _require_forward_return(labels, horizon)
    earned = labels[f"forward_return_{horizon}"].where(labels[f"label_{horizon}"].notna())
    if excess:
        earned = earned - earned.groupby(level="datetime").transform("mean")
    return earned.rename(f"realized_{horizon}")


def _require_forward_return(labels: pd.DataFrame, horizon: str) -> None:
    name = f"forward_return_{horizon}"
    if name not in labels.columns:
        raise LabelError(
            f"labels: the table has no column {name!r}, on which returns are scored; let "
            f"{BUILDER_KEY} supply it: the return from entry to the label's own exit, in bps, "
            f"neither in excess of anything nor winsorized"
        )


@dataclass(frozen=True)
class _OwnBars:
    """Bars in canonical order, and the way to each instrument's own sequence of them."""

    index: pd.MultiIndex
    dates: pd.DatetimeIndex
    date: IntArray  # position of each bar's date in `dates`
    in_universe: BoolArray
    by_instrument: NDArray[np.intp]  # bars, instrument after instrument, each by date
    instrument: IntArray  # codes, in the order of `by_instrument`
    price: FloatArray  # adjusted closes, in the order of `by_instrument`


def _own_bars(panel: pd.DataFrame) -> _OwnBars:
    panel = checked_panel(panel, LabelError, what="labels")
    index = panel.index
    assert isinstance(index, pd.MultiIndex)
    price = np.asarray(adjusted_close(panel), dtype=np.float64)
    _refuse_impossible(price, index)
    instruments, dates = instrument_codes(index), date_codes(index)
    # Stable sorts of 16-bit integers are radix sorts: five times faster at a million rows.
    narrow = np.uint16 if len(instruments.values) <= 2**16 else np.int64
    by_instrument = np.argsort(instruments.codes.astype(narrow), kind="stable")
    return _OwnBars(
        index=index,
        dates=pd.DatetimeIndex(dates.values),
        date=dates.codes,
        in_universe=in_universe(panel),
        by_instrument=by_instrument,
        instrument=instruments.codes[by_instrument],
        price=price[by_instrument],
    )


def _refuse_impossible(price: FloatArray, index: pd.MultiIndex) -> None:
    impossible = ~((price > 0) & np.isfinite(price))
    if impossible.any():
        row = int(np.flatnonzero(impossible)[0])
        raise LabelError(
            f"labels: the close of {row_name(index, row)} is {price[row]:g}; remove the row or "
            f"correct the price"
        )


@dataclass(frozen=True)
class _Windows:
    """Forward windows of the in-universe rows, in canonical order."""

    forward_return: FloatArray  # bps; NaN where there is no window
    end: IntArray  # date code of the exit; -1 where there is no window
    date: IntArray  # date code of the row
    counts: dict[str, int]  # rows that are labelled, too recent, or have a long gap


def _windows(bars: _OwnBars, *, horizon: int, lag: int) -> _Windows:
    reach = lag + horizon
    n_starts = max(len(bars.price) - reach, 0)
    start = np.arange(n_starts)
    start = start[bars.instrument[:n_starts] == bars.instrument[reach:]]
    row, exit_row = bars.by_instrument[start], bars.by_instrument[start + reach]

    end = np.full(len(bars.price), -1, dtype=np.int64)
    end[row] = bars.date[exit_row]
    forward_return = np.full(len(bars.price), np.nan)
    forward_return[row] = BPS * (bars.price[start + reach] / bars.price[start + lag] - 1.0)

    is_too_recent = (end < 0) & bars.in_universe
    is_long = (end - bars.date > LONG_GAP_FACTOR * reach) & bars.in_universe
    end[is_long] = -1
    forward_return[is_long] = np.nan
    counts = {
        "labelled_rows": int(np.count_nonzero(end[bars.in_universe] >= 0)),
        "too_recent_rows": int(np.count_nonzero(is_too_recent)),
        "long_gap_rows": int(np.count_nonzero(is_long)),
    }
    if not counts["labelled_rows"]:
        raise LabelError(_no_labels(bars, counts, horizon=horizon, lag=lag))
    return _Windows(
        forward_return=forward_return[bars.in_universe],
        end=end[bars.in_universe],
        date=bars.date[bars.in_universe],
        counts=counts,
    )


def _no_labels(bars: _OwnBars, counts: Mapping[str, int], *, horizon: int, lag: int) -> str:
    longest = int(np.bincount(bars.instrument).max()) if len(bars.instrument) else 0
    needed = horizon + lag + 1
    message = (
        f"labels.horizons: no row has a label over {horizon} bars with execution_lag_days {lag}, "
        f"which takes {needed} bars of an instrument; the longest history has {longest}"
    )
    if longest < needed:
        return f"{message}: shorten the horizon or give more history"
    return (
        f"{message}, but {counts['too_recent_rows']} in-universe rows have no exit bar and "
        f"{counts['long_gap_rows']} have a gap of more than {LONG_GAP_FACTOR * (horizon + lag)} "
        f"panel dates: shorten the horizon, fill the gaps or widen the universe"
    )


def _labels(windows: _Windows, settings: LabelsConfig) -> tuple[FloatArray, IntArray, int]:
    """Return labels in bps, date codes of their ends (-1: none), and dates of a single name."""
    rows = np.flatnonzero(windows.end >= 0)
    starts = np.flatnonzero(np.diff(windows.date[rows], prepend=-1))
    sizes = np.diff(starts, append=len(rows))
    values, ends = windows.forward_return[rows], windows.end[rows]
    if settings.excess:
        values = values - np.repeat(np.add.reduceat(values, starts) / sizes, sizes)
    if settings.winsorize > 0:
        values = _winsorize(values, starts, sizes, quantile=settings.winsorize)
    if settings.excess or settings.winsorize > 0:
        ends = np.repeat(np.maximum.reduceat(ends, starts), sizes)
    label, end = np.full(len(windows.end), np.nan), np.full(len(windows.end), -1, dtype=np.int64)
    label[rows], end[rows] = values, ends
    return label, end, int(np.count_nonzero(sizes == 1))


def _winsorize(
    values: FloatArray, starts: IntArray, sizes: IntArray, *, quantile: float
) -> FloatArray:
    """Clip the values of each date to the quantiles q and 1 - q of that date."""
    ordered = values.copy()
    for first, size in zip(starts, sizes, strict=True):
        ordered[first : first + size].sort()
    low = _quantiles(ordered, starts, sizes, quantile)
    high = _quantiles(ordered, starts, sizes, 1.0 - quantile)
    clipped: FloatArray = np.clip(values, np.repeat(low, sizes), np.repeat(high, sizes))
    return clipped


def _quantiles(
    ordered: FloatArray, starts: IntArray, sizes: IntArray, quantile: float
) -> FloatArray:
    """Interpolate linearly between order statistics, to the bit as ``numpy.quantile`` does.

    Definition 7 of Hyndman and Fan (1996), Sample quantiles in statistical packages, The
    American Statistician 50(4), with numpy's choice of the end to interpolate from.
    """
    position = quantile * (sizes - 1)
    below = np.floor(position).astype(np.int64)
    weight = position - below
    low = ordered[starts + below]
    high = ordered[starts + np.minimum(below + 1, sizes - 1)]
    step = high - low
    interpolated: FloatArray = np.where(
        weight < 0.5, low + step * weight, high - step * (1.0 - weight)
    )
    return interpolated


def _dates_of_codes(codes: IntArray, dates: pd.DatetimeIndex) -> NDArray[np.datetime64]:
    known = dates.to_numpy(dtype="datetime64[us]")
    return np.append(known, np.datetime64("NaT", "us"))[codes]  # the code of no date is -1
