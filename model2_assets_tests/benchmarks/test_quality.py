"""Daily rank ICs."""

import numpy as np
import pandas as pd
from scipy.stats import spearmanr

from benchmarks.quality import daily_rank_ic


def test_they_are_spearmans() -> None:
    generator = np.random.default_rng(0)
    dates = pd.bdate_range("2020-01-01", periods=4)
    index = pd.MultiIndex.from_product([dates, list("ABCDEFG")], names=["datetime", "instrument"])
    y = pd.Series(generator.integers(0, 4, 28).astype(float), index=index)
    prediction = generator.integers(0, 5, 28).astype(float)
    expected = [
        spearmanr(prediction[start : start + 7], y.iloc[start : start + 7]).statistic
        for start in range(0, 28, 7)
    ]
    np.testing.assert_allclose(daily_rank_ic(prediction, y), expected)


def test_a_constant_date_counts_as_zero() -> None:
    index = pd.MultiIndex.from_product(
        [pd.to_datetime(["2020-01-01"]), ["A", "B"]], names=["datetime", "instrument"]
    )
    y = pd.Series([1.0, 2.0], index=index)
    assert daily_rank_ic(np.zeros(2), y).tolist() == [0.0]
