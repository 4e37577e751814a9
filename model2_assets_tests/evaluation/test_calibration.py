import numpy as np
import pytest
from scipy import stats

from model2_assets.evaluation import calibration
from model2_assets.panel import panel_index
from model2_assets_tests.evaluation.test_decile_spread import ragged


def test_hand_worked_bins_and_slope():
    # Deciles of 10 rows hold a row each; two bins hold five.
    index, _ = ragged([5, 5])
    x = np.array([1.0, 2, 3, 4, 5, 6, 7, 8, 9, 10])
    y = 2 * x + np.tile([1.0, -1.0], 5)
    found = calibration(x, y, index, lag=0, n_bins=2)
    assert found.bins["rows"].tolist() == [5, 5]
    assert found.bins["prediction"].tolist() == [3, 8]
    assert found.bins["label"].tolist() == [6.2, 15.8]
    assert found.slope == pytest.approx(stats.linregress(x, y).slope)


def test_errors_are_those_of_sums_by_date():
    # A bin of all rows. Deviations from the mean 2 by date: -2, 0, +2, 0; sums of two names each.
    index, _ = ragged([2, 2, 2, 2])
    y = np.array([0.0, 0, 2, 2, 4, 4, 2, 2])
    found = calibration(np.ones(8), y, index, lag=0, n_bins=1)
    sums = np.array([-4.0, 0, 4, 0])
    expected = np.sqrt((sums**2).sum() / 4 / 3) * 4 / 8
    assert found.bins["standard_error"].tolist() == [pytest.approx(expected)]
    # One name a date is the ordinary standard error of a mean.
    index, _ = ragged([1] * 6)
    y = np.array([3.0, 1, 4, 1, 5, 9])
    found = calibration(np.ones(6), y, index, lag=0, n_bins=1)
    assert found.bins["standard_error"][0] == pytest.approx(stats.sem(y))


def test_slope_error_is_whites_where_every_date_has_one_name():
    index, rng = ragged([1] * 400)
    x = rng.normal(size=400)
    y = 0.3 * x + rng.normal(size=400) * (1 + np.abs(x))
    found = calibration(x, y, index, lag=0)
    centered = x - x.mean()
    residual = y - y.mean() - found.slope * centered
    white = np.sqrt(((centered * residual) ** 2).sum()) / (centered**2).sum()
    assert found.slope_standard_error == pytest.approx(white * np.sqrt(400 / 399))


def test_overlapping_labels_widen_the_errors():
    index, rng = ragged([1] * 2000)
    y = np.convolve(rng.normal(size=2020), np.ones(21), mode="valid")
    short, long = (
        calibration(np.ones(2000), y, index, lag=lag, n_bins=1).bins["standard_error"][0]
        for lag in (0, 40)
    )
    assert 3 < long / short < 5  # the square root of 21, less what Bartlett weights miss


def test_equal_predictions_share_a_bin_and_have_no_slope():
    index, _ = ragged([4, 4])
    found = calibration(np.full(8, 5.0), np.arange(8.0), index, lag=0)
    assert found.bins["rows"].tolist() == [8]
    assert np.isnan(found.slope)
    mixed = calibration([0.0] * 6 + [1.0, 2.0], np.arange(8.0), index, lag=0, n_bins=4)
    assert mixed.bins["rows"].tolist() == [6, 2]


def test_rows_in_any_order_and_missing_values_left_out():
    index, rng = ragged([20] * 30)
    x, y = rng.normal(size=(2, 600))
    order = rng.permutation(600)
    whole = calibration(x, y, index, lag=5)
    shuffled = calibration(x[order], y[order], index[order], lag=5)
    np.testing.assert_allclose(shuffled.bins, whole.bins)
    assert shuffled.slope == pytest.approx(whole.slope)
    y[:40] = np.nan
    part = calibration(x, y, index, lag=5)
    np.testing.assert_allclose(part.bins, calibration(x[40:], y[40:], index[40:], lag=5).bins)
    assert part.bins["rows"].sum() == 560


def test_no_rows_give_no_bins():
    found = calibration(
        [np.nan], [1.0], panel_index(["A"], np.array(["2024-01-02"], "M8[us]")), lag=0
    )
    assert found.bins.empty
    assert np.isnan(found.slope)
