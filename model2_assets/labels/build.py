"""Labels: forward excess returns, and the last date that each of them looks at.

A row's signal is known at the close of its own date t. The position is entered at the
close of the instrument's own bar t + lag and left at the close of t + lag + h, so that
h = 21 means 21 bars of that instrument, however many sessions it missed. Where its bars end
before, it was delisted, and the position ends with it.
"""

import logging
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from model2_assets.config import LabelsConfig
from model2_assets.config.load import parse_section
from model2_assets.errors import LabelError, named
from model2_assets.labels.windows import (
    LONG_GAP_FACTOR,
    Fate,
    FloatArray,
    IntArray,
    OwnBars,
    Windows,
    forward_windows,
    own_bars,
    with_enough_names,
)
from model2_assets.storage.own_tables import built_table

logger = logging.getLogger(__name__)

BUILDER_KEY = "labels.builder"

_COUNTED = (
    "labels %dd: %d labelled rows, %d of them to the end of a delisted name; without a label %d "
    "too recent, %d delisted, %d with a long gap, %d on %d dates of too few names"
)


def build_labels_from_config(
    panel: pd.DataFrame, config: LabelsConfig | Mapping[str, Any]
) -> pd.DataFrame:
    r"""Compute forward returns, labels and label ends for every horizon.

    With :math:`p` the adjusted close on the instrument's own bars,

    .. math:: f_t = 10^4 \left( p_{t + lag + h} / p_{t + lag} - 1 \right)

    is the forward return in bps. The label is :math:`f_t` less its equal-weight mean over
    the rows of the same date (``excess``), clipped to the quantiles q and 1 - q of that date,
    linearly interpolated (``winsorize``), and with ``excess`` centred again: its mean is 0 on
    every date. Both look at the in-universe rows that have :math:`f_t`, so on a date with fewer
    than ``min_names`` of these none has a label.

    The label end is the first date from which on no later bar can change the label. A whole
    window's is its exit date; with ``excess`` or ``winsorize`` it is the latest of the date.

    A window whose exit lies more than 2 (h + lag) panel dates after t, because of a long gap in
    the instrument's bars, gives no label.

    An instrument whose last bar is more than ``delisted_after`` panel dates before the panel's
    end is delisted. A window that would run past it ends at the last close
    (``delisting: last_close``), which is known ``delisted_after`` + 1 dates after it; or it is
    dropped. A bar with ``delisting_return`` r ends its instrument's history at once: windows
    that would run past it end at its close times 1 + r, and later bars are of another history.
    So are those that the column ``history`` says, as after a long gap; what ends at the gap is
    delisted as well.
    Such a label ends h + lag dates after its row at the earliest, as those of names that trade
    on every date do; else the newest dates would have labels of delisted names alone.
    Where a name comes back from a gap that looked like a delisting, the rows over the gap lose
    the label that they had till then, so with ``excess`` or ``winsorize`` the label end of their
    dates is the comeback at least.

    Parameters
    ----------
    panel : DataFrame of shape (n_bars, n_columns)
        The market_data table, in any row order: ``close``; ``adjusted_close``,
        ``delisting_return`` and ``history`` where there are any, and ``in_universe`` (all True
        where absent).
        Bars of outsiders count as own bars of their instrument, but have no row in the result.
    config : LabelsConfig or mapping
        Horizons (own bars), execution lag (own bars), excess, winsorize, min_names, delisting,
        delisted_after (panel dates).

    Returns
    -------
    DataFrame of shape (n_rows, 3 * n_horizons)
        The in-universe rows in canonical order. For each horizon h ``forward_return_{h}d``
        (float64, bps), ``label_{h}d`` (float64, bps) and ``label_end_{h}d``
        (datetime64[us]); NaN and NaT where there is no label. ``attrs["counts"]`` has for each
        horizon ``labelled_rows_{h}d`` and, without a label, ``too_recent_rows_{h}d`` (no exit
        yet), ``delisted_rows_{h}d`` (before entry, or dropped), ``long_gap_rows_{h}d`` and
        ``few_names_rows_{h}d``, which add up to ``rows``; ``labelled_at_delisting_rows_{h}d``,
        whose position ended with the name, ``few_names_dates_{h}d``, and
        ``names_that_came_back``, of which ``attrs["came_back"]`` names the first.

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
    bars = own_bars(panel, delisted_after=settings.delisted_after)
    back = bars.names_that_came_back
    counts = {
        "rows": int(np.count_nonzero(bars.in_universe)),
        "names_that_came_back": len(back),
    }
    columns: dict[str, NDArray[Any]] = {}
    for horizon in settings.horizons:
        windows = forward_windows(bars, settings, horizon=horizon)
        if _is_cross_sectional(settings):
            windows = with_enough_names(windows, settings.min_names)
        found = _count(windows)
        if not found["labelled_rows"]:
            raise LabelError(_no_labels(bars, settings, found, horizon=horizon))
        label, end = _labels(windows, settings)
        columns[f"forward_return_{horizon}d"] = windows.forward_return
        columns[f"label_{horizon}d"] = label
        columns[f"label_end_{horizon}d"] = _dates_of_codes(end, bars.dates)
        counts |= {f"{name}_{horizon}d": count for name, count in found.items()}
        logger.info(_COUNTED, horizon, *found.values())
    if back:
        logger.info(
            "labels: %s came back after more than labels.delisted_after (%d) panel dates without "
            "a bar, which undoes their delisting",
            named(back),
            settings.delisted_after,
        )
    result = pd.DataFrame(columns, index=bars.index[bars.in_universe], copy=False)
    result.attrs |= {"counts": counts, "came_back": named(back) or "none"}
    return result


def make_labels(panel: pd.DataFrame, config: LabelsConfig) -> pd.DataFrame:
    """Build labels with ``labels.builder``, or ours where it is not set, in canonical order.

    LabelError is raised if all labels of a horizon are equal: a model would predict them
    perfectly, having learned nothing. Excess returns of a single instrument are all 0.
    """
    labels = labels_as_built(panel, config)
    for horizon in config.horizon_keys:
        _require_forward_return(labels, horizon)
        _refuse_equal_labels(labels, f"label_{horizon}")
    return labels


def labels_as_built(panel: pd.DataFrame, config: LabelsConfig) -> pd.DataFrame:
    """Build labels as `make_labels` does, and refuse nothing: of short history all may be equal."""
    if config.builder is None:
        return build_labels_from_config(panel, config)
    return built_table(panel, config, key=BUILDER_KEY, contract="Labels")


def _refuse_equal_labels(labels: pd.DataFrame, name: str) -> None:
    if name not in labels:
        return  # a check says so
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


def _count(windows: Windows) -> dict[str, int]:
    rows = np.bincount(windows.fate, minlength=len(Fate)).tolist()
    return {
        "labelled_rows": rows[Fate.LABELLED] + rows[Fate.AT_DELISTING],
        "labelled_at_delisting_rows": rows[Fate.AT_DELISTING],
        "too_recent_rows": rows[Fate.TOO_RECENT],
        "delisted_rows": rows[Fate.DELISTED],
        "long_gap_rows": rows[Fate.LONG_GAP],
        "few_names_rows": rows[Fate.FEW_NAMES],
        "few_names_dates": len(np.unique(windows.date[windows.fate == Fate.FEW_NAMES])),
    }


def _no_labels(
    bars: OwnBars, settings: LabelsConfig, counts: Mapping[str, int], *, horizon: int
) -> str:
    if counts["few_names_rows"]:
        return (
            f"labels.min_names: no date has {settings.min_names} names with a return over "
            f"{horizon} bars; give more instruments, lower it, or set labels.excess to false and "
            f"labels.winsorize to 0"
        )
    reach = horizon + settings.execution_lag_days
    longest = int(np.bincount(bars.own.codes).max()) if len(bars.price) else 0
    message = (
        f"labels.horizons: no row has a label over {horizon} bars with execution_lag_days "
        f"{settings.execution_lag_days}, which takes {reach + 1} bars of an instrument; the "
        f"longest history has {longest}"
    )
    if longest <= reach:
        return f"{message}: shorten the horizon or give more history"
    return (
        f"{message}, but {counts['too_recent_rows']} in-universe rows have no exit bar, "
        f"{counts['delisted_rows']} were delisted before it and {counts['long_gap_rows']} have a "
        f"gap of more than {LONG_GAP_FACTOR * reach} panel dates: shorten the horizon, fill the "
        f"gaps or widen the universe"
    )


def _labels(windows: Windows, settings: LabelsConfig) -> tuple[FloatArray, IntArray]:
    """Return labels in bps and date codes of their ends (-1: none)."""
    rows = np.flatnonzero(windows.end >= 0)
    starts = np.flatnonzero(np.diff(windows.date[rows], prepend=-1))
    sizes = np.diff(starts, append=len(rows))
    values, ends = windows.forward_return[rows], windows.end[rows]
    if settings.excess:
        values = _centred(values, starts, sizes)
    if settings.winsorize > 0:
        values = _winsorize(values, starts, sizes, quantile=settings.winsorize)
        # What is cut off a skewed cross-section moves its mean.
        values = _centred(values, starts, sizes) if settings.excess else values
    if _is_cross_sectional(settings):
        latest = np.maximum.reduceat(ends, starts)
        ends = np.repeat(np.maximum(latest, windows.settled[windows.date[rows[starts]]]), sizes)
    label, end = np.full(len(windows.end), np.nan), np.full(len(windows.end), -1, dtype=np.int64)
    label[rows], end[rows] = values, ends
    return label, end


def _is_cross_sectional(settings: LabelsConfig) -> bool:
    return settings.excess or settings.winsorize > 0


def _centred(values: FloatArray, starts: IntArray, sizes: IntArray) -> FloatArray:
    centred: FloatArray = values - np.repeat(np.add.reduceat(values, starts) / sizes, sizes)
    return centred


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
