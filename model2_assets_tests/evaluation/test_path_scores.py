import numpy as np
import pandas as pd
import pytest

from model2_assets.errors import ContractError
from model2_assets.evaluation import score_predictions
from model2_assets.panel import panel_index
from model2_assets_tests.evaluation.paths_example import HISTORY_METRICS, SCORE_METRICS, example

SETTINGS = {"horizon_days": 5, "overlap_days": 5, "n_trials": 4}


def scored(made, paths=None):
    paths = made.paths if paths is None else paths
    return score_predictions(made.oof, made.label, paths=paths, **SETTINGS)


def of(scores, scope, unit=None):
    chosen = scores[scores["scope"] == scope]
    if unit is not None:
        chosen = chosen[chosen[f"{scope}_id"] == unit]
    return chosen.set_index("metric")["value"]


def alone(made, rows):
    """Return the scores of some single predictions as if they were all there are."""
    chosen = made.paths[rows]
    index = panel_index(chosen["instrument"], chosen["datetime"])
    oof = pd.DataFrame({"prediction": chosen["prediction"].to_numpy(), "fold_id": 0}, index=index)
    return of(score_predictions(oof, made.label, **SETTINGS), "all")


def test_rows_of_the_table():
    made = example()
    scores = scored(made)
    units = scores.groupby("scope", sort=False).size() // len(SCORE_METRICS)
    assert units.index.tolist() == ["fold", "split", "path", "all"]
    assert scores.groupby("scope")[
        ["fold_id", "split_id", "path_id"]
    ].nunique().to_numpy().tolist() == [
        [0, 0, 0],
        [4, 0, 0],
        [0, 0, 3],
        [0, 6, 0],
    ]
    every = list(SCORE_METRICS + HISTORY_METRICS)
    assert of(scores, "path", 2).index.tolist() == of(scores, "all").index.tolist() == every
    assert of(scores, "split", 5).index.tolist() == list(SCORE_METRICS)


def test_splits_and_paths_have_the_scores_of_their_own_predictions():
    made = example()
    scores = scored(made)
    for split in range(made.cv.n_splits):
        expected = alone(made, made.paths["split_id"] == split)[list(SCORE_METRICS)]
        pd.testing.assert_series_equal(of(scores, "split", split), expected, rtol=1e-12)
    for path in range(made.cv.n_paths):
        expected = alone(made, made.paths["path_id"] == path)
        pd.testing.assert_series_equal(of(scores, "path", path), expected, rtol=1e-12)
        assert expected["samples"] == len(made.oof)


def test_folds_and_all_are_those_without_paths():
    made = example()
    without = score_predictions(made.oof, made.label, **SETTINGS)
    scores = scored(made)
    kept = scores[scores["scope"].isin(["fold", "all"])].reset_index(drop=True)
    pd.testing.assert_frame_equal(kept, without, check_exact=True)


def test_with_one_test_group_splits_are_folds_and_the_path_is_all():
    scores = scored(example(n_groups=5, k=1))
    for fold in range(5):
        folds, splits = of(scores, "fold", fold), of(scores, "split", fold)
        pd.testing.assert_series_equal(folds, splits, check_exact=True)
    pd.testing.assert_series_equal(of(scores, "path", 0), of(scores, "all"), check_exact=True)


def test_means_flatter():
    scores = scored(example(n_groups=6, k=2, n_dates=240, n_names=30, noise=1.0))
    rank_ic = scores[(scores["scope"] == "path") & (scores["metric"] == "rank_ic")]["value"]
    assert len(rank_ic) == 5
    # Independent noise of five models: their mean has a fifth of its variance.
    assert of(scores, "all")["rank_ic"] > rank_ic.max() + 0.05


def test_row_order_does_not_matter():
    made = example()
    shuffled = made.paths.sample(frac=1, random_state=1).reset_index(drop=True)
    pd.testing.assert_frame_equal(scored(made, shuffled), scored(made), check_exact=True)


def test_strings_and_dates_of_any_storage_find_their_labels():
    made = example()
    as_objects = made.paths.assign(
        instrument=made.paths["instrument"].astype(object),
        datetime=made.paths["datetime"].astype("datetime64[ns]"),
    )
    pd.testing.assert_frame_equal(scored(made, as_objects), scored(made), check_exact=True)


def test_rows_that_some_splits_never_test_are_not_scored():
    made = example(n_groups=5, k=1)
    tested = made.oof["fold_id"] > 1
    oof, paths = made.oof[tested], made.paths[made.paths["group_id"] > 1]
    scores = score_predictions(oof, made.label, paths=paths, **SETTINGS)
    overall = of(scores, "all")
    assert (overall["samples"], overall["dates"]) == (tested.sum(), 48)
    pd.testing.assert_series_equal(of(scores, "path", 0), overall, check_exact=True)
    every = scored(made)
    pd.testing.assert_series_equal(of(scores, "fold", 3), of(every, "fold", 3), check_exact=True)


def test_a_date_without_predictions_keeps_its_place():
    made = example(n_groups=5, k=1, n_dates=60)
    dates = made.oof.index.get_level_values("datetime").unique().sort_values()
    left_out = made.oof.drop(dates[7], level="datetime")
    found = of(score_predictions(left_out, made.label, **SETTINGS), "all")
    without_signal = made.oof["prediction"].where(
        made.oof.index.get_level_values("datetime") != dates[7], 0.0
    )
    # A constant date has no correlation and no spread either.
    constant = score_predictions(made.oof.assign(prediction=without_signal), made.label, **SETTINGS)
    for metric in ("rank_ic_se", "n_effective", "deflated_sharpe"):
        assert found[metric] == of(constant, "all")[metric]
    assert found["dates"] == 59


def test_a_real_spread_is_significant_and_noise_is_not():
    def probability(signal, seed):
        made = example(n_groups=5, k=1, n_dates=400, n_names=50, signal=signal, seed=seed)
        return of(scored(made), "all")[["deflated_sharpe", "decile_spread_bps"]]

    real = [probability(0.2, seed) for seed in range(5)]
    noise = [probability(0.0, seed) for seed in range(40)]
    assert all(found["deflated_sharpe"] > 0.99 for found in real)
    assert all(found["decile_spread_bps"] > 10 for found in real)
    assert np.mean([found["deflated_sharpe"] > 0.95 for found in noise]) <= 0.05
    assert np.mean([found["deflated_sharpe"] for found in noise]) < 0.4


def test_faulty_rows_are_named():
    made = example()
    first = made.paths.iloc[30]
    row = f"row of instrument {first['instrument']} on {first['datetime']:%Y-%m-%d}"

    def refused(paths, message):
        with pytest.raises(ContractError, match=message):
            scored(made, paths)

    infinite = made.paths["prediction"].where(made.paths.index != 30, np.inf)
    refused(made.paths.assign(prediction=infinite), f"oof_paths {row} has no finite prediction")
    unknown = made.paths["instrument"].where(made.paths.index != 30, "Z")
    refused(made.paths.assign(instrument=unknown), "of instrument Z on .* has no label")
    day = made.paths["datetime"].where(made.paths.index != 30, pd.Timestamp("2031-01-01"))
    refused(made.paths.assign(datetime=day), "on 2031-01-01 has no label")
    twice = pd.concat([made.paths, made.paths.iloc[[30]]], ignore_index=True)
    refused(twice, f"split {first['split_id']} {row} appears more than once")
    paths = made.paths["path_id"].where(made.paths["path_id"] != 1, 0)
    refused(made.paths.assign(path_id=paths), "path 0 row of .* appears more than once")
    refused(made.paths.iloc[:0], "oof_paths has no rows")
