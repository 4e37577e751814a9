"""What a new version of the panel says of dates that an earlier one had already."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from model2_assets.panel import histories

Floats = NDArray[np.float64]
Rows = NDArray[np.intp]

MIN_BARS = 5
"""Bars that have to share a factor: fewer may be single values put right."""

RELATIVE = 1e-6
"""Largest relative difference of two factors that single-precision prices explain."""

SAME = 1e-9
"""Relative difference that repeated arithmetic on the same prices may make."""

_MAX_DECIMALS = 6


@dataclass(frozen=True)
class Split:
    """Past closes of one instrument, all multiplied by one factor."""

    instrument: str
    factor: float
    """New close over old close; 0.25 after four shares for one."""
    until: pd.Timestamp
    """Last date whose close was rescaled."""
    volume_factor: float | None
    """New over old volume of these dates, where that is one factor too."""


@dataclass(frozen=True)
class HistoryChanges:
    """How the past differs between two versions of the panel."""

    compared_rows: int
    """Rows of dates up to the earlier panel's last one that both have."""
    restated_values: int
    """Closes and adjusted closes that changed by themselves."""
    restated_instruments: int
    first_restated: str
    """The first of these values in words; empty if there is none."""
    splits: tuple[Split, ...]
    readjusted: tuple[str, ...]
    """Instruments whose adjusted closes were rescaled by factors that are constant on stretches,
    as dividends and splits do."""
    vanished: pd.Index
    """Rows that only the earlier panel has."""
    inserted: pd.Index
    """Rows of the earlier panel's dates that only the new one has."""


def compare_history(panel: pd.DataFrame, previous: pd.DataFrame) -> HistoryChanges:
    """Compare the past of a market_data table with what that of an earlier run said of it.

    Of the dates up to the last one of the earlier table, in the columns that both have.
    """
    last = previous.index.get_level_values("datetime").max()
    past = panel[panel.index.get_level_values("datetime") <= last]
    new, old = _common_rows(past, previous)
    restated: dict[str, str] = {}
    n_restated = 0
    splits: list[Split] = []
    readjusted: list[str] = []
    for column in ("close", "adjusted_close"):
        if column not in past or column not in previous:
            continue
        for name, rows in _changed_histories(past, previous, new, old, column):
            before = previous[column].to_numpy()[old[rows]]
            after = past[column].to_numpy()[new[rows]]
            found = find_rescaling(before, after, in_steps=column == "adjusted_close")
            if found is None:
                changed = _differ(before, after)
                n_restated += int(changed.sum())
                at = int(np.flatnonzero(changed)[0])
                date = past.index[new[rows[at]]][1]
                first = f"{name} {date:%Y-%m-%d}: {column} {before[at]:g} is now {after[at]:g}"
                restated.setdefault(name, first)
            elif column == "close":
                splits.append(_split(name, found, past.iloc[new[rows]], previous.iloc[old[rows]]))
            else:
                readjusted.append(name)
    return HistoryChanges(
        compared_rows=len(new),
        restated_values=n_restated,
        restated_instruments=len(restated),
        first_restated=next(iter(restated.values()), ""),
        splits=tuple(splits),
        readjusted=tuple(dict.fromkeys(readjusted)),
        vanished=previous.index.delete(old),
        inserted=past.index.delete(new),
    )


def _common_rows(past: pd.DataFrame, previous: pd.DataFrame) -> tuple[Rows, Rows]:
    """Return the positions of the rows that both have, in the order of the first."""
    if past.index.equals(previous.index):
        every = np.arange(len(past))
        return every, every
    found = previous.index.get_indexer(past.index)
    return np.flatnonzero(found >= 0), found[found >= 0]


