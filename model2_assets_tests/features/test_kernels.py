import threading
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model2_assets.features import alpha158_features, build_features_from_config
from model2_assets.features.kernels import compiled, for_each_chunk
from model2_assets_tests.features import oracle
from model2_assets_tests.features.sample_panels import (
    last_row,
    one_instrument,
    random_panel,
    raw_features,
    same_bits,
)

EXACT = {"rel": 1e-6, "abs": 1e-9}


def check(row, expected):
    for name, value in expected.items():
        assert row[name] == pytest.approx(value, **EXACT), name


def test_shape_of_a_bar():
    row = last_row(
        one_instrument({"open": [10], "high": [15], "low": [8], "close": [12], "vwap": [9]})
    )
    check(
        row,
        {
            "KMID": 2 / 10,
            "KLEN": 7 / 10,
            "KMID2": 2 / 7,
            "KUP": 3 / 10,
            "KUP2": 3 / 7,
            "KLOW": 2 / 10,
            "KLOW2": 2 / 7,
            "KSFT": 1 / 10,
            "KSFT2": 1 / 7,
            "OPEN0": 10 / 12,
            "HIGH0": 15 / 12,
            "LOW0": 8 / 12,
            "VWAP0": 9 / 12,
        },
    )


def test_shadows_of_a_bar_that_closes_down():
    row = last_row(one_instrument({"open": [12], "high": [15], "low": [9], "close": [10]}))
    check(row, {"KMID": -2 / 12, "KUP": 3 / 12, "KLOW": 1 / 12, "KUP2": 3 / 6, "KLOW2": 1 / 6})


def test_steady_rise():
    row = last_row(one_instrument({"close": np.arange(100.0, 161.0)}))
    check(
        row,
        {
            "ROC5": 155 / 160,
            "ROC60": 100 / 160,
            "MA5": 158 / 160,
            "MA60": 130.5 / 160,
            "STD5": np.sqrt(2.5) / 160,
            "BETA5": 1 / 160,
            "BETA60": 1 / 160,
            "RSQR5": 1,
            "RSQR60": 1,
            "RESI5": 0,
            "RESI60": 0,
            "QTLU5": 159.2 / 160,
            "QTLD5": 156.8 / 160,
            "RANK5": 1,
            "CNTP5": 1,
            "CNTN5": 0,
            "CNTD60": 1,
            "SUMP60": 1,
            "SUMN5": 0,
            "SUMD5": 1,
        },
    )


def test_line_through_five_closes():
    # x = 0..4, y = 1 2 1 2 4: mean 2, slope 6/10, fit 36/60, line at the end 3.2.
    row = last_row(one_instrument({"close": [9.0, 1.0, 2.0, 1.0, 2.0, 4.0]}))
    check(
        row,
        {
            "BETA5": 0.6 / 4,
            "RSQR5": 0.6,
            "RESI5": 0.8 / 4,
            "STD5": np.sqrt(6 / 4) / 4,
            "CNTP5": 3 / 5,
            "CNTN5": 2 / 5,
            "CNTD5": 1 / 5,
            "SUMP5": 4 / 13,
            "SUMN5": 9 / 13,
            "SUMD5": -5 / 13,
        },
    )


def test_rank_averages_ties():
    row = last_row(one_instrument({"close": [3.0, 1.0, 2.0, 5.0, 2.0]}))
    check(row, {"RANK5": 2.5 / 5})


def test_extremes_take_the_earlier_of_two_equal_bars():
    row = last_row(
        one_instrument(
            {
                "high": [99.0, 3.0, 5.0, 4.0, 5.0, 2.0],
                "low": [0.0, 2.0, 2.0, 1.0, 1.0, 1.0],
                "close": [50.0, 2.0, 2.0, 2.0, 2.0, 2.0],
            }
        )
    )
    check(
        row,
        {
            "MAX5": 5 / 2,
            "MIN5": 1 / 2,
            "RSV5": 1 / 4,
            "IMAX5": 2 / 5,
            "IMIN5": 3 / 5,
            "IMXD5": -1 / 5,
            # Six bars of a window of ten: position 1 is the oldest there is.
            "IMAX10": 1 / 10,
            "IMIN10": 1 / 10,
        },
    )


def test_volume_against_its_past():
    row = last_row(one_instrument({"close": np.ones(5), "volume": [1.0, 2.0, 3.0, 4.0, 10.0]}))
    check(
        row,
        {
            "VMA5": 4 / 10,
            "VSTD5": np.sqrt(12.5) / 10,
            "VSUMP5": 1,
            "VSUMN5": 0,
            "VSUMD5": 1,
        },
    )


