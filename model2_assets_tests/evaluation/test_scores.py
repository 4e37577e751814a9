from math import isnan, sqrt

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from scipy.stats import spearmanr
from sklearn import metrics

from model2_assets.config import LabelsConfig
from model2_assets.config.partition import Partition
from model2_assets.contracts import load_contract
from model2_assets.errors import ContractError, StoreError
from model2_assets.evaluation import (
    daily_ic,
    decile_spread,
    deflated_sharpe_ratio,
    mean_ic_inference,
    score_predictions,
    wide_scores,
)
from model2_assets.evaluation.scores import describe_scores, score_partition
from model2_assets.panel import panel_index, to_canonical
from model2_assets.storage.codecs import decode_json_lines, encode_json_lines
from model2_assets.storage.data_version import data_versions_of, with_provenance
from model2_assets_tests.checks.builders import check_contract
from model2_assets_tests.evaluation.paths_example import (
    HISTORY_METRICS,
    SCORE_METRICS,
    example,
    labels_table,
    outcomes_of,
    stored,
)
from model2_assets_tests.sample_tables import mark


def values(scores, scope="all", unit=None):
    chosen = scores[scores["scope"] == scope]
    if unit is not None:
        chosen = chosen[chosen[f"{scope}_id"] == unit]
    return chosen.set_index("metric")["value"]


def nine_rows():
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
    oof, label = nine_rows()
    scores = score_predictions(oof, outcomes_of(label), horizon_days=1, overlap_days=0)
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
    scores = score_predictions(oof, outcomes_of(label), horizon_days=6, overlap_days=5, n_trials=3)
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
    expected = score_predictions(oof, outcomes_of(label), horizon_days=5, overlap_days=5)
    extra = panel_index(["Z"], pd.to_datetime(["2030-01-01"]))
    longer = pd.concat([label, pd.Series([np.nan], index=extra)])
    order = np.random.default_rng(3).permutation(len(longer))
    by_instrument = oof.sort_index()
    assert not by_instrument.index.equals(oof.index)
    found = score_predictions(
        by_instrument, outcomes_of(longer.iloc[order]), horizon_days=5, overlap_days=5
    )
    pd.testing.assert_frame_equal(found, expected, rtol=1e-10)


def test_noise_has_a_rank_ic_within_three_standard_errors_of_zero():
    oof, label = random_example(n_dates=250)
    noise = oof.assign(prediction=np.random.default_rng(9).normal(size=len(oof)))
    overall = values(score_predictions(noise, outcomes_of(label), horizon_days=20, overlap_days=20))
    assert abs(overall["rank_ic_t"]) < 3
    assert (
        values(score_predictions(oof, outcomes_of(label), horizon_days=20, overlap_days=20))[
            "rank_ic_t"
        ]
        > 10
    )


def test_constant_predictions_have_errors_but_no_correlations():
    oof, label = nine_rows()
    scores = values(
        score_predictions(
            oof.assign(prediction=0.0), outcomes_of(label), horizon_days=1, overlap_days=1
        )
    )
    undefined = ["rank_ic", "ic", "icir", "hit_rate", *HISTORY_METRICS]
    assert scores[undefined].isna().all()
    assert scores["mse"] == pytest.approx((label**2).mean())


def test_a_single_row_has_no_r2():
    oof, label = nine_rows()
    scores = values(
        score_predictions(oof.iloc[:1], outcomes_of(label), horizon_days=1, overlap_days=1)
    )
    assert isnan(scores["r2"])
    assert (scores["samples"], scores["dates"], scores["mse"]) == (1, 1, 0)


def test_faulty_rows_are_named():
    oof, label = nine_rows()

    def refused(oof, label, message):
        with pytest.raises(ContractError, match=message):
            score_predictions(oof, outcomes_of(label), horizon_days=1, overlap_days=1)

    row = "row of instrument B on 2024-01-03"
    refused(oof, label.drop(oof.index[4]), f"{row} has no label")
    refused(oof, label.mask(label.index == oof.index[4]), f"{row} has no label")
    not_finite = oof["prediction"].where(oof.index != oof.index[4], np.inf)
    refused(oof.assign(prediction=not_finite), label, f"{row} has no finite prediction")
    no_fold = oof["fold_id"].astype("Int16").where(oof.index != oof.index[4])
    refused(oof.assign(fold_id=no_fold), label, f"{row} has no fold_id")
    refused(pd.concat([oof, oof.iloc[[4]]]), label, f"{row} appears more than once")
    refused(oof.iloc[1:], pd.concat([label, label.iloc[[4]]]), f"{row} has two labels")
    refused(oof.iloc[:0], label, "no out-of-fold rows to score")


