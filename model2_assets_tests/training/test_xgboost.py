from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import xgboost as xgb

from model2_assets.engines import LocalEngine, Workers
from model2_assets.errors import TrainingError
from model2_assets.training import SplitView, XGBoostTrainer, cross_validate
from model2_assets.training import xgboost as _row_batches
from model2_assets_tests.training.panels import make_data

FAST = {"n_estimators": 25, "learning_rate": 0.2}


def fit(data, seed=7, **params):
    trainer = XGBoostTrainer(params={**FAST, **params}, seed=seed)
    return trainer.fit(data.X, data.y, feature_names=data.feature_names)


def view(data, workers=None):
    return SplitView(X=data.X, y=data.y, feature_names=data.feature_names, workers=workers)


def test_every_fold_equals_plain_xgboost_to_the_bit():
    data = make_data()
    params = {**FAST, "subsample": 0.7, "colsample_bytree": 0.5}
    for model in cross_validate(lambda: XGBoostTrainer(params=params, seed=11), data):
        train, test = data.train_rows(model.split_id), data.test_rows(model.split_id)
        native = {
            "objective": "reg:squarederror",
            "tree_method": "hist",
            "eta": 0.2,
            "max_depth": 3,
            "min_child_weight": 0.05 * len(train),
            "subsample": 0.7,
            "colsample_bytree": 0.5,
            "seed": 11,
            "nthread": 1,
        }
        booster = xgb.train(native, xgb.QuantileDMatrix(data.X[train], label=data.y[train]), 25)
        expected = booster.predict(xgb.DMatrix(data.X[test]))
        np.testing.assert_array_equal(model.trainer.predict(data.X[test]), expected)


def test_every_fold_equals_the_scikit_learn_interface_to_the_bit():
    data = make_data()
    for model in cross_validate(lambda: XGBoostTrainer(params=FAST, seed=7), data):
        train, test = data.train_rows(model.split_id), data.test_rows(model.split_id)
        oracle = xgb.XGBRegressor(
            n_estimators=25,
            learning_rate=0.2,
            max_depth=3,
            min_child_weight=0.05 * len(train),
            tree_method="hist",
            random_state=7,
            n_jobs=1,
        ).fit(data.X[train], data.y[train])
        np.testing.assert_array_equal(
            model.trainer.predict(data.X[test]), oracle.predict(data.X[test])
        )


def plain_booster(X, y, **params):
    native = {
        "objective": "reg:squarederror",
        "tree_method": "hist",
        "eta": 0.2,
        "max_depth": 3,
        "min_child_weight": 0.05 * len(X),
        "nthread": 1,
        **params,
    }
    return xgb.train(native, xgb.QuantileDMatrix(X, label=y), 25)


@pytest.mark.parametrize("batch_rows", [7, 100, 10_000])
@pytest.mark.parametrize("missing", [0.0, 0.2])
def test_batches_of_any_size_give_the_trees_of_one_array(monkeypatch, batch_rows, missing):
    monkeypatch.setattr(_row_batches, "_BATCH_ROWS", batch_rows)
    data = make_data(missing=missing, n_dates=120)
    rows = data.train_rows(1)
    trainer = XGBoostTrainer(params=FAST, seed=0).fit_rows(view(data), rows)
    plain = plain_booster(data.X[rows], data.y[rows])
    assert trainer.booster_.get_dump(with_stats=True) == plain.get_dump(with_stats=True)


def test_with_a_date_stride_a_fold_is_plain_xgboost_on_every_third_date():
    data = make_data()
    for model in cross_validate(
        lambda: XGBoostTrainer(params={**FAST, "date_stride": 3}, seed=7), data
    ):
        days = data.index.get_level_values("datetime")
        third = (days - days.min()).days % 3 == 0
        rows = np.flatnonzero(third & (data.roles[:, model.split_id] == 0))
        plain = plain_booster(data.X[rows], data.y[rows])
        assert model.trainer.booster_.get_dump(with_stats=True) == plain.get_dump(with_stats=True)
        assert model.n_train == len(data.train_rows(model.split_id))


