import numpy as np
import pytest

from model2_assets_tests.features.sample_panels import last_row, one_instrument

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