SETTINGS = {"horizon_days": 5, "overlap_days": 5, "n_trials": 4}


def scored(made, paths=None):
    paths = made.paths if paths is None else paths
    return score_predictions(made.oof, outcomes_of(made.label), paths=paths, **SETTINGS)


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
    return of(score_predictions(oof, outcomes_of(made.label), **SETTINGS), "all")


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
    without = score_predictions(made.oof, outcomes_of(made.label), **SETTINGS)
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
    scores = score_predictions(oof, outcomes_of(made.label), paths=paths, **SETTINGS)
    overall = of(scores, "all")
    assert (overall["samples"], overall["dates"]) == (tested.sum(), 48)
    pd.testing.assert_series_equal(of(scores, "path", 0), overall, check_exact=True)
    every = scored(made)
    pd.testing.assert_series_equal(of(scores, "fold", 3), of(every, "fold", 3), check_exact=True)


def test_a_date_without_predictions_keeps_its_place():
    made = example(n_groups=5, k=1, n_dates=60)
    dates = made.oof.index.get_level_values("datetime").unique().sort_values()
    left_out = made.oof.drop(dates[7], level="datetime")
    found = of(score_predictions(left_out, outcomes_of(made.label), **SETTINGS), "all")
    without_signal = made.oof["prediction"].where(
        made.oof.index.get_level_values("datetime") != dates[7], 0.0
    )
    # A constant date has no correlation and no spread either.
    constant = score_predictions(
        made.oof.assign(prediction=without_signal), outcomes_of(made.label), **SETTINGS
    )
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


def test_path_scores_faulty_rows_are_named():
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
    refused(made.paths.iloc[:0], "no oof_paths rows to score")


HISTORY, METRICS = list(HISTORY_METRICS), list(SCORE_METRICS)
N_FOLDS, N_DATES, N_NAMES = 5, 60, 6


