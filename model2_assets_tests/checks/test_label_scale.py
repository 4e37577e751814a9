"""What the scale of the labels says of the size of predictions."""

from math import log, sqrt

import numpy as np
import pandas as pd
import pytest

from model2_assets.checks.label_scale import LabelScale, widest_labels
from model2_assets.config import ChecksConfig


def test_scale_is_that_of_the_labels_that_there_are() -> None:
    labels = pd.DataFrame({"label_5d": [-200.0, np.nan, 400.0, 400.0, np.inf, -200.0]})

    assert LabelScale.of(labels, "5d") == LabelScale("5d", std_bps=300, mean_bps=100, n_rows=4)


@pytest.mark.parametrize(
    "labels",
    [
        pd.DataFrame({"other": [1.0]}),
        pd.DataFrame({"label_5d": ["up", "down"]}),
        pd.DataFrame({"label_5d": [np.nan, np.nan]}),
        pd.DataFrame({"label_5d": [1e200, -1e200]}),
    ],
    ids=["no column", "text", "no label", "absurd prices"],
)
def test_without_labels_no_limit_is_too_low(labels: pd.DataFrame) -> None:
    assert widest_labels(labels, ["5d"]).fits(0.001)


@pytest.mark.parametrize("correlation", [0.02, 0.05, 0.10])
@pytest.mark.parametrize("mean", [0.0, -300.0])
def test_least_squares_keeps_the_limit_that_its_correlation_asks_for(
    correlation: float, mean: float
) -> None:
    """The best forecaster of labels of a known correlation, fitted to many rows."""
    rng = np.random.default_rng(3)
    known, unknown = rng.standard_normal((2, 200_000))
    label = mean + 2000 * (correlation * known + sqrt(1 - correlation**2) * unknown)
    slope, intercept = np.polyfit(known, label, 1)
    predicted = intercept + slope * known
    largest = float(np.abs(predicted).max())
    scale = LabelScale.of(pd.DataFrame({"label_5d": label}), "5d")

    # Four standard errors of a correlation; the bound is loose by a tenth at this many rows.
    assert predicted.std() == pytest.approx(correlation * 2000, abs=4 * 2000 / sqrt(len(label)))
    needed = scale.largest_correlation(largest)
    assert correlation - 0.02 < needed < correlation + 0.01


def test_the_edge_of_what_fits_is_as_worked_by_hand() -> None:
    limit = 250 + 0.10 * 3000 * sqrt(2 * log(2 * 8000))
    scale = LabelScale("5d", std_bps=3000, mean_bps=-250, n_rows=8000)

    assert limit == pytest.approx(1570.02, abs=0.01)
    assert scale.fits(limit + 0.01)
    assert not scale.fits(limit - 0.01)
    assert scale.largest_correlation(100) == 0


@pytest.mark.parametrize(
    ("std", "mean", "limit"), [(5152, 0, 5200), (960, 38, 1000), (990, -20, 1100), (0.3, 0, 10)]
)
def test_a_fitting_limit_is_one_deviation_rounded_up(std: float, mean: float, limit: int) -> None:
    scale = LabelScale("5d", std_bps=std, mean_bps=mean, n_rows=10**9)

    assert scale.fitting_limit_bps == limit
    assert scale.fits(limit)


@pytest.mark.parametrize(("std", "n_rows"), [(1053, 164_980), (800, 586_740)])
def test_the_default_fits_large_american_stocks(std: float, n_rows: int) -> None:
    """Labels of 63 days of the demo, and of 505 stocks from 2013 to 2018."""
    assert LabelScale("63d", std, -50, n_rows).fits(ChecksConfig().prediction_bps)


def test_the_widest_horizon_decides() -> None:
    labels = pd.DataFrame(
        {"label_5d": [-100.0, 100.0], "label_10d": [-900.0, 900.0], "label_21d": [0, 1]}
    )

    assert widest_labels(labels, ["5d", "10d", "21d"]).horizon == "10d"