def as_ranks(data):
    columns = pd.DataFrame(data.X).groupby(data.date_codes).rank(pct=True).to_numpy()
    return replace(data, X=(columns - 0.5 - 1 / 2000).astype(np.float32))


def test_even_bins_split_between_ranks_as_a_plain_fit_on_rounded_ranks_does():
    data = as_ranks(make_data(missing=0.0, n_dates=200))
    trainer = fit(data, bins="even", max_bin=8)
    # By hand: eight bins of width 1/8 from -0.5 to 0.5; a tree may only split at their edges.
    edges = trainer.booster_.trees_to_dataframe().query("Feature != 'Leaf'")["Split"]
    assert set(edges * 8) <= set(range(-3, 4))
    rounded = (np.floor(data.X * 8) / 8 + 1 / 16).astype(np.float32)
    plain = plain_booster(rounded, data.y)
    np.testing.assert_allclose(trainer.predict(data.X), plain.inplace_predict(rounded), rtol=1e-6)


def test_even_bins_do_not_depend_on_the_rows():
    data = as_ranks(make_data(missing=0.0))
    cuts = [
        XGBoostTrainer(params={"bins": "even"}, seed=0)
        ._binned(view(data), rows)
        .get_quantile_cut()[1]
        for rows in (np.arange(5), np.arange(data.n_rows))
    ]
    np.testing.assert_array_equal(*cuts)


