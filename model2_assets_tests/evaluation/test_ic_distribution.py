import math

import numpy as np
import pandas as pd
import pytest

from model2_assets.evaluation.distribution import ic_distribution


def test_hand_worked_moments():
    # Deviations −1, −1, −1, 3: m2 = 3, m3 = 6, m4 = 21.
    found = ic_distribution([0.0, 0.0, 0.0, 4.0, np.nan])

    assert found.n_dates == 4
    assert found.standard_deviation == pytest.approx(2.0)
    assert found.positive_share == 0.25
    assert found.skewness == pytest.approx(6 / 3**1.5)
    assert found.excess_kurtosis == pytest.approx(21 / 9 - 3)


def test_agrees_with_pandas_on_a_long_series():
    daily = pd.Series(np.random.default_rng(1).gamma(2.0, size=20_000))

    found = ic_distribution(daily)

    assert found.standard_deviation == pytest.approx(daily.std())
    assert found.skewness == pytest.approx(daily.skew(), rel=1e-3)
    assert found.excess_kurtosis == pytest.approx(daily.kurt(), rel=1e-2)


@pytest.mark.parametrize("values", [[], [0.5], [0.5, 0.5]])
def test_what_is_undefined_is_missing(values):
    found = ic_distribution(values)

    assert found.n_dates == len(values)
    assert math.isnan(found.skewness)
    assert math.isnan(found.excess_kurtosis)
    assert math.isnan(found.standard_deviation) == (len(values) < 2)
