"""The generated market."""

import numpy as np
import pandas as pd
from pandas.testing import assert_frame_equal

from benchmarks.market import PRICES, make_market
from benchmarks.sizes import Size

SMALL = Size("small", 30, 400, 1)


def test_a_seed_makes_one_market() -> None:
    assert_frame_equal(make_market(SMALL, 3), make_market(SMALL, 3))
    assert not make_market(SMALL, 3)["close"].equals(make_market(SMALL, 4)["close"])


def test_it_has_the_faults_of_real_data() -> None:
    bars = make_market(SMALL, 3)
    unchanged = bars.groupby("instrument")["close"].diff() == 0
    assert 0 < unchanged.sum() < 0.02 * len(bars)
    assert (bars.loc[unchanged, "volume"].fillna(0.0) == 0).all()
    assert (bars["volume"] == 0).sum() > unchanged.sum()
    assert bars[["open", "high", "low", "vwap", "volume"]].isna().any().all()
    assert bars["close"].notna().all()
    assert len(bars) < 0.95 * SMALL.n_instruments * SMALL.n_dates


def test_a_clean_market_has_none_of_them() -> None:
    bars = make_market(SMALL, 3, clean=True)
    assert len(bars) == SMALL.n_instruments * SMALL.n_dates
    assert bars.notna().all(axis=None)
    assert (bars["volume"] > 0).all()
    assert not (bars.groupby("instrument")["close"].diff() == 0).any()


def test_its_prices_can_be_traded_and_stored_in_float32() -> None:
    bars = make_market(SMALL, 3)
    prices = bars[list(PRICES)]
    assert (prices.isna() | (prices > 0)).all(axis=None)
    known = bars.dropna()
    assert known["vwap"].between(known["low"] * (1 - 1e-6), known["high"] * (1 + 1e-6)).all()
    values = bars.drop(columns=["instrument", "datetime"])
    as_float32 = pd.DataFrame(values.to_numpy(dtype=np.float32), columns=values.columns)
    assert_frame_equal(values, as_float32.astype(np.float64))
