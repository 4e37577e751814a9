import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model2_assets.features import build_features_from_config
from model2_assets_tests.features.sample_panels import (
    last_row,
    one_instrument,
    random_panel,
    raw_features,
    same_bits,
)

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
