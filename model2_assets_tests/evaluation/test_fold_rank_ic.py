import numpy as np
import pandas as pd

from model2_assets.evaluation import daily_ic, mean_ic_inference
from model2_assets.evaluation.ic import fold_rank_ic
from model2_assets_tests.evaluation.test_decile_spread import ragged


def test_every_fold_has_its_own_mean_error_and_dates():
    index, rng = ragged([6] * 40)
    dates = index.get_level_values("datetime")
    fold = (dates >= dates[6 * 15]).astype("int16")
    oof = pd.DataFrame({"prediction": rng.normal(size=240), "fold_id": fold}, index=index)
    label = pd.Series(rng.normal(size=240), index=index)
    order = rng.permutation(240)
    found = fold_rank_ic(oof.iloc[order], label.iloc[order], lag=3)
    assert found.index.tolist() == [0, 1]
    assert found["dates"].tolist() == [15, 25]
    assert found["first_date"].tolist() == [dates[0], dates[90]]
    assert found["last_date"].tolist() == [dates[89], dates[-1]]
    for each in (0, 1):
        part = fold == each
        daily = daily_ic(oof["prediction"][part], label[part], index[part])["rank_ic"]
        expected = mean_ic_inference(daily, lag=3)
        np.testing.assert_allclose(found["mean"][each], expected.mean)
        np.testing.assert_allclose(found["standard_error"][each], expected.standard_error)


def test_a_fold_of_two_names_has_no_rank_ic():
    index, _ = ragged([2, 2])
    oof = pd.DataFrame({"prediction": range(4), "fold_id": [3, 3, 3, 3]}, index=index)
    found = fold_rank_ic(oof, pd.Series(range(4), index=index), lag=1)
    assert found["dates"].tolist() == [0]
    assert found[["mean", "standard_error"]].isna().all(axis=None)
