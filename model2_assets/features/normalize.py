"""Cross-sectional normalization: each date's values are compared with that date's alone."""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from model2_assets.features.kernels import compiled, for_each_chunk

Float32s = NDArray[np.float32]
UInt32s = NDArray[np.uint32]
UInt64s = NDArray[np.uint64]
Int64s = NDArray[np.int64]

DATES_PER_CHUNK = 32
FEW = 48
"""Up to this many values, insertion sort beats radix sort."""

SIGN_BIT = np.uint32(0x80000000)
ROW_BITS = np.uint64(32)
ROW_MASK = np.uint64(0xFFFFFFFF)
DIGIT_MASK = np.uint64(0xFF)


def normalize_cross_sections(
    features: Float32s,
    date_starts: Int64s,
    *,
    method: Literal["rank", "zscore", "none"],
    n_threads: int | None = None,
) -> None:
    """Normalize every feature within every date, in place.

    Parameters
    ----------
    features : ndarray of shape (n_rows, n_features), float32
        Rows of a date are neighbours. Overwritten. NaN stays NaN and counts nowhere.
    date_starts : ndarray of shape (n_dates + 1,), int64
        First row of each date, and `n_rows`.
    method : {"rank", "zscore", "none"}
        ``rank``: (rank - 0.5) / n - 0.5 of the n values of the date, where ties get their
        average rank; lies in (-0.5, 0.5) with mean 0. ``zscore``: (x - mean) / std of the
        date (ddof 0), 0 where all values are equal. ``none``: values stay as they are.
    n_threads : int, optional
        Threads; by default one per usable core. Results do not depend on it.

    Notes
    -----
    Values are tied when they are equal in float32, the precision they are handed on in;
    -0.0 equals 0.0. A z-score's mean and variance are summed in float64 in row order.

    Examples
    --------
    >>> values = np.array([[3.0], [1.0], [1.0], [np.nan]], dtype=np.float32)
    >>> normalize_cross_sections(values, np.array([0, 4]), method="rank")
    >>> values.ravel().tolist()
    [0.3333333432674408, -0.1666666716337204, -0.1666666716337204, nan]
    """
    if method == "none":
        return

    def normalize(first: int, stop: int) -> None:
        starts = date_starts[first : stop + 1]
        if method == "rank":
            _rank_dates(features, features.view(np.uint32), starts)
        else:
            _standardize_dates(features, starts)

    for_each_chunk(normalize, len(date_starts) - 1, chunk_size=DATES_PER_CHUNK, n_threads=n_threads)


@compiled
def _standardize_dates(features: Float32s, date_starts: Int64s) -> None:
    for date in range(len(date_starts) - 1):
        block = features[date_starts[date] : date_starts[date + 1]]
        for column in range(block.shape[1]):
            _standardize(block[:, column])


@compiled
def _standardize(values: Float32s) -> None:
    # Equal float32 values have an exact float64 sum, so their variance is exactly zero.
    n = total = 0.0
    for row in range(len(values)):
        if not np.isnan(values[row]):
            n += 1.0
            total += float(values[row])
    mean = total / n
    square_sum = 0.0
    for row in range(len(values)):
        if not np.isnan(values[row]):
            square_sum += (float(values[row]) - mean) ** 2
    std = np.sqrt(square_sum / n)
    for row in range(len(values)):
        if not np.isnan(values[row]):
            values[row] = (float(values[row]) - mean) / std if std > 0.0 else 0.0


@compiled
def _rank_dates(features: Float32s, bits: UInt32s, date_starts: Int64s) -> None:
    longest = 0
    for date in range(len(date_starts) - 1):
        longest = max(longest, date_starts[date + 1] - date_starts[date])
    keys = np.empty(longest, dtype=np.uint64)
    spare = np.empty(longest, dtype=np.uint64)
    counts = np.empty((4, 256), dtype=np.int64)
    for date in range(len(date_starts) - 1):
        start, stop = date_starts[date], date_starts[date + 1]
        for column in range(features.shape[1]):
            n = _pack_keys(features[start:stop, column], bits[start:stop, column], keys)
            ordered = _sort_keys(keys[:n], spare[:n], counts)
            _write_ranks(ordered, features[start:stop, column])


@compiled
def _pack_keys(values: Float32s, bits: UInt32s, keys: UInt64s) -> int:
    """Put value and row of every number into one integer that sorts by value; return how many.

    The bits of IEEE 754 floats, read as unsigned integers, ascend with the value once the
    sign bit of the positive ones and all bits of the negative ones are flipped.
    """
    n = 0
    for row in range(len(values)):
        if not np.isnan(values[row]):
            pattern = bits[row]
            if pattern == SIGN_BIT or pattern < SIGN_BIT:
                ascending = np.uint32(pattern | SIGN_BIT)
            else:
                ascending = np.uint32(~pattern)
            keys[n] = (np.uint64(ascending) << ROW_BITS) | np.uint64(row)
            n += 1
    return n


@compiled
def _sort_keys(keys: UInt64s, spare: UInt64s, counts: Int64s) -> UInt64s:
    """Sort by the upper 32 bits, keeping the order of equal ones; return the sorted array."""
    if len(keys) <= FEW:
        _insertion_sort(keys)
        return keys
    counts[:] = 0
    for i in range(len(keys)):
        for digit in range(4):
            counts[digit, _digit(keys[i], digit)] += 1
    source, target = keys, spare
    for digit in range(4):
        if counts[digit, _digit(source[0], digit)] < len(keys):
            _scatter_by_digit(source, target, digit, counts[digit])
            source, target = target, source
    return source


@compiled
def _digit(key: np.uint64, digit: int) -> int:
    return int((key >> np.uint64(32 + 8 * digit)) & DIGIT_MASK)


@compiled
def _scatter_by_digit(source: UInt64s, target: UInt64s, digit: int, counts: Int64s) -> None:
    position = 0
    for value in range(256):
        count = counts[value]
        counts[value] = position
        position += count
    for i in range(len(source)):
        value = _digit(source[i], digit)
        target[counts[value]] = source[i]
        counts[value] += 1


@compiled
def _insertion_sort(keys: UInt64s) -> None:
    for i in range(1, len(keys)):
        key = keys[i]
        hole = i
        while hole > 0 and keys[hole - 1] > key:
            keys[hole] = keys[hole - 1]
            hole -= 1
        keys[hole] = key


@compiled
def _write_ranks(ordered: UInt64s, values: Float32s) -> None:
    n = len(ordered)
    first = 0
    while first < n:
        stop = first + 1
        while stop < n and (ordered[stop] >> ROW_BITS) == (ordered[first] >> ROW_BITS):
            stop += 1
        # Ranks first + 1 to stop, on average (first + stop + 1) / 2.
        scaled = np.float32((first + stop) / (2.0 * n) - 0.5)
        for i in range(first, stop):
            values[int(ordered[i] & ROW_MASK)] = scaled
        first = stop
