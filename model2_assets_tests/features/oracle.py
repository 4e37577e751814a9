"""The 158 definitions written down a second time, window by window, for comparison.

Plain pandas for what Qlib leaves to pandas; long doubles and two passes for everything that
sums squares or products, so that the oracle is more exact than what it judges.
"""

from collections.abc import Callable

import numpy as np
import pandas as pd

WINDOWS = (5, 10, 20, 30, 60)

Window = np.ndarray


def alpha158_of_instrument(bars: pd.DataFrame) -> pd.DataFrame:
    """Features of one instrument's bars in ascending order, float64."""
    open_, high, low = bars["open"], bars["high"], bars["low"]
    close, volume, vwap = bars["close"], bars["volume"], bars["vwap"]
    body_top = pd.Series(np.maximum(open_, close), index=bars.index)
    body_bottom = pd.Series(np.minimum(open_, close), index=bars.index)
    span = high - low + 1e-12
    shift = 2 * close - high - low
    out = {
        "KMID": (close - open_) / open_,
        "KLEN": (high - low) / open_,
        "KMID2": (close - open_) / span,
        "KUP": (high - body_top) / open_,
        "KUP2": (high - body_top) / span,
        "KLOW": (body_bottom - low) / open_,
        "KLOW2": (body_bottom - low) / span,
        "KSFT": shift / open_,
        "KSFT2": shift / span,
        "OPEN0": open_ / close,
        "HIGH0": high / close,
        "LOW0": low / close,
        "VWAP0": vwap / close,
    }
    previous, previous_volume = close.shift(1), volume.shift(1)
    change, volume_change = close - previous, volume - previous_volume
    ratio = close / previous
    weighted = (ratio - 1).abs() * volume
    with np.errstate(all="ignore"):
        log_volume = finite(np.log(volume + 1))
        log_volume_ratio = finite(np.log(volume / previous_volume + 1))
    families: dict[str, Callable[[int], pd.Series]] = {
        "ROC": lambda d: close.shift(d) / close,
        "MA": lambda d: each(mean, d, close) / close,
        "STD": lambda d: each(std, d, close) / close,
        "BETA": lambda d: each(slope, d, close) / close,
        "RSQR": lambda d: each(r_squared, d, close),
        "RESI": lambda d: each(residual, d, close) / close,
        "MAX": lambda d: rolling(high, d).max() / close,
        "MIN": lambda d: rolling(low, d).min() / close,
        "QTLU": lambda d: rolling(close, d).quantile(0.8) / close,
        "QTLD": lambda d: rolling(close, d).quantile(0.2) / close,
        "RANK": lambda d: rolling(close, d).rank(pct=True),
        "RSV": lambda d: (
            (close - rolling(low, d).min())
            / (rolling(high, d).max() - rolling(low, d).min() + 1e-12)
        ),
        "IMAX": lambda d: each(first_highest, d, high) / d,
        "IMIN": lambda d: each(first_lowest, d, low) / d,
        "IMXD": lambda d: (each(first_highest, d, high) - each(first_lowest, d, low)) / d,
        "CORR": lambda d: correlation(close, log_volume, d, flat_left=relative_flat),
        "CORD": lambda d: correlation(finite(ratio), log_volume_ratio, d, flat_left=flat),
        "CNTP": lambda d: rolling((close > previous).astype(float), d).mean(),
        "CNTN": lambda d: rolling((close < previous).astype(float), d).mean(),
        "CNTD": lambda d: (
            rolling((close > previous).astype(float), d).mean()
            - rolling((close < previous).astype(float), d).mean()
        ),
        "SUMP": lambda d: share(change.clip(lower=0), change, d),
        "SUMN": lambda d: share((-change).clip(lower=0), change, d),
        "SUMD": lambda d: share(change, change, d),
        "VMA": lambda d: each(mean, d, volume) / (volume + 1e-12),
        "VSTD": lambda d: each(std, d, volume) / (volume + 1e-12),
        "WVMA": lambda d: (
            each(std, d, finite(weighted)) / (each(mean, d, finite(weighted)) + 1e-12)
        ),
        "VSUMP": lambda d: share(volume_change.clip(lower=0), volume_change, d),
        "VSUMN": lambda d: share((-volume_change).clip(lower=0), volume_change, d),
        "VSUMD": lambda d: share(volume_change, volume_change, d),
    }
    for name, family in families.items():
        for d in WINDOWS:
            out[f"{name}{d}"] = family(d)
    return pd.DataFrame({name: finite(values) for name, values in out.items()})