def test_volume_changes_of_both_signs():
    row = last_row(one_instrument({"close": np.ones(6), "volume": [5.0, 8.0, 7.0, 12.0, 5.0, 6.0]}))
    check(row, {"VSUMP5": 9 / 17, "VSUMN5": 8 / 17, "VSUMD5": 1 / 17})


def test_volume_weighted_volatility():
    # Absolute returns 1, 0.5, 1, 0.5, 1 times volume: 1, 2, 3, 4, 1; mean 2.2, variance 1.7.
    row = last_row(
        one_instrument(
            {
                "close": [1.0, 2.0, 1.0, 2.0, 1.0, 2.0],
                "volume": [7.0, 1.0, 4.0, 3.0, 8.0, 1.0],
            }
        )
    )
    check(row, {"WVMA5": np.sqrt(1.7) / 2.2})


def test_correlation_of_close_and_log_volume():
    close = [1.0, 2.0, 1.0, 2.0, 4.0]
    row = last_row(one_instrument({"close": close, "volume": np.exp(np.arange(5.0)) - 1.0}))
    check(row, {"CORR5": np.sqrt(0.6)})
    row = last_row(one_instrument({"close": close, "volume": np.exp(-np.array(close)) * 1e3 - 1.0}))
    check(row, {"CORR5": -1})


def test_correlation_of_close_ratio_and_log_volume_ratio():
    # Volume ratios are exp(close ratio) - 1, so their log plus one is the close ratio.
    ratios = np.array([1.0, 2.0, 1.5, 0.5, 1.0])
    close = np.cumprod(np.concatenate([[8.0], ratios]))
    volume = np.cumprod(np.concatenate([[3.0], np.exp(ratios) - 1.0]))
    row = last_row(one_instrument({"close": close, "volume": volume}))
    check(row, {"CORD5": 1})


def test_windows_shorter_than_their_length_use_the_bars_there_are():
    row = last_row(one_instrument({"close": [2.0, 4.0, 3.0]}))
    check(row, {"MA60": 1, "STD60": 1 / 3, "RANK60": 2 / 3, "CNTP60": 1 / 3, "QTLU60": 3.6 / 3})
    assert np.isnan(row["ROC5"])


def test_prices_are_adjusted_before_anything_else():
    raw = one_instrument(
        {
            "open": [99.0, 101.0, 50.0],
            "high": [104.0, 105.0, 53.0],
            "low": [98.0, 99.0, 49.0],
            "close": [100.0, 102.0, 52.0],
        }
    )
    raw["adjusted_close"] = [50.0, 51.0, 52.0]
    row = last_row(raw)
    check(row, {"MA5": 51 / 52, "MAX5": 53 / 52, "MIN5": 49 / 52, "CNTP5": 2 / 3, "KMID": 2 / 50})


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


WINDOWS = (5, 10, 20, 30, 60)


def test_halt_with_constant_prices_and_volume():
    flat = np.full(70, 12.3)
    row = last_row(
        one_instrument(
            {"open": flat, "high": flat, "low": flat, "close": flat, "volume": np.full(70, 500.0)}
        )
    )
    zero = "STD BETA RESI RSV IMXD CNTP CNTN CNTD SUMP SUMN SUMD VSTD WVMA VSUMP VSUMN VSUMD"
    for d in WINDOWS:
        for name in zero.split():
            assert row[f"{name}{d}"] == 0.0, name
        for name in ("ROC", "MA", "MAX", "MIN", "QTLU", "QTLD", "VMA"):
            assert row[f"{name}{d}"] == pytest.approx(1.0, abs=1e-7), name
        for name in ("RSQR", "CORR", "CORD"):
            assert np.isnan(row[f"{name}{d}"]), name
        assert row[f"RANK{d}"] == np.float32((d + 1) / (2 * d))
        assert row[f"IMAX{d}"] == row[f"IMIN{d}"] == np.float32(1 / d)
    assert (row[[name for name in row.index if name.startswith("K")]] == 0.0).all()


def test_prices_that_move_by_next_to_nothing_count_as_constant():
    close = np.where(np.arange(70) % 2 == 0, 100.0, 100.0 * (1 + 3e-5))
    row = last_row(one_instrument({"close": close, "volume": np.exp(np.arange(70.0) % 3)}))
    assert row[["RSQR5", "CORR5", "CORD60"]].isna().tolist() == [True, True, False]
    close = np.where(np.arange(70) % 2 == 0, 100.0, 100.0 * (1 + 6e-5))
    row = last_row(one_instrument({"close": close, "volume": np.exp(np.arange(70.0) % 3)}))
    assert row[["RSQR5", "CORR5", "CORD60"]].notna().all()


