"""The generated market that every program runs on."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmarks.sizes import Size
from model2_assets.market_data import synthetic_panel

SIGNAL = 0.05
"""Correlation of the planted drift with the next day's excess return."""

LATE_LISTINGS, MISSING_BARS = 0.3, 0.02
HALTS_PER_BAR, LONGEST_HALT = 1 / 2_000, 15
ZERO_VOLUME, MISSING_VALUES = 0.002, 0.002

PRICES = ("open", "high", "low", "close", "vwap")


def make_market(size: Size, seed: int, *, clean: bool = False) -> pd.DataFrame:
    """Generate daily bars with a planted signal and the faults of real data.

    Returns have Student-t tails with four degrees of freedom, and an unseen slow drift that
    past returns betray, see `model2_assets.market_data.synthetic_panel`. Three in ten
    instruments list late, one bar in fifty is missing, prices stand still in halts of up to
    15 bars without volume, and some volumes are zero, some values missing.

    Parameters
    ----------
    size : Size
        Instruments and dates.
    seed : int
        Seed of every draw.
    clean : bool, default False
        Leave all these faults out, for comparing values.

    Returns
    -------
    DataFrame of shape (n_rows, 8)
        Columns instrument, datetime, open, high, low, close, vwap (currency) and volume
        (shares), date by date; float64 that float32 can hold, since Qlib stores float32.
    """
    bars = synthetic_panel(
        n_instruments=size.n_instruments,
        n_dates=size.n_dates,
        seed=seed,
        signal=SIGNAL,
        late_listings=0.0 if clean else LATE_LISTINGS,
        missing_days=0.0 if clean else MISSING_BARS,
    )
    bars["vwap"] = (bars["open"] + bars["high"] + bars["low"] + 2.0 * bars["close"]) / 5.0
    if not clean:
        _plant_faults(bars, np.random.default_rng([seed, 1]))
    for name in (*PRICES, "volume"):
        bars[name] = bars[name].astype(np.float32).astype(np.float64)
    return bars


def _plant_faults(bars: pd.DataFrame, generator: np.random.Generator) -> None:
    halted = _halted(bars["instrument"], generator)
    before = bars["close"].mask(halted).groupby(bars["instrument"]).ffill()
    halted = halted & before.notna().to_numpy()
    for name in PRICES:
        bars.loc[halted, name] = before[halted]
    bars.loc[halted | (generator.random(len(bars)) < ZERO_VOLUME), "volume"] = 0.0
    for name in ("open", "high", "low", "vwap", "volume"):
        bars.loc[generator.random(len(bars)) < MISSING_VALUES, name] = np.nan


def _halted(instrument: pd.Series, generator: np.random.Generator) -> NDArray[np.bool_]:
    """Mark the bars of halts, which begin at random and last a random number of own bars."""
    lengths = np.where(
        generator.random(len(instrument)) < HALTS_PER_BAR,
        generator.integers(2, LONGEST_HALT + 1, len(instrument)),
        0,
    )
    by_instrument = instrument.groupby(instrument)
    position = by_instrument.cumcount()
    end = (position + lengths).where(lengths > 0, 0)
    halted: NDArray[np.bool_] = (position < end.groupby(instrument).cummax()).to_numpy()
    return halted
