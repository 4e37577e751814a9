from math import isnan, sqrt

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn import metrics

from model2_assets.errors import ContractError
from model2_assets.evaluation import (
    daily_ic,
    decile_spread,
    deflated_sharpe_ratio,
    mean_ic_inference,
    score_predictions,
)
from model2_assets.panel import panel_index
from model2_assets_tests.evaluation.paths_example import HISTORY_METRICS, SCORE_METRICS


def values(scores, scope="all", unit=None):
    chosen = scores[scores["scope"] == scope]
    if unit is not None:
        chosen = chosen[chosen[f"{scope}_id"] == unit]
    return chosen.set_index("metric")["value"]


def example():
    dates = pd.to_datetime(["2024-01-02", "2024-01-03", "2024-01-04"])
    index = panel_index(["A", "B", "C"] * 3, np.repeat(dates, 3))
    oof = pd.DataFrame(
        {
            "prediction": [1.0, 2.0, 3.0, -1.0, 0.0, 1.0, 2.0, 1.0, -3.0],
            "fold_id": np.int16([0] * 6 + [1] * 3),
        },
        index=index,
    )
    label = pd.Series([1.0, 3.0, 2.0, 2.0, 0.0, -2.0, 3.0, 0.0, -4.0], index=index)
    return oof, label