def _changed_histories(
    past: pd.DataFrame, previous: pd.DataFrame, new: Rows, old: Rows, column: str
) -> list[tuple[str, Rows]]:
    """Return the instruments of the histories in which a value differs, and their common rows."""
    changed = _differ(previous[column].to_numpy()[old], past[column].to_numpy()[new])
    if not changed.any():
        return []
    numbers = histories(past).number[new]
    rows = np.flatnonzero(np.isin(numbers, numbers[changed]))
    rows = rows[np.argsort(numbers[rows], kind="stable")]
    parts = np.split(rows, np.flatnonzero(np.diff(numbers[rows])) + 1)
    return [(str(past.index[new[part[0]]][0]), part) for part in parts]


def _differ(old: NDArray[np.float64], new: NDArray[np.float64]) -> NDArray[np.bool_]:
    same = np.isclose(new, old, rtol=SAME, atol=0, equal_nan=True)
    differ: NDArray[np.bool_] = ~same
    return differ


def _split(instrument: str, found: "Rescaling", past: pd.DataFrame, old: pd.DataFrame) -> Split:
    factor = None
    if "volume" in past and "volume" in old:
        before = old["volume"].to_numpy()[: found.n_bars]
        after = past["volume"].to_numpy()[: found.n_bars]
        traded = (before > 0) & (after > 0)
        volume = find_rescaling(before[traded], after[traded], in_steps=False)
        factor = volume.factor if volume is not None else None
    until = past.index[found.n_bars - 1][1]
    return Split(instrument=instrument, factor=found.factor, until=until, volume_factor=factor)


@dataclass(frozen=True)
class Rescaling:
    """Prices of the first bars, new over old: one factor, or the earliest of several."""

    factor: float
    n_bars: int


def find_rescaling(old: Floats, new: Floats, *, in_steps: bool) -> Rescaling | None:
    """Return by what the prices of bars, earliest first, were rescaled, if that is all.

    Not in steps: one factor, from the first bar on; the latest bars may be as they were, which is
    how a split shows. In steps: any number of factors, each nearer to 1 than the one before, which
    is how dividends show in adjusted closes: each scales all bars before its date.

    None where a price changed by itself. A factor has to hold for `MIN_BARS` bars, and to
    `RELATIVE`; one that holds for all bars may deviate by the rounding of the prices.
    """
    ratio = new / old
    if len(old) < MIN_BARS or not np.isfinite(ratio).all():
        return None
    whole = float(np.median(ratio))
    moved = abs(whole - 1) > RELATIVE
    if moved and bool((np.abs(new - whole * old) <= _rounding(new) + whole * _rounding(old)).all()):
        return Rescaling(factor=whole, n_bars=len(old))
    jumps = np.abs(ratio[1:] / ratio[:-1] - 1) > RELATIVE
    starts = np.concatenate([[0], np.flatnonzero(jumps) + 1])
    lengths = np.diff([*starts, len(ratio)])
    factors = ratio[starts]
    drifts = bool((np.abs(ratio / np.repeat(factors, lengths) - 1) > RELATIVE).any())
    if drifts or (lengths[:-1] < MIN_BARS).any() or not _nears_one(factors):
        return None
    is_unchanged = abs(factors[-1] - 1) <= RELATIVE
    if not in_steps and not (len(factors) == 2 and is_unchanged):
        return None
    n_bars = int(starts[-1]) if is_unchanged else len(ratio)
    return Rescaling(factor=float(factors[0]), n_bars=n_bars)


def _nears_one(factors: Floats) -> bool:
    sizes = np.log(factors)
    is_one_sided = bool((sizes >= -RELATIVE).all() or (sizes <= RELATIVE).all())
    return is_one_sided and bool((np.diff(np.abs(sizes)) < 0).all())


def _rounding(prices: Floats) -> Floats:
    """Return by how much prices may deviate from the truth: half a unit of their last decimal."""
    for decimals in range(_MAX_DECIMALS):
        if np.allclose(prices, np.round(prices, decimals), rtol=1e-12, atol=0):
            return np.full(len(prices), 0.5 * 10.0**-decimals)
    return RELATIVE * np.abs(prices)
