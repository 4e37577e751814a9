"""Compiled kernels of the Alpha158 features."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar, cast

import joblib
import numpy as np
from numba import njit
from numpy.typing import NDArray

Function = TypeVar("Function", bound=Callable[..., Any])


def compiled(function: Function) -> Function:
    """Compile a function to machine code when it is first called, cached on disk if it can be.

    It releases the interpreter lock (so that threads run side by side), divides by zero as
    IEEE 754 says (no exception), and keeps the order of floating-point operations as written
    (no ``fastmath``), so that results are equal to the bit in every run on the same machine.
    Its callees must lie in the same file: the cache is renewed when that file changes, not
    when another one does.
    """
    try:
        return cast(Function, njit(cache=True, nogil=True, error_model="numpy")(function))
    except RuntimeError:  # no folder can be written, as in a read-only image
        return cast(Function, njit(nogil=True, error_model="numpy")(function))


def for_each_chunk(
    task: Callable[[int, int], None], n_items: int, *, chunk_size: int, n_threads: int | None
) -> None:
    """Call ``task(first, stop)`` for consecutive chunks of items, in threads.

    Calls must write to disjoint memory, and gain from threads as far as they release the
    interpreter lock. Without a number of threads, there is one per usable core.
    """
    firsts = range(0, n_items, chunk_size)
    stops = [min(first + chunk_size, n_items) for first in firsts]
    with ThreadPoolExecutor(n_threads or joblib.cpu_count()) as pool:
        for _ in pool.map(task, firsts, stops):
            pass  # an error of a task is raised here


Float64s = NDArray[np.float64]
Float32s = NDArray[np.float32]
Int64s = NDArray[np.int64]

WINDOWS = (5, 10, 20, 30, 60)
"""Lengths of the rolling windows, own bars of the instrument."""

OPEN, HIGH, LOW, CLOSE, VOLUME, VWAP = range(6)
"""Rows of the array of bars."""

N_BAR_COLUMNS = 6
N_FEATURES = 158
N_WINDOWS = len(WINDOWS)
LONGEST = WINDOWS[-1]

KMID, KLEN, KMID2, KUP, KUP2, KLOW, KLOW2, KSFT, KSFT2, OPEN0, HIGH0, LOW0, VWAP0 = range(13)
ROC, MA, STD, BETA, RSQR, RESI, MAX, MIN, QTLU, QTLD = range(13, 63, N_WINDOWS)
RANK, RSV, IMAX, IMIN, IMXD, CORR, CORD, CNTP, CNTN, CNTD = range(63, 113, N_WINDOWS)
SUMP, SUMN, SUMD, VMA, VSTD, WVMA, VSUMP, VSUMN, VSUMD = range(113, N_FEATURES, N_WINDOWS)
"""Positions of the features; of a rolling feature, the position of its shortest window."""

EPSILON = 1e-12
"""Qlib adds it to denominators that may be zero."""

FLAT = 2e-5
"""Standard deviation up to which Qlib calls a series constant."""

FLOAT32_MAX = float(np.finfo(np.float32).max)


@compiled
def compute_alpha158(
    bars: Float64s,
    starts: Int64s,
    targets: Int64s,
    selected: Int64s,
    features: Float32s,
) -> None:
    """Compute features of consecutive instruments into the rows of a table.

    `bars` (6, n_bars) are open, high, low, close, volume, vwap, NaN where missing; those of an
    instrument are neighbours, by date, and begin at `starts` (n_instruments + 1,). The features
    at the positions `selected` (n_selected,) of the catalogue go to the row of `features`
    (n_rows, n_selected) that `targets` (n_bars,) names, -1: nowhere. A value that is not
    finite in float32 becomes NaN.
    """
    row = np.empty(N_FEATURES)
    moments = np.empty((2, N_WINDOWS))
    sorted_closes = np.empty((N_WINDOWS, LONGEST))
    for instrument in range(len(starts) - 1):
        start, stop = starts[instrument], starts[instrument + 1]
        own = bars[:, start:stop]
        derived = _derive(own)
        counts = np.zeros(N_WINDOWS, dtype=np.int64)
        has_range = not (np.isnan(own[HIGH]).all() and np.isnan(own[LOW]).all())
        has_volume = not np.isnan(own[VOLUME]).all()
        for t in range(stop - start):
            _slide_sorted(own[CLOSE], t, sorted_closes, counts)
            if targets[start + t] >= 0:
                row[:] = np.nan
                _bar_features(own, t, row)
                _close_features(own[CLOSE], derived[CLOSE_CHANGE], t, row)
                _quantile_features(own[CLOSE, t], sorted_closes, counts, row)
                if has_range:
                    _extreme_features(own, t, row)
                if has_volume:
                    _volume_features(own, derived, t, moments, row)
                _store(row, selected, features[targets[start + t]])


@compiled
def _store(row: Float64s, selected: Int64s, target: Float32s) -> None:
    for position in range(len(selected)):
        value = row[selected[position]]
        target[position] = value if abs(value) <= FLOAT32_MAX else np.nan


CLOSE_CHANGE, CLOSE_RATIO, VOLUME_CHANGE, LOG_VOLUME, LOG_VOLUME_RATIO, WEIGHTED_RETURN = range(6)
"""Rows of the array of derived series."""


@compiled
def _derive(own: Float64s) -> Float64s:
    close, volume = own[CLOSE], own[VOLUME]
    derived = np.full((6, own.shape[1]), np.nan)
    for t in range(own.shape[1]):
        derived[LOG_VOLUME, t] = _finite(np.log(volume[t] + 1.0))
        if t > 0:
            ratio = close[t] / close[t - 1]
            derived[CLOSE_CHANGE, t] = close[t] - close[t - 1]
            derived[CLOSE_RATIO, t] = _finite(ratio)
            derived[VOLUME_CHANGE, t] = volume[t] - volume[t - 1]
            derived[LOG_VOLUME_RATIO, t] = _finite(np.log(volume[t] / volume[t - 1] + 1.0))
            derived[WEIGHTED_RETURN, t] = _finite(abs(ratio - 1.0) * volume[t])
    return derived


@compiled
def _finite(value: float) -> float:
    return value if abs(value) < np.inf else np.nan


@compiled
def _latest(series: Float64s, t: int) -> float:
    """Return the most recent value among the last 60, NaN if there is none."""
    for back in range(min(LONGEST, t + 1)):
        if not np.isnan(series[t - back]):
            return float(series[t - back])
    return np.nan


# --- the row's own bar -------------------------------------------------------------------


@compiled
def _bar_features(own: Float64s, t: int, row: Float64s) -> None:
    open_, high, low, close = own[OPEN, t], own[HIGH, t], own[LOW, t], own[CLOSE, t]
    length = high - low
    upper = high - np.maximum(open_, close)
    lower = np.minimum(open_, close) - low
    shift = 2.0 * close - high - low
    row[KMID] = (close - open_) / open_
    row[KLEN] = length / open_
    row[KMID2] = (close - open_) / (length + EPSILON)
    row[KUP] = upper / open_
    row[KUP2] = upper / (length + EPSILON)
    row[KLOW] = lower / open_
    row[KLOW2] = lower / (length + EPSILON)
    row[KSFT] = shift / open_
    row[KSFT2] = shift / (length + EPSILON)
    row[OPEN0] = open_ / close
    row[HIGH0] = high / close
    row[LOW0] = low / close
    row[VWAP0] = own[VWAP, t] / close


# --- closes ------------------------------------------------------------------------------


@compiled
def _close_features(close: Float64s, change: Float64s, t: int, row: Float64s) -> None:
    for i in range(N_WINDOWS):
        if t >= WINDOWS[i]:
            row[ROC + i] = close[t - WINDOWS[i]] / close[t]
    _trend_features(close, t, row)
    _rank_features(close, t, row)
    _count_features(change, t, row)
    _change_features(change, t, row[SUMP:])


@compiled
def _trend_features(close: Float64s, t: int, row: Float64s) -> None:
    base = _latest(close, t)
    n = x_sum = xx_sum = d_sum = dd_sum = xd_sum = 0.0
    back = 0
    for i in range(N_WINDOWS):
        while back < min(WINDOWS[i], t + 1):
            d = close[t - back] - base
            if not np.isnan(d):
                x = -float(back)
                n += 1.0
                x_sum += x
                xx_sum += x * x
                d_sum += d
                dd_sum += d * d
                xd_sum += x * d
            back += 1
        sxx = xx_sum - x_sum * x_sum / n
        sxd = xd_sum - x_sum * d_sum / n
        sdd = max(dd_sum - d_sum * d_sum / n, 0.0)
        slope = sxd / sxx
        std = np.sqrt(sdd / (n - 1.0))
        mean = base + d_sum / n
        row[MA + i] = mean / close[t]
        row[STD + i] = std / close[t]
        row[BETA + i] = slope / close[t]
        if std > FLAT * abs(mean):
            row[RSQR + i] = min(slope * sxd / sdd, 1.0)
        line = mean - slope * x_sum / n
        row[RESI + i] = (close[t] - line) / close[t]


@compiled
def _rank_features(close: Float64s, t: int, row: Float64s) -> None:
    latest = close[t]
    if np.isnan(latest):
        return
    below = equal = above = 0
    back = 0
    for i in range(N_WINDOWS):
        while back < min(WINDOWS[i], t + 1):
            value = close[t - back]
            below += value < latest
            equal += value == latest
            above += value > latest
            back += 1
        row[RANK + i] = (below + (equal + 1) / 2) / (below + equal + above)


@compiled
def _count_features(change: Float64s, t: int, row: Float64s) -> None:
    up = down = 0
    back = 0
    for i in range(N_WINDOWS):
        while back < min(WINDOWS[i], t + 1):
            up += change[t - back] > 0.0
            down += change[t - back] < 0.0
            back += 1
        row[CNTP + i] = up / back
        row[CNTN + i] = down / back
        row[CNTD + i] = (up - down) / back


@compiled
def _change_features(change: Float64s, t: int, out: Float64s) -> None:
    """Write the shares of rises, of falls and their difference, one after the other."""
    n = 0
    up = down = 0.0
    back = 0
    for i in range(N_WINDOWS):
        while back < min(WINDOWS[i], t + 1):
            value = change[t - back]
            if not np.isnan(value):
                n += 1
                up += max(value, 0.0)
                down += max(-value, 0.0)
            back += 1
        if n > 0:
            total = up + down + EPSILON
            out[i] = up / total
            out[N_WINDOWS + i] = down / total
            out[2 * N_WINDOWS + i] = (up - down) / total


# --- sorted windows ----------------------------------------------------------------------


@compiled
def _slide_sorted(series: Float64s, t: int, sorted_values: Float64s, counts: Int64s) -> None:
    """Move every sorted window one bar on, to end at bar t."""
    for i in range(N_WINDOWS):
        leaving = series[t - WINDOWS[i]] if t >= WINDOWS[i] else np.nan
        counts[i] = _replace(sorted_values[i], counts[i], leaving, series[t])


@compiled
def _replace(values: Float64s, n: int, leaving: float, entering: float) -> int:
    """Replace a value of a sorted array, where NaN stands for none; return the new length."""
    hole = n
    if not np.isnan(leaving):
        hole = int(np.searchsorted(values[:n], leaving))
        n -= 1
        if np.isnan(entering):
            for j in range(hole, n):
                values[j] = values[j + 1]
    if np.isnan(entering):
        return n
    while hole < n and values[hole + 1] < entering:
        values[hole] = values[hole + 1]
        hole += 1
    while hole > 0 and values[hole - 1] > entering:
        values[hole] = values[hole - 1]
        hole -= 1
    values[hole] = entering
    return n + 1


@compiled
def _quantile_features(close: float, windows: Float64s, counts: Int64s, row: Float64s) -> None:
    for i in range(N_WINDOWS):
        row[QTLU + i] = _quantile(windows[i], counts[i], 0.8) / close
        row[QTLD + i] = _quantile(windows[i], counts[i], 0.2) / close


@compiled
def _quantile(values: Float64s, n: int, level: float) -> float:
    """Interpolate linearly between the order statistics around ``level * (n - 1)``."""
    if n == 0:
        return np.nan
    position = level * (n - 1)
    below = int(position)
    if below + 1 >= n:
        return float(values[n - 1])
    return float(values[below] + (values[below + 1] - values[below]) * (position - below))


# --- highs and lows ----------------------------------------------------------------------


@compiled
def _extreme_features(own: Float64s, t: int, row: Float64s) -> None:
    high, low, close = own[HIGH], own[LOW], own[CLOSE, t]
    highest = lowest = np.nan
    highest_back = lowest_back = np.nan
    back = 0
    for i in range(N_WINDOWS):
        while back < min(WINDOWS[i], t + 1):
            # A tie goes to the earlier bar, as with argmax.
            top, bottom = high[t - back], low[t - back]
            if not np.isnan(top) and not top < highest:
                highest, highest_back = top, float(back)
            if not np.isnan(bottom) and not bottom > lowest:
                lowest, lowest_back = bottom, float(back)
            back += 1
        row[MAX + i] = highest / close
        row[MIN + i] = lowest / close
        row[RSV + i] = (close - lowest) / (highest - lowest + EPSILON)
        row[IMAX + i] = (back - highest_back) / WINDOWS[i]
        row[IMIN + i] = (back - lowest_back) / WINDOWS[i]
        row[IMXD + i] = (lowest_back - highest_back) / WINDOWS[i]


# --- volume ------------------------------------------------------------------------------


@compiled
def _volume_features(
    own: Float64s, derived: Float64s, t: int, moments: Float64s, row: Float64s
) -> None:
    close, volume = own[CLOSE], own[VOLUME]
    mean, std = moments[0], moments[1]
    _correlation_features(close, derived[LOG_VOLUME], t, True, row[CORR:])
    _correlation_features(derived[CLOSE_RATIO], derived[LOG_VOLUME_RATIO], t, False, row[CORD:])
    _moments(volume, t, mean, std)
    for i in range(N_WINDOWS):
        row[VMA + i] = mean[i] / (volume[t] + EPSILON)
        row[VSTD + i] = std[i] / (volume[t] + EPSILON)
    _moments(derived[WEIGHTED_RETURN], t, mean, std)
    for i in range(N_WINDOWS):
        row[WVMA + i] = std[i] / (mean[i] + EPSILON)
    _change_features(derived[VOLUME_CHANGE], t, row[VSUMP:])


@compiled
def _moments(series: Float64s, t: int, mean: Float64s, std: Float64s) -> None:
    base = _latest(series, t)
    n = d_sum = dd_sum = 0.0
    back = 0
    for i in range(N_WINDOWS):
        while back < min(WINDOWS[i], t + 1):
            d = series[t - back] - base
            if not np.isnan(d):
                n += 1.0
                d_sum += d
                dd_sum += d * d
            back += 1
        mean[i] = base + d_sum / n
        std[i] = np.sqrt(max(dd_sum - d_sum * d_sum / n, 0.0) / (n - 1.0))


@compiled
def _correlation_features(
    left: Float64s, right: Float64s, t: int, left_is_price: bool, out: Float64s
) -> None:
    left_base, right_base = _latest_pair(left, right, t)
    n = a_sum = b_sum = aa_sum = bb_sum = ab_sum = 0.0
    back = 0
    for i in range(N_WINDOWS):
        while back < min(WINDOWS[i], t + 1):
            a, b = left[t - back] - left_base, right[t - back] - right_base
            if not (np.isnan(a) or np.isnan(b)):
                n += 1.0
                a_sum += a
                b_sum += b
                aa_sum += a * a
                bb_sum += b * b
                ab_sum += a * b
            back += 1
        saa = max(aa_sum - a_sum * a_sum / n, 0.0)
        sbb = max(bb_sum - b_sum * b_sum / n, 0.0)
        sab = ab_sum - a_sum * b_sum / n
        scale = abs(left_base + a_sum / n) if left_is_price else 1.0
        if np.sqrt(saa / (n - 1.0)) > FLAT * scale and np.sqrt(sbb / (n - 1.0)) > FLAT:
            out[i] = min(max(sab / np.sqrt(saa) / np.sqrt(sbb), -1.0), 1.0)


@compiled
def _latest_pair(left: Float64s, right: Float64s, t: int) -> tuple[float, float]:
    for back in range(min(LONGEST, t + 1)):
        if not (np.isnan(left[t - back]) or np.isnan(right[t - back])):
            return float(left[t - back]), float(right[t - back])
    return np.nan, np.nan
