import numpy as np
import pandas as pd
import pytest

from model2_assets.errors import ConfigError
from model2_assets.market_data import synthetic_panel, validate_panel


def wide(column="close", **settings):
    return synthetic_panel(**settings).pivot_table(
        index="datetime", columns="instrument", values=column
    )


def momentum_correlation(signal, past=60, forward=21):
    """Correlate past with forward log returns, both in excess of the date's mean."""
    prices = np.log(wide(n_instruments=300, n_dates=800, signal=signal, seed=11))
    before = (prices - prices.shift(past)).iloc[past:-forward]
    after = (prices.shift(-forward) - prices).iloc[past:-forward]
    before = before.sub(before.mean(axis=1), axis=0).rank(axis=1)
    after = after.sub(after.mean(axis=1), axis=0).rank(axis=1)
    return before.corrwith(after, axis=1).mean()


def test_same_seed_same_market_other_seed_other_market():
    one = synthetic_panel(n_instruments=5, n_dates=20, seed=4)
    pd.testing.assert_frame_equal(one, synthetic_panel(n_instruments=5, n_dates=20, seed=4))
    other = synthetic_panel(n_instruments=5, n_dates=20, seed=5)
    assert (one["close"] != other["close"]).all()


def test_past_returns_predict_only_where_a_signal_is_planted():
    noise, weak, strong = (momentum_correlation(signal) for signal in (0.0, 0.05, 0.15))
    # 300 names over 35 windows that do not overlap: a standard error of about 0.01.
    assert abs(noise) < 0.03
    assert 0.02 < weak < 0.10
    assert strong > 0.2


def test_bars_are_well_formed():
    frame = synthetic_panel(n_instruments=20, n_dates=300)
    panel, counts = validate_panel(frame)
    assert len(panel) == 6000
    findings = set(counts) - {"rows", "instruments", "dates"}
    assert all(counts[name] == 0 for name in findings)
    assert (frame["high"] >= frame[["open", "close", "low"]].max(axis=1)).all()
    assert (frame["low"] <= frame[["open", "close"]].min(axis=1)).all()
    assert frame["datetime"].dt.day_of_week.max() == 4


def test_returns_have_heavy_tails():
    prices = np.log(wide(n_instruments=50, n_dates=1000))
    returns = prices.diff().iloc[1:]
    own = returns.sub(returns.mean(axis=1), axis=0)
    assert (own / own.std()).pow(4).mean().median() > 4.0
    thin = np.log(wide(n_instruments=50, n_dates=1000, tail_df=1000)).diff().iloc[1:]
    own = thin.sub(thin.mean(axis=1), axis=0)
    assert (own / own.std()).pow(4).mean().median() < 3.3


def test_late_listings_and_missing_days_remove_bars_and_change_none():
    full = synthetic_panel(n_instruments=40, n_dates=200, seed=1)
    some = synthetic_panel(
        n_instruments=40, n_dates=200, seed=1, late_listings=0.5, missing_days=0.1
    )
    keys = ["instrument", "datetime"]
    pd.testing.assert_frame_equal(
        some, some[keys].merge(full, on=keys, how="left", validate="one_to_one")
    )
    late = synthetic_panel(n_instruments=40, n_dates=200, seed=1, late_listings=0.5)
    first = late.groupby("instrument")["datetime"].min()
    assert 10 < (first > full["datetime"].min()).sum() < 30
    assert first.max() <= full["datetime"].unique()[100]
    gaps = synthetic_panel(n_instruments=40, n_dates=200, seed=1, missing_days=0.1)
    assert 0.08 < 1 - len(gaps) / 8000 < 0.12


def test_a_market_without_weekends_has_the_same_bars_on_other_days():
    week, every_day = (synthetic_panel(n_instruments=2, n_dates=20, days_a_week=n) for n in (5, 7))
    assert every_day["datetime"].drop_duplicates().diff().dropna().dt.days.eq(1).all()
    pd.testing.assert_frame_equal(week.drop(columns="datetime"), every_day.drop(columns="datetime"))


def test_volatility_is_that_of_the_returns_that_are_an_instruments_own():
    settings = {"n_instruments": 200, "n_dates": 300, "signal": 0, "tail_df": 1000}
    for volatility in (0.02, 0.05):
        returns = np.log(wide(volatility=volatility, **settings)).diff().iloc[1:]
        market = returns.mean(axis=1)
        own = returns.sub(market, axis=0).std()
        assert own.mean() == pytest.approx(volatility, rel=0.05)
        assert own.min() > 0.4 * volatility
        assert own.max() < 1.7 * volatility
        assert market.std() == pytest.approx(volatility / 2, rel=0.15)


def test_halts_take_forty_bars_each_and_change_no_other():
    full = synthetic_panel(n_instruments=300, n_dates=400, seed=2)
    some = synthetic_panel(n_instruments=300, n_dates=400, seed=2, halts=0.0005)
    keys = ["instrument", "datetime"]
    pd.testing.assert_frame_equal(
        some, some[keys].merge(full, on=keys, how="left", validate="one_to_one")
    )
    day = dict(zip(full["datetime"].unique(), range(400), strict=True))
    gaps = some["datetime"].map(day).groupby(some["instrument"]).diff().dropna() - 1
    lengths = gaps[gaps > 0]
    assert lengths.min() == 40
    assert (lengths == 40).mean() > 0.9
    # 300 x 400 x 0.0005 = 60 halts begin, a tenth of them too late to be a gap.
    assert 35 < len(lengths) < 75


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("n_instruments", 0),
        ("n_dates", 2.5),
        ("n_dates", True),
        ("seed", -1),
        ("signal", 1.0),
        ("signal", "strong"),
        ("signal", float("nan")),
        ("tail_df", 2),
        ("missing_days", 0.5),
        ("late_listings", 1.1),
        ("volatility", 0),
        ("halts", 0.2),
        ("days_a_week", 6),
        ("start", "yesterday"),
        ("start", None),
    ],
)
def test_impossible_settings_are_named(name, value):
    with pytest.raises(ConfigError, match=rf"market_data\.params: {name}: "):
        synthetic_panel(**{name: value})