def test_no_volume_today_gives_huge_finite_ratios():
    volume = np.full(10, 1e9)
    volume[-1] = 0.0
    row = last_row(one_instrument({"close": np.arange(1.0, 11.0), "volume": volume}))
    assert row["VMA5"] == pytest.approx(8e8 / 1e-12, rel=1e-6)
    assert np.isfinite(row["VSTD10"])


def test_no_volume_at_all():
    row = last_row(one_instrument({"close": np.arange(1.0, 71.0), "volume": np.zeros(70)}))
    for d in WINDOWS:
        for name in ("VMA", "VSTD", "WVMA", "VSUMP", "VSUMN", "VSUMD"):
            assert row[f"{name}{d}"] == 0.0, name
        assert np.isnan(row[f"CORR{d}"])
        assert np.isnan(row[f"CORD{d}"])


def test_volume_ratio_after_a_bar_without_volume_is_left_out():
    rng = np.random.default_rng(0)
    close, volume = rng.uniform(1, 2, 6), rng.uniform(1, 2, 6)
    volume[2] = 0.0
    row = last_row(one_instrument({"close": close, "volume": volume}))
    ratio, log_ratio = (
        close[1:] / close[:-1],
        np.log(volume[[1, 2, 4, 5]] / volume[[0, 1, 3, 4]] + 1),
    )
    expected = np.corrcoef(ratio[[0, 1, 3, 4]], log_ratio)[0, 1]
    assert row["CORD5"] == pytest.approx(expected, rel=1e-5)


def test_missing_values_are_skipped_in_windows():
    row = last_row(
        one_instrument(
            {
                "open": [1.0, 1.0, 1.0, 1.0, np.nan],
                "high": [np.nan, 7.0, np.nan, 9.0, 4.0],
                "low": [np.nan, 1.0, 2.0, np.nan, np.nan],
                "close": [2.0, np.nan, 4.0, 3.0, 4.0],
            }
        )
    )
    assert row["IMAX5"] == np.float32(4 / 5)
    assert row["IMIN5"] == np.float32(2 / 5)
    assert row["MAX5"] == 9 / 4
    assert row["RSV5"] == 3 / 8
    assert row["MA5"] == np.float32(13 / 16)
    assert row["RANK5"] == 3.5 / 4
    # Known changes are -1 and 1; a bar whose change is unknown still counts as a bar.
    assert row["CNTP5"] == np.float32(1 / 5)
    assert row["SUMP5"] == pytest.approx(0.5)
    assert np.isnan(row[["KMID", "KLEN", "KUP2", "KSFT2", "OPEN0", "LOW0"]].astype(float)).all()
    assert row["HIGH0"] == 1.0


def test_missing_close_today_leaves_what_does_not_need_it():
    row = last_row(
        one_instrument(
            {"close": [1.0, 2.0, np.nan], "high": [3.0, 2.0, 1.0], "low": [1.0, 1.0, 1.0]}
        )
    )
    assert np.isnan(row[["MA5", "STD5", "RESI5", "RANK5", "QTLU5", "RSV5"]].astype(float)).all()
    assert row["RSQR5"] == 1.0
    assert row["IMAX5"] == np.float32(1 / 5)


def test_bars_with_no_value_at_all():
    features = raw_features(
        one_instrument({"close": np.full(70, np.nan), "volume": np.full(70, np.nan)})
    )
    counted = features.columns[features.columns.str.match(r"CNT[PND]\d")]
    assert (features[counted] == 0.0).all(axis=None)
    assert features.drop(columns=counted).isna().all(axis=None)


def test_infinite_inputs_count_as_missing():
    panel = random_panel(1, 70, seed=1)
    infinite, missing = panel.copy(), panel.copy()
    for column in ("open", "high", "low", "close", "volume", "vwap"):
        infinite.iloc[30, panel.columns.get_loc(column)] = np.inf
        missing.iloc[30, panel.columns.get_loc(column)] = np.nan
    assert same_bits(raw_features(infinite), raw_features(missing))


PRICES = st.sampled_from([np.nan, 0.0, 1e-300, 1e-9, 1.0, 1.0, 2.0, 100.0, 1e12, 1e300, np.inf])
BARS = st.lists(st.tuples(PRICES, PRICES, PRICES, PRICES, PRICES), min_size=2, max_size=75)