def alpha158(panel: pd.DataFrame) -> pd.DataFrame:
    """Features of a panel, float64, sorted by datetime, then instrument."""
    parts = [
        alpha158_of_instrument(bars.sort_index(level="datetime"))
        for _, bars in panel.groupby(level="instrument")
    ]
    return pd.concat(parts).sort_index(level=["datetime", "instrument"])


def finite(series: pd.Series) -> pd.Series:
    return series.where(np.isfinite(series))


def rolling(series: pd.Series, d: int) -> pd.api.typing.Rolling:
    return series.rolling(d, min_periods=1)


def share(part: pd.Series, change: pd.Series, d: int) -> pd.Series:
    return each(total, d, part) / (each(total, d, change.abs()) + 1e-12)


def each(function: Callable[[Window], float], d: int, series: pd.Series) -> pd.Series:
    """Apply a function to the last d values up to each bar."""
    values = series.to_numpy().astype(np.longdouble)
    results = [function(values[max(t - d + 1, 0) : t + 1]) for t in range(len(values))]
    return pd.Series(np.array(results, dtype=float), index=series.index)


def known(window: Window) -> Window:
    return window[~np.isnan(window)]


def total(window: Window) -> float:
    return known(window).sum() if len(known(window)) else np.nan


def mean(window: Window) -> float:
    return known(window).mean() if len(known(window)) else np.nan


def std(window: Window) -> float:
    return known(window).std(ddof=1) if len(known(window)) > 1 else np.nan


def flat(window: Window) -> bool:
    return not std(window) > 2e-5


def relative_flat(window: Window) -> bool:
    return not std(window) > 2e-5 * abs(mean(window))


def line(window: Window) -> tuple[float, float, float]:
    """Slope, intercept and R squared of the least-squares line through the known values."""
    there = ~np.isnan(window)
    x, y = np.flatnonzero(there).astype(np.longdouble), window[there]
    if len(y) < 2:
        return np.nan, np.nan, np.nan
    dx, dy = x - x.mean(), y - y.mean()
    slope_ = (dx * dy).sum() / (dx * dx).sum()
    variation = (dy * dy).sum()
    fit = (dx * dy).sum() ** 2 / ((dx * dx).sum() * variation) if variation > 0 else np.nan
    return slope_, y.mean() - slope_ * x.mean(), fit


def slope(window: Window) -> float:
    return line(window)[0]


def r_squared(window: Window) -> float:
    return np.nan if relative_flat(window) else line(window)[2]


def residual(window: Window) -> float:
    slope_, intercept, _ = line(window)
    return window[-1] - (intercept + slope_ * (len(window) - 1))


def first_highest(window: Window) -> float:
    return np.nanargmax(window) + 1 if len(known(window)) else np.nan


def first_lowest(window: Window) -> float:
    return np.nanargmin(window) + 1 if len(known(window)) else np.nan


def correlation(
    left: pd.Series, right: pd.Series, d: int, *, flat_left: Callable[[Window], bool]
) -> pd.Series:
    pairs = np.column_stack([left, right]).astype(np.longdouble)

    def of_window(window: Window) -> float:
        a, b = window[~np.isnan(window).any(axis=1)].T
        if flat_left(a) or flat(b):
            return np.nan
        da, db = a - a.mean(), b - b.mean()
        return (da * db).sum() / np.sqrt((da * da).sum() * (db * db).sum())

    results = [of_window(pairs[max(t - d + 1, 0) : t + 1]) for t in range(len(pairs))]
    return pd.Series(np.array(results, dtype=float), index=left.index)
