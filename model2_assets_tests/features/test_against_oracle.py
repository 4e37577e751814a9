import numpy as np
import pytest

from model2_assets.features import alpha158_features
from model2_assets_tests.features import oracle
from model2_assets_tests.features.sample_panels import random_panel, raw_features

FLOAT32_ROUNDING = 2.0**-24


def assert_equal_to_oracle(features, expected, *, relative_to_sd=1e-6):
    """Compare with what float32 can hold of the oracle, plus a share of a feature's sd."""
    expected = expected.loc[features.index, features.columns]
    got, want = features.to_numpy().astype(float), expected.to_numpy()
    np.testing.assert_array_equal(np.isnan(got), np.isnan(want))
    sd = expected.std(ddof=0).fillna(0.0).to_numpy()
    allowed = relative_to_sd * sd + FLOAT32_ROUNDING * np.abs(want) * 1.001 + 1e-12
    beyond = np.abs(got - want) > allowed
    assert not beyond.any(), features.columns[beyond.any(axis=0)].tolist()


@pytest.fixture(scope="module")
def dirty_panel():
    panel = random_panel(3, 90, seed=3, missing=0.08, gaps=0.05)
    names = panel.index.get_level_values("instrument")
    dates = panel.index.get_level_values("datetime")
    long_gap = (names == "S001") & (dates >= "2019-03-01") & (dates < "2019-03-20")
    panel = panel[~long_gap].copy()
    panel.iloc[50:60, panel.columns.get_loc("volume")] = 0.0
    return panel


@pytest.mark.parametrize("min_history_bars", [0, 60])
def test_all_158_features_equal_the_oracle_on_dirty_bars(dirty_panel, min_history_bars):
    features = raw_features(dirty_panel, min_history_bars=min_history_bars)
    assert features.shape[1] == 158
    assert features.isna().any(axis=None)
    assert_equal_to_oracle(features, oracle.alpha158(dirty_panel))


def test_spikes_in_price_and_volume_leave_no_error_behind():
    panel = random_panel(1, 150, seed=5)
    columns = ["open", "high", "low", "close", "vwap"]
    spikes = (20, 80)
    for spike, factor in zip(spikes, (1e3, 1e-3), strict=True):
        panel.iloc[spike, panel.columns.get_indexer(columns)] *= factor
        panel.iloc[spike, panel.columns.get_loc("volume")] *= factor**2
    features, expected = raw_features(panel), oracle.alpha158(panel)
    assert_equal_to_oracle(features, expected)
    # A spike inflates a feature's sd, so the windows without one are judged by their own.
    bars = np.arange(len(panel))
    for d in oracle.WINDOWS:
        calm = np.all([(bars < spike) | (bars > spike + d) for spike in spikes], axis=0)
        of_window = [spec.name for spec in alpha158_features() if spec.window == d]
        assert_equal_to_oracle(features.loc[calm & (bars > 2), of_window], expected)


def test_windows_past_a_spike_have_the_bits_of_windows_that_never_saw_it():
    panel = random_panel(1, 140, seed=6)
    spiked = panel.copy()
    spiked.iloc[30, :6] *= 1000.0
    calm, after = raw_features(panel), raw_features(spiked)
    assert not calm.iloc[30:40].equals(after.iloc[30:40])
    # ROC, changes and ratios look one bar further back than the window's length.
    assert calm.iloc[30 + 61 :].equals(after.iloc[30 + 61 :])


@pytest.mark.parametrize("level", [1e-3, 1e5])
def test_low_volatility_at_any_price_level_is_exact(level):
    panel = random_panel(1, 80, seed=8, daily_volatility=1e-4)
    panel[["open", "high", "low", "close", "vwap"]] *= level
    columns = ["close", "volume"]
    features = raw_features(panel[columns])
    assert_equal_to_oracle(features, oracle.alpha158(panel))


@pytest.mark.parametrize("noise", [6e-5, 1e-7])
def test_nearly_constant_volume_is_exact(noise):
    panel = random_panel(1, 80, seed=10, daily_volatility=1e-4)
    draws = np.random.default_rng(10).normal(0.0, noise, len(panel))
    panel["volume"] = np.round(1e12 * (1.0 + draws))
    features = raw_features(panel[["close", "volume"]])
    assert features["CORR60"].iloc[60:].notna().all() == (noise > 2e-5)
    assert_equal_to_oracle(features, oracle.alpha158(panel))


def test_features_do_not_depend_on_the_unit_of_prices():
    panel = random_panel(2, 80, seed=9, missing=0.02)
    panel.iloc[40:60, panel.columns.get_loc("close")] = 25.0
    rescaled = panel.copy()
    rescaled[["open", "high", "low", "close", "vwap"]] *= 2.0**-12
    left, right = raw_features(panel), raw_features(rescaled)
    np.testing.assert_allclose(left, right, rtol=2e-7, atol=1e-6, equal_nan=True)