@settings(deadline=None, derandomize=True, max_examples=25)
@given(bars=BARS, normalization=st.sampled_from(["none", "rank", "zscore"]))
def test_nothing_is_ever_infinite_and_nothing_warns(bars, normalization):
    columns = np.array(bars).T
    panel = one_instrument(
        dict(zip(["open", "high", "low", "close", "volume"], columns, strict=True))
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        features = build_features_from_config(
            panel, {"normalization": normalization, "min_history_bars": 0}, n_threads=1
        )
    assert not np.isinf(features.to_numpy()).any()


CLOSES = st.lists(st.sampled_from([np.nan, 1.0, 2.0, 2.5, 3.0, 5.0, 8.0]), min_size=1, max_size=75)


@settings(deadline=None, derandomize=True, max_examples=25)
@given(closes=CLOSES)
def test_sorted_windows_keep_their_order_through_ties_and_missing_values(closes):
    features = raw_features(one_instrument({"close": closes}))
    series = np.array(closes)
    for d in WINDOWS:
        for t in range(len(series)):
            window = series[max(t - d + 1, 0) : t + 1]
            known = window[~np.isnan(window)]
            got = features[f"QTLU{d}"].iloc[t], features[f"QTLD{d}"].iloc[t]
            if np.isnan(series[t]):
                assert np.isnan(got).all()
            else:
                want = np.quantile(known, [0.8, 0.2]) / series[t]
                np.testing.assert_allclose(got, want, rtol=1e-6)


@settings(deadline=None, derandomize=True, max_examples=25)
@given(seed=st.integers(0, 2**32 - 1), n_bars=st.integers(2, 80))
def test_bounded_features_stay_in_their_bounds(seed, n_bars):
    rng = np.random.default_rng(seed)
    close = np.exp(rng.normal(0.0, 1.0, n_bars).round(1))
    spread = rng.uniform(0.0, 0.1, (2, n_bars)).round(2)
    panel = one_instrument(
        {
            "high": close * (1 + spread[0]),
            "low": close * (1 - spread[1]),
            "close": close,
            "volume": rng.integers(0, 4, n_bars),
        }
    )
    features = raw_features(panel)
    bounds = {
        "RSQR": (0, 1),
        "RANK": (0, 1),
        "RSV": (0, 1),
        "IMAX": (0, 1),
        "IMIN": (0, 1),
        "IMXD": (-1, 1),
        "CORR": (-1, 1),
        "CORD": (-1, 1),
        "CNTD": (-1, 1),
        "SUMP": (0, 1),
        "SUMD": (-1, 1),
        "VSUMN": (0, 1),
    }
    for name, (least, most) in bounds.items():
        for d in WINDOWS:
            values = features[f"{name}{d}"].dropna()
            assert values.between(least, most).all(), name
    for d in WINDOWS:
        assert (features[f"MIN{d}"] <= features[f"QTLD{d}"]).all()
        assert (features[f"QTLD{d}"] <= features[f"QTLU{d}"]).all()
        assert (features[f"QTLU{d}"] <= features[f"MAX{d}"]).all()


@pytest.mark.parametrize("n_threads", [1, 2, 9, None])
def test_chunks_cover_every_item_once(n_threads):
    seen, lock = [], threading.Lock()

    def task(first, stop):
        with lock:
            seen.append((first, stop))

    for_each_chunk(task, 10, chunk_size=4, n_threads=n_threads)
    assert sorted(seen) == [(0, 4), (4, 8), (8, 10)]


@pytest.mark.parametrize("n_threads", [1, 3])
def test_an_error_in_a_chunk_reaches_the_caller(n_threads):
    def task(first, stop):
        raise ValueError(f"chunk {first}")

    with pytest.raises(ValueError, match="chunk 0"):
        for_each_chunk(task, 10, chunk_size=4, n_threads=n_threads)


def test_no_items_no_calls():
    for_each_chunk(lambda first, stop: pytest.fail("called"), 0, chunk_size=4, n_threads=2)


def test_kernels_compile_where_no_cache_can_be_written():
    # Source that lies in no file has no place for a cache, like a read-only installation.
    scope = {}
    exec("def double(x):\n    return 2.0 * x", scope)
    assert compiled(scope["double"])(1.5) == 3.0


def test_division_by_zero_follows_ieee_754():
    scope = {}
    exec("def divide(x, y):\n    return x / y", scope)
    assert compiled(scope["divide"])(1.0, 0.0) == float("inf")
