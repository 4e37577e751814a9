"""Checks of contract, finiteness and range."""

import re

import numpy as np
import pytest

from model2_assets_tests.checks.builders import check_contract, check_finite, check_range, labels_of
from model2_assets_tests.sample_tables import oof_predictions


def test_contract_that_is_kept_passes():
    outcome = check_contract(oof_predictions(), "OOFPredictions")
    assert outcome.passed
    assert outcome.description == "3 rows keep OOFPredictions"
    assert outcome.values == {"contract": "OOFPredictions", "rows": 3, "columns": 2}


def test_breach_of_a_contract_is_named_with_its_row():
    outcome = check_contract(oof_predictions(fold_id=(0, -1, 0)), "OOFPredictions")
    assert not outcome.passed
    assert outcome.description == (
        "candidate: column 'fold_id' is below 0 (OOFPredictions): first at row 1 "
        "(instrument=B, datetime=2024-01-02), 1 rows in all"
    )


def test_finite_predictions_pass():
    outcome = check_finite(oof_predictions(prediction=(-1e300, 0.0, 1e300)))
    assert (outcome.name, outcome.passed, outcome.severity) == ("finite", True, "error")
    assert outcome.description == "all 3 predictions are finite"
    assert outcome.values == {"not_finite_rows": 0}


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_prediction_that_is_no_number_is_named(value):
    outcome = check_finite(oof_predictions(prediction=(1.0, value, value)))
    assert not outcome.passed
    assert outcome.description == "2 predictions are not finite, first B 2024-01-02"
    assert outcome.values == {"not_finite_rows": 2}


@pytest.mark.parametrize("value", [1000.0, -1000.0, 999.99])
def test_predictions_up_to_the_limit_pass(value):
    outcome = check_range(oof_predictions(prediction=(0.0, value, 1.0)), limit_bps=1000)
    assert (outcome.name, outcome.passed, outcome.severity) == ("range", True, "error")
    assert outcome.values == {"largest_bps": abs(value), "limit_bps": 1000, "rows_beyond": 0}
    assert outcome.description == (
        f"largest absolute prediction {abs(value):,.1f} bps, limit 1,000 bps"
    )


@pytest.mark.parametrize("value", [1000.01, -1000.01, np.nextafter(1000.0, 2000.0), np.inf])
def test_prediction_beyond_the_limit_is_named_and_never_clipped(value):
    oof = oof_predictions(prediction=(0.0, value, -2000.0))
    outcome = check_range(oof, limit_bps=1000)
    assert not outcome.passed
    assert "; 2 rows beyond it, first B 2024-01-02; labels of 21d have" in outcome.description
    assert outcome.values == {
        "largest_bps": max(abs(value), 2000.0),
        "limit_bps": 1000,
        "rows_beyond": 2,
    }
    assert oof["prediction"].tolist() == [0.0, value, -2000.0]


def test_range_leaves_missing_predictions_to_another_check():
    assert check_range(oof_predictions(prediction=(np.nan,) * 3), limit_bps=1000).passed
    some = check_range(oof_predictions(prediction=(np.nan, 7.0, -8.0)), limit_bps=1000)
    assert some.values["largest_bps"] == 8.0
    assert check_range(oof_predictions().iloc[:0], limit_bps=1000).values["largest_bps"] == 0.0


# 1,000 labels: sqrt(2 ln 2000) = 3.8989, so +-1,000 bps hold up to 1000 / (3.8989 sd).
@pytest.mark.parametrize(
    ("largest", "sd_21d", "sd_63d", "text"),
    [
        (
            *(1200.0, 600, 5000),
            "labels of 21d have a standard deviation of 600 bps, so a calibrated forecaster keeps "
            "1,000 bps up to a correlation of 0.43 with them: regularize the model more strongly "
            "or winsorize the labels harder",
        ),
        (
            *(1200.0, 5120, 600),
            "labels of 21d have a standard deviation of 5,120 bps, so a calibrated forecaster "
            "keeps 1,000 bps only up to a correlation of 0.05 with them, where 0.10 can be "
            "believed: set checks.prediction_bps to 5200, for all horizons",
        ),
        (
            *(9000.0, 3000, 5120),
            "labels of 21d have a standard deviation of 3,000 bps, so a calibrated forecaster "
            "keeps 1,000 bps only up to a correlation of 0.09 with them, where 0.10 can be "
            "believed: set checks.prediction_bps to 5200, for all horizons, and regularize the "
            "model more strongly or winsorize the labels harder",
        ),
    ],
    ids=["the model is too bold", "the limit is too low", "both"],
)
def test_range_says_whether_the_limit_or_the_model_is_at_fault(largest, sd_21d, sd_63d, text):
    labels = labels_of(**{"21d": sd_21d, "63d": sd_63d})
    oof = oof_predictions(prediction=(0.0, largest, 1.0))

    outcome = check_range(oof, limit_bps=1000, labels=labels)

    assert outcome.description.endswith(f"; 1 rows beyond it, first B 2024-01-02; {text}")
    named = re.search(r"prediction_bps to (\d+)", outcome.description)
    if named and largest <= float(named[1]):
        assert check_range(oof, limit_bps=float(named[1]), labels=labels).passed
