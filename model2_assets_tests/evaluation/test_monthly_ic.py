import numpy as np
import pandas as pd

from model2_assets.evaluation.distribution import monthly_mean_ic


def test_hand_worked_months():
    dates = ["2022-11-30", "2022-12-01", "2022-12-02", "2024-02-01", "2024-02-29", "2024-03-01"]
    daily = pd.Series([0.25, 0.5, -0.25, 1.0, np.nan, np.nan], index=pd.to_datetime(dates))

    found = monthly_mean_ic(daily)

    assert found.index.tolist() == [2022, 2023, 2024]
    assert found.columns.tolist() == list(range(1, 13))
    assert found.loc[2022, [11, 12]].tolist() == [0.25, 0.125]
    assert found.loc[2024, 2] == 1.0
    assert found.notna().sum().sum() == 3


def test_agrees_with_resampling():
    dates = pd.bdate_range("2020-03-17", "2023-09-05")
    daily = pd.Series(np.random.default_rng(3).normal(size=len(dates)), index=dates)

    found = monthly_mean_ic(daily).to_numpy().ravel()

    assert np.isnan(found[[0, 1, -3, -2, -1]]).all()
    np.testing.assert_allclose(found[2:-3], daily.resample("MS").mean())


def test_no_value_gives_no_year():
    found = monthly_mean_ic(pd.Series([np.nan], index=pd.to_datetime(["2024-01-02"])))

    assert found.shape == (0, 12)
    assert (found.dtypes == "float64").all()
