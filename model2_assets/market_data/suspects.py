"""What is suspect in bars that are kept: counted, and told by name in the log."""

import logging
import unicodedata
from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from model2_assets.errors import MarketDataError, named
from model2_assets.market_data.adjustment import adjusted_close
from model2_assets.panel import HISTORY, Histories, date_codes, histories, instrument_codes

logger = logging.getLogger(__name__)

LARGE_MOVE_FACTOR = 5.0
IMPOSSIBLE_MOVE_FACTOR = 1000.0

SHORT_HISTORY_BARS = 65

FROZEN_BARS = 20
"""Halts are shorter, as a rule; delisted names that are filled forward stay for longer."""

RANGE_BARS = 60
RANGE_TOLERANCE = 1e-4
"""Relative; prices of one adjustment may be rounded apart."""

LEAST_SAME_BARS = 5
"""Fewer of two instruments may agree by chance."""


def number_histories(panel: pd.DataFrame, max_gap_days: int) -> tuple[pd.DataFrame, int]:
    """Add the column ``history``, and count the gaps that start one.

    A delisting return ends a history, and so does a gap of more than so many dates of the panel.
    """
    own = histories(panel)
    dates = date_codes(panel.index).codes[own.order]
    instruments = instrument_codes(panel.index).codes[own.order]
    missed = np.diff(dates, prepend=0) - 1
    missed[own.starts[:-1]] = 0
    begins = missed > max_gap_days
    back = own.order[begins]
    begins[own.starts[:-1]] = True
    so_far = np.cumsum(begins)
    earlier = so_far[np.searchsorted(instruments, instruments)] - 1
    number = np.empty(len(panel), dtype=np.int16)
    number[own.order] = so_far - earlier
    n_new = _tell(
        [f"{name} on {date:%Y-%m-%d}" for name, date in panel.index[back]],
        f"new histories: %d, as an instrument has a bar again after more than {max_gap_days} dates "
        f"without (market_data.max_gap_days); no feature or label looks across: %s",
    )
    return panel.assign(**{HISTORY: number}), n_new


def count_suspects(panel: pd.DataFrame, *, origin: str) -> dict[str, int]:
    """Count what a market_data table has, and what is suspect in it; refuse impossible moves."""
    own, instruments = histories(panel), instrument_codes(panel.index)
    n_bars = np.bincount(instruments.codes)
    return {
        "large_moves": _large_moves(panel, own, origin),
        "instruments_spelled_alike": _spelled_alike(instruments.values),
        "frozen_instruments": _tell(
            _frozen(panel, own),
            f"instruments whose close does not move for more than {FROZEN_BARS} bars, while others "
            f"trade: %d; returns of 0 are nothing to learn or to score, so remove bars of halts, "
            f"and those filled in after a delisting or before a listing: %s",
        ),
        "mixed_adjustments": _tell(
            _of_mixed_adjustments(panel, own),
            f"columns that lie outside of [low, high] on most of {RANGE_BARS} bars in a row: %d; "
            f"they are of another adjustment, or unit, than high and low, so give all of one, and "
            f"adjusted closes beside them as adjusted_close: %s",
        ),
        "same_bars": _tell(
            _same_bars(panel, instruments.codes, list(instruments.values)),
            "instruments with the bars of another one: %d; keep one name of both: %s",
        ),
        "short_instruments": int(np.count_nonzero(n_bars < SHORT_HISTORY_BARS)),
        "rows": len(panel),
        "instruments": len(n_bars),
        "dates": len(date_codes(panel.index).values),
    }


def _tell(found: Sequence[str], sentence: str) -> int:
    """Warn of what was found, the first by name; return how much it is."""
    if found:
        logger.warning(sentence, len(found), named(found))
    return len(found)


def _spelled_alike(names: pd.Index) -> int:
    """Count and tell the names that differ in case or Unicode form alone."""
    forms = pd.Series(
        [unicodedata.normalize("NFKC", name).casefold() for name in names], index=names
    )
    return _tell(
        list(forms[forms.duplicated(keep=False)].sort_values(kind="stable").index),
        "instruments that differ from another in case or Unicode form alone: %d; they are kept "
        "apart, so give an instrument one name in the source: %s",
    )