def tables(seed: int = 0) -> tuple[pd.DataFrame, pd.DataFrame]:
    rng = np.random.default_rng(seed)
    names = [f"S{i}" for i in range(N_NAMES)]
    dates = pd.bdate_range("2024-01-01", periods=N_DATES).as_unit("us")
    index = panel_index(np.repeat(names, N_DATES), np.tile(dates, N_NAMES))
    fold_id = np.tile(np.arange(N_DATES) * N_FOLDS // N_DATES, N_NAMES).astype(np.int16)
    prediction = rng.normal(scale=50, size=len(index))
    label = 0.2 * prediction + rng.normal(scale=300, size=len(index))
    label = pd.Series(label, index=index)
    long = labels_table(label, "21d")
    short = -long.set_axis([name.replace("21d", "5d") for name in long.columns], axis="columns")
    labels = to_canonical(pd.concat([long, short], axis="columns"))
    labels = mark(labels)
    oof = pd.DataFrame({"prediction": prediction, "fold_id": fold_id}, index=index)
    return mark(oof, **data_versions_of(labels=labels)), labels


def paths_of(oof: pd.DataFrame) -> pd.DataFrame:
    """Return the single predictions of splits that test one fold each."""
    paths = oof.reset_index().rename(columns={"fold_id": "group_id"})
    paths = paths.assign(split_id=paths["group_id"], path_id=np.int16(0))
    paths.attrs = oof.attrs
    return paths


def score(oof, labels, paths=None, *, horizon="21d", lag=1) -> pd.DataFrame:
    return score_partition(
        oof,
        labels,
        Partition(horizon, "ridge"),
        paths=paths_of(oof) if paths is None else paths,
        config=LabelsConfig(execution_lag_days=lag),
        n_trials=4,
    )


@pytest.fixture(scope="module")
def scores() -> pd.DataFrame:
    return score(*tables())


def test_scores_keep_their_contract_on_disk(scores):
    contract = load_contract("CVScores")
    back = decode_json_lines(
        encode_json_lines(scores, contract, origin="scores"), contract, origin="scores"
    )
    pd.testing.assert_frame_equal(back, scores, check_exact=True)
    ids = ["fold_id", "split_id", "path_id"]
    assert scores[ids].dtypes.astype(str).tolist() == ["Int16"] * 3


def test_every_fold_split_path_and_all_rows_have_every_metric(scores):
    assert set(scores["model"]) == {"ridge"}
    assert set(scores["horizon"]) == {"21d"}
    ids = scores[["fold_id", "split_id", "path_id"]].fillna(-1)
    keys = [*zip(scores["scope"], *ids.to_numpy().T.tolist(), strict=True)]
    expected = [("fold", fold, -1, -1) for fold in range(N_FOLDS) for _ in METRICS]
    expected += [("split", -1, split, -1) for split in range(N_FOLDS) for _ in METRICS]
    expected += [("path", -1, -1, 0)] * (len(METRICS) + len(HISTORY))
    assert keys == [*expected, *[("all", -1, -1, -1)] * (len(METRICS) + len(HISTORY))]
    assert scores["metric"].tolist() == [
        *METRICS * (2 * N_FOLDS), *METRICS, *HISTORY, *METRICS, *HISTORY
    ]  # fmt: skip


def test_rank_ic_is_the_mean_daily_spearman_correlation_with_realized_returns(scores):
    oof, labels = tables()
    joined = oof.join(labels["forward_return_21d"])
    daily = joined.groupby("datetime").apply(
        lambda rows: spearmanr(rows["prediction"], rows["forward_return_21d"]).statistic
    )
    overall = scores[scores["scope"] == "all"].set_index("metric")["value"]
    assert overall["rank_ic"] == pytest.approx(daily.mean())
    assert overall["icir"] == pytest.approx(daily.mean() / daily.std())
    assert overall["samples"] == len(oof)
    assert overall["dates"] == N_DATES
    folds = joined.groupby("datetime")["fold_id"].first()
    of_fold = scores[(scores["fold_id"] == 2) & (scores["metric"] == "rank_ic")]
    assert of_fold["value"].item() == pytest.approx(daily[folds == 2].mean())


@pytest.mark.parametrize(
    ("horizon", "lag", "overlap"), [("21d", 1, 21), ("21d", 0, 20), ("5d", 3, 7)]
)
def test_standard_error_looks_back_twice_over_horizon_and_lag(horizon, lag, overlap):
    oof, labels = tables()
    scores = score(oof, labels, horizon=horizon, lag=lag)
    joined = oof.join(labels[f"forward_return_{horizon}"])
    daily = joined.groupby("datetime").apply(
        lambda rows: spearmanr(rows["prediction"], rows[f"forward_return_{horizon}"]).statistic
    )
    expected = mean_ic_inference(daily, lag=2 * overlap)
    overall = scores[scores["scope"] == "all"].set_index("metric")["value"]
    assert overall["rank_ic_se"] == pytest.approx(expected.standard_error)
    assert overall["rank_ic_t"] == pytest.approx(expected.t_statistic)
    other = mean_ic_inference(daily, lag=2 * overlap + 1)
    assert overall["rank_ic_se"] != pytest.approx(other.standard_error)


def test_each_horizon_is_scored_with_its_own_label():
    oof, labels = tables()
    long, short = score(oof, labels), score(oof, labels, horizon="5d")
    overall = [
        frame[frame["scope"] == "all"].set_index("metric")["value"] for frame in (long, short)
    ]
    assert overall[0]["rank_ic"] == pytest.approx(-overall[1]["rank_ic"])
    assert set(short["horizon"]) == {"5d"}


def test_predictions_of_other_labels_are_refused():
    oof, _ = tables()
    _, other = tables(seed=1)
    with pytest.raises(StoreError, match=r"^oof_predictions was made from labels of version"):
        score(oof, other)


def test_labels_changed_by_hand_are_refused():
    oof, labels = tables()
    changed = labels * 1.0
    changed.attrs = {}
    score(oof, changed)
    changed.iloc[5, 0] += 1.0
    with pytest.raises(StoreError, match=r"^oof_predictions was made from labels of version"):
        score(oof, changed)


def test_row_without_a_label_is_named():
    oof, labels = tables()
    fewer = labels.drop(oof.index[3])
    fewer.attrs = labels.attrs
    with pytest.raises(ContractError, match="has no label"):
        score(oof, fewer)


def test_paths_of_other_models_or_labels_are_refused():
    oof, labels = tables()
    version = data_versions_of(labels=labels)["labels"]
    mark = {"data_version": "v", "inputs": {"labels": version, "fitted_models": "new"}}
    made = with_provenance(oof, **mark)
    old = with_provenance(paths_of(oof), data_version="v", inputs={"fitted_models": "old"})
    with pytest.raises(StoreError, match=r"^oof_paths was made from fitted_models of version old"):
        score(made, labels, old)
    old = with_provenance(paths_of(oof), data_version="v", inputs={"labels": "old"})
    with pytest.raises(StoreError, match=r"^oof_paths was made from labels of version old"):
        score(made, labels, old)


def several_paths() -> pd.DataFrame:
    made = stored(example())
    partition = Partition("5d", "ridge")
    oof, paths, labels = made
    return score_partition(oof, labels, partition, paths=paths, n_trials=4)


def test_a_repeated_score_breaks_the_contract():
    scores = several_paths()
    repeated = pd.concat([scores, scores[scores["scope"] == "split"].iloc[[3]]])
    assert check_contract(scores, "CVScores").passed
    assert not check_contract(repeated, "CVScores").passed


def test_wide_scores_have_a_row_for_every_unit():
    scores = several_paths()
    wide = wide_scores(scores)
    assert wide.columns.tolist() == ["scope", "id", *METRICS, *HISTORY]
    assert wide["scope"].tolist() == ["fold"] * 4 + ["split"] * 6 + ["path"] * 3 + ["all"]
    assert wide["id"].tolist()[:-1] == [*range(4), *range(6), *range(3)]
    assert wide["id"].isna().tolist() == [False] * 13 + [True]
    assert wide["rank_ic_t"].notna().tolist() == [False] * 10 + [True] * 4
    by_unit = wide.assign(id=wide["id"].fillna(-1)).set_index(["scope", "id"])
    for row in scores.fillna({"fold_id": -1, "split_id": -1, "path_id": -1}).itertuples():
        unit = max(row.fold_id, row.split_id, row.path_id)
        value = by_unit.loc[(row.scope, unit), row.metric]
        assert value == row.value or (np.isnan(value) and np.isnan(row.value))


def test_wide_scores_keep_metrics_that_are_undefined_everywhere(scores):
    undefined = scores.assign(value=scores["value"].where(scores["metric"] != "icir"))
    wide = wide_scores(undefined)
    assert wide.columns.tolist() == wide_scores(scores).columns.tolist()
    assert wide["icir"].isna().all()
    assert len(wide) == 2 * N_FOLDS + 2


def test_ten_folds_stay_in_their_order():
    columns = ["scope", "fold_id", "split_id", "path_id", "metric", "value"]
    rows = [("fold", fold, None, None, "r2", float(fold)) for fold in range(11)]
    ids = dict.fromkeys(columns[1:4], "Int16")
    wide = wide_scores(pd.DataFrame(rows, columns=columns).astype(ids))
    assert wide["id"].tolist() == list(range(11))
    assert wide["r2"].tolist() == list(map(float, range(11)))


def test_scores_are_described_line_by_line(scores):
    lines = describe_scores(scores)
    assert [line.split(":")[0] for line in lines] == [
        *(f"fold {fold}" for fold in range(N_FOLDS)), "all folds"
    ]  # fmt: skip
    assert "rows 72" in lines[0]
    assert "rows 360" in lines[-1]
    wide = wide_scores(scores).iloc[-1]
    assert f"rank IC {wide['rank_ic']:+.4f}, IC {wide['ic']:+.4f}" in lines[-1]
    assert f"RMSE {wide['rmse']:,.0f} bps" in lines[-1]


def test_the_log_names_paths_where_there_are_several():
    assert [line.split(":")[0] for line in describe_scores(several_paths())] == [
        *(f"fold {fold}" for fold in range(4)),
        *(f"path {path}" for path in range(3)),
        "all folds, mean over paths",
    ]
