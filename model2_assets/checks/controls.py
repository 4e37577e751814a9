"""The look-ahead control: features must not change when the future is unknown."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from model2_assets.checks.catalogue import Finding, Values
from model2_assets.config import FeaturesConfig
from model2_assets.errors import FeatureError, Model2Error
from model2_assets.features.build import make_features
from model2_assets.panel import CHUNK_ROWS, row_chunks

logger = logging.getLogger(__name__)


def lookahead_control(
    features: pd.DataFrame,
    panel: pd.DataFrame,
    config: FeaturesConfig,
    *,
    n_dates: int = 3,
    seed: int = 7,
) -> Finding:
    """Recompute features on history that ends at sampled dates, and compare to the bit.

    Notes
    -----
    A feature that looks k dates ahead changes in the k dates before the end, so the last
    date shows it whatever k is. Earlier rows cost nothing more, and show what the last date
    may miss, such as a gap that was filled from the future. The start of history stays where
    it is: a builder may look back as far as it likes.
    """
    ends = _sample_dates(features, panel, n_dates=n_dates, seed=seed)
    bar_dates = panel.index.get_level_values("datetime")
    feature_dates = features.index.get_level_values("datetime")
    n_values = n_different = 0
    first = ""
    for end in ends:
        day = f"{end:%Y-%m-%d}"
        stored = features.iloc[: int(feature_dates.searchsorted(end, side="right"))]
        # Not by a name: the next one is made only once this one is out of memory.
        found = compare_tables(stored, _recompute(panel[bar_dates <= end], config, day))
        n_values += found.n_values
        n_different += found.n_different
        if found.first_difference and not first:
            first = f"{found.first_difference} when history ends on {day}"
        what = f"{found.n_different:,} of {found.n_values:,} values differ"
        logger.info("look-ahead control: history up to %s, %s", day, what)
    dates = ", ".join(f"{end:%Y-%m-%d}" for end in ends)
    if first:
        text = (
            f"{first}; {n_different:,} of {n_values:,} values differ: let the feature builder use "
            f"nothing after a row's own date"
        )
    elif ends:
        text = f"{n_values:,} values are the same when history ends on {dates}"
    else:
        text = "no date that has features has later bars, so nothing could be cut off"
    values: Values = {
        "dates": dates,
        "values": n_values,
        "different_values": n_different,
        "seed": seed,
    }
    return Finding(bool(ends) and not first, text, values, only_warns=not ends)


def _sample_dates(
    features: pd.DataFrame, panel: pd.DataFrame, *, n_dates: int, seed: int
) -> tuple[pd.Timestamp, ...]:
    dates = features.index.get_level_values("datetime").unique()
    candidates = dates[dates < panel.index.get_level_values("datetime").max()].sort_values()
    size = min(n_dates, len(candidates))
    chosen = np.random.default_rng(seed).choice(len(candidates), size=size, replace=False)
    return tuple(candidates[np.sort(chosen)])


def _recompute(history: pd.DataFrame, config: FeaturesConfig, day: str) -> pd.DataFrame:
    try:
        return make_features(history, config)
    except Exception as error:
        where = config.builder or "the feature builder"
        kind = "" if isinstance(error, Model2Error) else f"{type(error).__name__}: "
        raise FeatureError(
            f"features.builder: {where} fails on history that ends on {day} ({kind}{error}); it "
            f"must work on history up to any date that has features"
        ) from error


@dataclass(frozen=True)
class TableDifference:
    """How far two tables agree: values of both, those that differ, and a name for the first.

    Failing a value that differs, the first is a row or a feature that one table lacks.
    """

    n_values: int
    n_different: int
    first_difference: str


def compare_tables(stored: pd.DataFrame, recomputed: pd.DataFrame) -> TableDifference:
    """Compare two tables of floats in canonical order value by value.

    Values are equal if their bits are, or if both are missing. The first is that of the earliest
    row, and among its features the leftmost.
    """
    one_sided = [
        *_one_sided(stored, recomputed, "has features, but none", "is there, but not"),
        *_one_sided(recomputed, stored, "has no features, but some", "is not there, but is"),
    ]
    if not stored.index.equals(recomputed.index):
        positions = recomputed.index.get_indexer(stored.index)
        stored, recomputed = stored[positions >= 0], recomputed.iloc[positions[positions >= 0]]
    names = [name for name in stored.columns if name in recomputed.columns]
    n_different, first_row, first_name = 0, 0, ""
    pairs = zip(row_chunks(stored), row_chunks(recomputed), strict=True)
    for start, (left, right) in zip(count(step=CHUNK_ROWS), pairs, strict=False):
        rows, columns = np.nonzero(_different(left, right, names))
        if len(rows) and not n_different:
            first_row, first_name = start + int(rows[0]), names[columns[0]]
        n_different += len(rows)
    first_difference = one_sided[0] if one_sided else ""
    if n_different:
        instrument, date = stored.index[first_row]
        before, after = (table[first_name].iloc[first_row] for table in (stored, recomputed))
        first_difference = (
            f"feature {first_name!r} of {instrument} on {date:%Y-%m-%d} is {before!s}, "
            f"but {after!s}"
        )
    return TableDifference(
        n_values=len(stored) * len(names),
        n_different=n_different,
        first_difference=first_difference,
    )


def _one_sided(left: pd.DataFrame, right: pd.DataFrame, row: str, feature: str) -> Iterator[str]:
    if not left.index.equals(right.index):
        alone = np.flatnonzero(~left.index.isin(right.index))
        if len(alone):
            instrument, date = left.index[alone[0]]
            yield f"{instrument} on {date:%Y-%m-%d} {row}"
    yield from (f"feature {name!r} {feature}" for name in left.columns if name not in right)


def _different(left: pd.DataFrame, right: pd.DataFrame, names: list[str]) -> NDArray[np.bool_]:
    """Return which values differ in a bit, unless both are missing: shape (n_rows, n_names)."""
    left, right = (side if list(side.columns) == names else side[names] for side in (left, right))
    before = np.ascontiguousarray(left.to_numpy())
    after = np.ascontiguousarray(right.to_numpy(dtype=before.dtype))
    bits = np.dtype(f"u{before.dtype.itemsize}")
    different: NDArray[np.bool_] = before.view(bits) != after.view(bits)
    if different.any():
        different &= ~(np.isnan(before) & np.isnan(after))
    return different