def _large_moves(panel: pd.DataFrame, own: Histories, origin: str) -> int:
    """Count and tell moves that look like a missing split adjustment; refuse the wildest."""
    price = adjusted_close(panel).to_numpy()[own.order]
    factor = price[1:] / price[:-1]
    is_large = (factor > LARGE_MOVE_FACTOR) | (factor < 1.0 / LARGE_MOVE_FACTOR)
    is_large &= own.codes[1:] == own.codes[:-1]
    factors, rows = factor[is_large], panel.index[own.order[1:][is_large]]
    sizes = np.abs(np.log(factors))
    if sizes.max(initial=0.0) > np.log(IMPOSSIBLE_MOVE_FACTOR):
        wildest = int(np.argmax(sizes))
        instrument, date = rows[wildest]
        kind = "adjusted close" if "adjusted_close" in panel else "close"
        raise MarketDataError(
            f"{origin}: the {kind} of {instrument} moves by a factor {factors[wildest]:.3g} "
            f"from its bar before to {date:%Y-%m-%d}; no price does, so mend its split adjustment "
            f"or its unit, or leave the instrument out"
        )
    return _tell(
        [
            f"{name} on {date:%Y-%m-%d} (factor {size:.3g})"
            for (name, date), size in zip(rows, factors, strict=True)
        ],
        f"closes that move by more than a factor {LARGE_MOVE_FACTOR:g} from one bar to the next: "
        f"%d; look for a missing split adjustment: %s",
    )


def _frozen(panel: pd.DataFrame, own: Histories) -> list[str]:
    """Name instruments whose close stayed the same, on dates on which that of another moved."""
    price, dates = panel["close"].to_numpy()[own.order], date_codes(panel.index).codes[own.order]
    stays = np.append(False, price[1:] == price[:-1])
    stays[own.starts[:-1]] = False
    moves = ~stays
    moves[own.starts[:-1]] = False
    is_traded = np.bincount(dates, weights=moves) > 0
    kept = np.flatnonzero(is_traded[dates] | ~stays)
    is_frozen = _in_last(stays[kept], own.codes[kept], FROZEN_BARS) == FROZEN_BARS
    return _until(panel, own.order[kept[is_frozen]])


def _of_mixed_adjustments(panel: pd.DataFrame, own: Histories) -> list[str]:
    """Name instruments of which a price was outside the range, on most bars for a while."""
    if not {"high", "low"} <= set(panel.columns):
        return []
    low, high = (panel[name].to_numpy()[own.order] for name in ("low", "high"))
    found: list[str] = []
    for name in ("close", "open", "vwap"):
        if name in panel:
            price = panel[name].to_numpy()[own.order]
            outside = np.maximum(price / high, low / price) > 1.0 + RANGE_TOLERANCE
            is_apart = 2 * _in_last(outside, own.codes, RANGE_BARS) > RANGE_BARS
            found += [f"{name} of {one}" for one in _until(panel, own.order[is_apart & outside])]
    return found


def _in_last(flags: NDArray[np.bool_], codes: NDArray[np.int64], n_bars: int) -> NDArray[np.int64]:
    """Count the flags of the last so many bars at each bar of a history; 0 where it has fewer."""
    total = np.append(0, np.cumsum(flags))
    counts = np.zeros(len(flags), dtype=np.int64)
    counts[n_bars - 1 :] = total[n_bars:] - total[:-n_bars]
    counts[n_bars - 1 :][codes[n_bars - 1 :] != codes[: 1 - n_bars]] = 0
    return counts


def _until(panel: pd.DataFrame, rows: NDArray[np.intp]) -> list[str]:
    """Name the instruments of rows, each with the last date of its rows."""
    is_last = np.diff(instrument_codes(panel.index).codes[rows], append=-1) != 0
    return [f"{name} until {date:%Y-%m-%d}" for name, date in panel.index[rows[is_last]]]


def _same_bars(panel: pd.DataFrame, codes: NDArray[np.int64], names: list[str]) -> list[str]:
    """Name instruments that share close and volume with another on most dates of both."""
    dates = date_codes(panel.index).codes
    key = dates.view(np.uint64)
    for column in ("close", "volume"):
        if column in panel:
            key = pd.util.hash_array(key ^ panel[column].to_numpy().view(np.uint64))
    order = np.argsort(key, kind="stable")
    twins = np.flatnonzero(key[order][1:] == key[order][:-1])
    pairs = codes[order[twins]] * len(names) + codes[order[twins + 1]]
    pair, n_shared = np.unique(pairs, return_counts=True)
    one, other = np.divmod(pair, len(names))
    first, last = pd.Series(dates).groupby(codes).agg(["min", "max"]).to_numpy().T
    overlap = np.minimum(last[one], last[other]) - np.maximum(first[one], first[other]) + 1
    is_same = (n_shared >= LEAST_SAME_BARS) & (2 * n_shared > overlap)
    found = zip(one[is_same], other[is_same], strict=True)
    return [f"{names[second]} has those of {names[owner]}" for owner, second in found]