@pytest.mark.parametrize("params", [{}, {"subsample": 0.5}, {"bins": "learned"}])
@pytest.mark.parametrize("weighted", [False, True])
def test_fits_within_a_train_set_grow_the_trees_that_each_grows_alone(params, weighted):
    data = as_ranks(make_data(n_dates=200))
    weights = np.random.default_rng(0).uniform(0.5, 1.5, data.n_rows) if weighted else None
    params, rows, shared = {**FAST, "bins": "even", **params}, np.arange(data.n_rows), {}
    for chosen in (rows, rows[: len(rows) // 2], rows[::3], rows):
        own = None if weights is None else np.where(np.isin(rows, chosen), weights, np.nan)
        label = np.where(np.isin(rows, chosen), data.y, np.nan)
        alone, together = (
            XGBoostTrainer(params=params, seed=3).fit_rows(
                SplitView(data.X, label, data.feature_names, own, shared=kept), chosen
            )
            for kept in ({}, shared)
        )
        assert together.digest() == alone.digest()
    assert bool(shared) == (params["bins"] == "even" and "subsample" not in params)


def test_even_bins_are_refused_for_features_that_are_no_ranks():
    with pytest.raises(TrainingError, match=r"params\.bins: even bins are for .*; use learned"):
        fit(make_data(), bins="even")


@pytest.mark.parametrize(
    ("normalization", "expected"),
    [("rank", ("even", 0.0)), ("zscore", ("learned", 0.0)), ("none", ("learned", None))],
)
def test_a_profile_uses_what_is_known_of_the_features(normalization, expected):
    params = XGBoostTrainer.profile_params("default", 21, normalization)
    trainer = XGBoostTrainer(params=params, seed=0)
    assert (trainer.params["bins"], trainer.params["missing_as"]) == expected
    assert XGBoostTrainer.profile_params("exact", 21, normalization) == {}


@pytest.mark.parametrize(("n_rows", "stride"), [(400_000, 5), (249_999, 4), (50_000, 1), (10, 1)])
def test_a_small_panel_keeps_more_of_its_dates(n_rows, stride):
    params = XGBoostTrainer.profile_params("default", 21)
    assert XGBoostTrainer(params=params, seed=0).date_stride(n_rows) == stride
    assert XGBoostTrainer(params={"date_stride": 7}, seed=0).date_stride(n_rows) == 7


def test_missing_values_take_the_place_of_a_number_in_fit_and_prediction():
    data = make_data(missing=0.2)
    filled = np.where(np.isnan(data.X), np.float32(0.25), data.X)
    trainer = fit(data, missing_as=0.25)
    plain = plain_booster(filled, data.y)
    assert trainer.booster_.get_dump(with_stats=True) == plain.get_dump(with_stats=True)
    np.testing.assert_array_equal(trainer.predict(data.X), plain.inplace_predict(filled))


def test_two_threads_grow_the_trees_of_one():
    data = make_data(n_dates=400, n_instruments=30)
    assert fit(data, n_threads=2).booster_.get_dump() == fit(data).booster_.get_dump()


def test_a_fit_alone_may_use_more_threads_than_its_parameter_says_not_fewer():
    trainer = XGBoostTrainer(params={"n_threads": 2}, seed=7)
    threads = [trainer.native_params(100, n)["nthread"] for n in (1, 4)]
    assert threads == [2, 4]


def test_with_subsampling_the_seed_and_nothing_else_changes_the_trees():
    data = make_data()
    assert fit(data, 1, subsample=0.5).digest() == fit(data, 1, subsample=0.5).digest()
    assert fit(data, 1, subsample=0.5).digest() != fit(data, 2, subsample=0.5).digest()
    assert fit(data, 1).digest() == fit(data, 2).digest()


def test_no_leaf_is_smaller_than_its_share_of_the_train_rows():
    data = make_data()
    trainer = fit(data, min_child_weight_fraction=0.2)
    leaves = trainer.booster_.trees_to_dataframe().query("Feature == 'Leaf'")
    assert leaves["Cover"].min() >= 0.2 * data.n_rows
    assert fit(data).booster_.trees_to_dataframe()["Cover"].min() < 0.2 * data.n_rows


def test_a_constant_label_is_predicted_as_it_is():
    data = make_data()
    trainer = XGBoostTrainer(params=FAST, seed=0).fit(
        data.X, np.full(data.n_rows, 25.0), feature_names=data.feature_names
    )
    np.testing.assert_allclose(trainer.predict(data.X), 25.0, rtol=1e-6)


def test_importances_name_every_feature_and_are_zero_where_unused():
    data = make_data()
    X = data.X.copy()
    X[:, 4] = np.nan
    names = ("F[0]", "F<1", "F 2", "F3", "F4", "F5")
    trainer = XGBoostTrainer(params=FAST, seed=0).fit(X, data.y, feature_names=names)
    table = trainer.importances()
    assert tuple(table.index) == names
    assert table.loc["F4", ["importance_gain", "importance_weight"]].tolist() == [0.0, 0.0]
    assert table["importance_gain"].idxmax() == "F[0]"
    assert table["importance_coefficient"].isna().all()
    splits = trainer.booster_.trees_to_dataframe().query("Feature != 'Leaf'")
    assert table["importance_weight"].sum() == len(splits)
    first = splits[splits["Feature"] == "f0"]
    np.testing.assert_allclose(
        table.loc["F[0]", "importance_gain"], first["Gain"].mean(), rtol=1e-5
    )


def test_the_model_survives_its_file_in_xgboosts_own_format(tmp_path):
    data = make_data()
    trainer = fit(data, 3, subsample=0.5)
    loaded = XGBoostTrainer.from_bytes(trainer.to_bytes())
    assert (loaded.params, loaded.seed) == (trainer.params, 3)
    assert loaded.feature_names == data.feature_names
    assert loaded.digest() == trainer.digest()
    np.testing.assert_array_equal(loaded.predict(data.X), trainer.predict(data.X))
    assert loaded.importances().equals(trainer.importances())
    path = tmp_path / f"model{XGBoostTrainer.file_extension}"
    path.write_bytes(trainer.to_bytes())
    plain = xgb.Booster(model_file=path)
    np.testing.assert_array_equal(plain.inplace_predict(data.X), trainer.predict(data.X))


def test_a_damaged_or_foreign_file_is_refused():
    data = make_data(n_dates=10)
    with pytest.raises(TrainingError, match="not an XGBoost model"):
        XGBoostTrainer.from_bytes(fit(data).to_bytes()[:200])
    foreign = xgb.train({"nthread": 1}, xgb.DMatrix(data.X, label=data.y), 1)
    with pytest.raises(TrainingError, match="was not written by XGBoostTrainer"):
        XGBoostTrainer.from_bytes(bytes(foreign.save_raw(raw_format="ubj")))


def test_xgboosts_own_error_becomes_one_line():
    data = make_data(n_dates=10)
    y = data.y.copy()
    y[0] = np.nan
    with pytest.raises(TrainingError, match=r"^XGBoost: ") as caught:
        XGBoostTrainer(params=FAST, seed=0).fit(data.X, y, feature_names=data.feature_names)
    assert "\n" not in str(caught.value)


def has_gpu():
    tiny = xgb.DMatrix(np.eye(2, dtype=np.float32), label=np.arange(2), nthread=1)
    with xgb.config_context(verbosity=0):
        probe = xgb.train({"device": "cuda", "nthread": 1, "verbosity": 0}, tiny, 1)
    return '"device":"cuda' in probe.save_config()


@pytest.mark.skipif(not has_gpu(), reason="XGBoost finds no CUDA GPU on this machine")
def test_a_gpu_grows_nearly_the_same_trees():
    data = make_data()
    on_gpu = fit(data, device="cuda").predict(data.X)
    assert np.corrcoef(on_gpu, fit(data).predict(data.X))[0, 1] > 0.99


def test_a_gpu_that_is_not_there_is_refused_instead_of_training_on_the_cpu(monkeypatch):
    data = make_data(n_dates=10)
    trainer = XGBoostTrainer(params={**FAST, "device": "cuda"}, seed=0)
    real = xgb.train
    monkeypatch.setattr(
        xgb, "train", lambda params, *a, **k: real({**params, "device": "cpu"}, *a, **k)
    )
    with pytest.raises(TrainingError, match=r"params\.device: 'cuda' is not available"):
        trainer.fit(data.X, data.y, feature_names=data.feature_names)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("n_estimators", 0),
        ("n_estimators", 10.0),
        ("max_depth", 0),
        ("learning_rate", 0),
        ("learning_rate", 1.5),
        ("min_child_weight_fraction", 0.6),
        ("subsample", 0.0),
        ("reg_lambda", -1),
        ("max_bin", 1),
        ("device", "gpu"),
        ("bins", "many"),
        ("date_stride", 0),
        ("stride_keeps_rows", -1),
        ("n_threads", 0.5),
        ("missing_as", "nan"),
    ],
)
def test_an_impossible_parameter_is_refused_by_name(key, value):
    with pytest.raises(TrainingError, match=rf"^params\.{key}: must be "):
        XGBoostTrainer(params={key: value}, seed=0)


def test_predicting_on_another_number_of_features_is_refused():
    data = make_data(n_dates=10)
    with pytest.raises(TrainingError, match="fitted on 6 features"):
        fit(data).predict(data.X[:, :5])


def test_nothing_is_printed(capfd):
    data = make_data(n_dates=10)
    fit(data).predict(data.X)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("params", "refused"),
    [
        ({"bins": "learned"}, "bins: does not fit the memory of a worker.* learned bins; use"),
        ({"bins": "even", "subsample": 0.5}, "subsample: does not fit .* 0.5 of the rows; set"),
    ],
)
def test_a_fit_by_all_workers_refuses_what_would_give_other_trees(tmp_path, params, refused):
    data = make_data()
    trainer = XGBoostTrainer(params={**FAST, **params}, seed=7)
    with pytest.raises(TrainingError, match=refused):
        trainer.fit_rows(view(data, Workers(LocalEngine(2), str(tmp_path))), np.arange(data.n_rows))