def random_example(n_dates=60, n_names=15, seed=0):
    rng = np.random.default_rng(seed)
    dates = pd.bdate_range("2020-01-01", periods=n_dates)
    names = [f"S{i}" for i in range(n_names)]
    index = panel_index(names * n_dates, np.repeat(dates, n_names))
    label = pd.Series(rng.normal(size=len(index)) * 300, index=index)
    prediction = 0.1 * label.to_numpy() + rng.normal(size=len(index)) * 30
    folds = np.repeat(np.arange(n_dates) * 4 // n_dates, n_names).astype(np.int16)
    return pd.DataFrame({"prediction": prediction, "fold_id": folds}, index=index), label


def test_hand_worked_scores():
    oof, label = example()
    scores = score_predictions(oof, label, horizon_days=1, overlap_days=0)
    ids = ["fold_id", "split_id", "path_id"]
    assert list(scores.columns) == ["scope", *ids, "metric", "value"]
    types = ["str", "Int64", "Int64", "Int64", "str", "float64"]
    assert scores.dtypes.astype(str).tolist() == types
    assert scores[["split_id", "path_id"]].isna().all(axis=None)
    keys = list(zip(scores["scope"], scores["fold_id"].fillna(-1), scores["metric"], strict=True))
    assert keys == [
        *[("fold", 0, metric) for metric in SCORE_METRICS],
        *[("fold", 1, metric) for metric in SCORE_METRICS],
        *[("all", -1, metric) for metric in SCORE_METRICS + HISTORY_METRICS],
    ]
    first = values(scores, "fold", 0)
    # Rank ICs of the two dates are 0.5 and -1; errors 0, 1, 1, 3, 0, 3; labels sum to 6.
    assert first["rank_ic"] == pytest.approx(-0.25)
    assert first["icir"] == pytest.approx(-0.25 / (1.5 / sqrt(2)))
    assert first["mse"] == pytest.approx(20 / 6)
    assert first["rmse"] == pytest.approx(sqrt(20 / 6))
    assert first["mae"] == pytest.approx(8 / 6)
    assert first["r2"] == pytest.approx(1 - 20 / 16)
    assert first["hit_rate"] == pytest.approx(3 / 5)
    assert (first["samples"], first["dates"]) == (6, 2)
    second = values(scores, "fold", 1)
    assert second["rank_ic"] == pytest.approx(1.0)
    assert isnan(second["icir"])
    assert second["hit_rate"] == 1.0
    overall = values(scores)
    assert overall["rank_ic"] == pytest.approx(0.5 / 3)
    assert overall["hit_rate"] == pytest.approx(5 / 7)
    assert overall["rank_ic_se"] == pytest.approx(stats.sem([0.5, -1.0, 1.0]))
    assert overall["rank_ic_t"] == pytest.approx(stats.ttest_1samp([0.5, -1.0, 1.0], 0).statistic)
    assert overall["n_effective"] == pytest.approx(3)
    assert overall[["decile_spread_bps", "deflated_sharpe"]].isna().all()


def test_scores_agree_with_scikit_learn_and_daily_ic():
    oof, label = random_example()
    scores = score_predictions(oof, label, horizon_days=6, overlap_days=5, n_trials=3)
    for fold in [None, 0, 1, 2, 3]:
        rows = np.full(len(oof), True) if fold is None else oof["fold_id"].to_numpy() == fold
        x, y = oof["prediction"].to_numpy()[rows], label.to_numpy()[rows]
        found = values(scores) if fold is None else values(scores, "fold", fold)
        daily = daily_ic(x, y, oof.index[rows])
        expected = {
            "rank_ic": daily["rank_ic"].mean(),
            "ic": daily["ic"].mean(),
            "icir": daily["rank_ic"].mean() / daily["rank_ic"].std(),
            "r2": metrics.r2_score(y, x),
            "mse": metrics.mean_squared_error(y, x),
            "rmse": metrics.root_mean_squared_error(y, x),
            "mae": metrics.mean_absolute_error(y, x),
            "hit_rate": np.mean((x > 0) == (y > 0)),
            "samples": rows.sum(),
            "dates": rows.sum() / 15,
        }
        if fold is None:
            inference = mean_ic_inference(daily["rank_ic"], lag=10)
            spread = decile_spread(x, y, oof.index)
            expected["rank_ic_se"] = inference.standard_error
            expected["rank_ic_t"] = inference.t_statistic
            expected["n_effective"] = inference.n_effective
            expected["decile_spread_bps"] = spread.mean()
            expected["deflated_sharpe"] = np.median(
                [deflated_sharpe_ratio(spread[start::6], n_trials=3) for start in range(6)]
            )
        np.testing.assert_allclose(found[list(expected)], list(expected.values()), rtol=1e-12)
        assert len(found) == len(expected)


def test_labels_are_aligned_by_index():
    oof, label = random_example()
    expected = score_predictions(oof, label, horizon_days=5, overlap_days=5)
    extra = panel_index(["Z"], pd.to_datetime(["2030-01-01"]))
    longer = pd.concat([label, pd.Series([np.nan], index=extra)])
    order = np.random.default_rng(3).permutation(len(longer))
    by_instrument = oof.sort_index()
    assert not by_instrument.index.equals(oof.index)
    found = score_predictions(by_instrument, longer.iloc[order], horizon_days=5, overlap_days=5)
    pd.testing.assert_frame_equal(found, expected, rtol=1e-10)


def test_noise_has_a_rank_ic_within_three_standard_errors_of_zero():
    oof, label = random_example(n_dates=250)
    noise = oof.assign(prediction=np.random.default_rng(9).normal(size=len(oof)))
    overall = values(score_predictions(noise, label, horizon_days=20, overlap_days=20))
    assert abs(overall["rank_ic_t"]) < 3
    assert values(score_predictions(oof, label, horizon_days=20, overlap_days=20))["rank_ic_t"] > 10


def test_constant_predictions_have_errors_but_no_correlations():
    oof, label = example()
    scores = values(
        score_predictions(oof.assign(prediction=0.0), label, horizon_days=1, overlap_days=1)
    )
    undefined = ["rank_ic", "ic", "icir", "hit_rate", *HISTORY_METRICS]
    assert scores[undefined].isna().all()
    assert scores["mse"] == pytest.approx((label**2).mean())


def test_a_single_row_has_no_r2():
    oof, label = example()
    scores = values(score_predictions(oof.iloc[:1], label, horizon_days=1, overlap_days=1))
    assert isnan(scores["r2"])
    assert (scores["samples"], scores["dates"], scores["mse"]) == (1, 1, 0)


def test_faulty_rows_are_named():
    oof, label = example()

    def refused(oof, label, message):
        with pytest.raises(ContractError, match=message):
            score_predictions(oof, label, horizon_days=1, overlap_days=1)

    row = "row of instrument B on 2024-01-03"
    refused(oof, label.drop(oof.index[4]), f"{row} has no label")
    refused(oof, label.mask(label.index == oof.index[4]), f"{row} has no label")
    not_finite = oof["prediction"].where(oof.index != oof.index[4], np.inf)
    refused(oof.assign(prediction=not_finite), label, f"{row} has no finite prediction")
    no_fold = oof["fold_id"].astype("Int16").where(oof.index != oof.index[4])
    refused(oof.assign(fold_id=no_fold), label, f"{row} has no fold_id")
    refused(pd.concat([oof, oof.iloc[[4]]]), label, f"{row} appears more than once")
    refused(oof.iloc[1:], pd.concat([label, label.iloc[[4]]]), f"{row} has two labels")
    refused(oof.iloc[:0], label, "no rows to score")
