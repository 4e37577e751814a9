import logging
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from sklearn.impute import SimpleImputer
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_info

from model2_assets.config import ExecutionConfig
from model2_assets.errors import ConfigError, StoreError, TrainingError
from model2_assets.storage.data_version import table_digest
from model2_assets.training import (
    RidgeTrainer,
    TrainingData,
    XGBoostTrainer,
    assemble_training_data,
    cross_validate,
    fit_models,
    predict_out_of_fold,
)
from model2_assets.training.data import hash_row_order
from model2_assets.training.fit import FitResources, fit_all_rows, fit_split, fit_splits
from model2_assets.training.resources import blas_kernel, estimate_training_bytes
from model2_assets_tests.sample_tables import mark
from model2_assets_tests.training.panels import PURGED_BEFORE, make_data
from model2_assets_tests.training.stored_tables import (
    StoredTables,
    fit,
    registry,
    stored_tables,
    task,
)
from model2_assets_tests.training.trainers import (
    ElasticNetTrainer,
    FailingTrainer,
    make_ridge,
    make_xgboost,
    record_threads,
)

TRAINERS = [make_ridge, make_xgboost, lambda: ElasticNetTrainer(params={}, seed=7)]


def with_changes(data, **changes):
    fields = ("index", "X", "y", "feature_names", "roles", "group_id")
    return TrainingData(**{**{name: getattr(data, name) for name in fields}, **changes})


def digests(models):
    return [model.trainer.digest() for model in models]


@pytest.mark.parametrize("make_trainer", TRAINERS)
def test_the_number_of_jobs_does_not_change_a_bit(make_trainer):
    data = make_data(n_dates=200, n_instruments=12, n_features=20)
    one = cross_validate(make_trainer, data, n_jobs=1)
    two = cross_validate(make_trainer, data, n_jobs=2)
    many = cross_validate(make_trainer, data, n_jobs=64)
    assert [model.split_id for model in many] == [0, 1, 2, 3, 4]
    assert digests(one) == digests(two) == digests(many)
    first, second = predict_out_of_fold(one, data), predict_out_of_fold(two, data)
    assert first.equals(second)


def test_another_process_gives_the_same_bits_with_another_number_of_threads():
    program = (
        "from model2_assets.training import RidgeTrainer, XGBoostTrainer, cross_validate\n"
        "from model2_assets_tests.training.panels import make_data\n"
        "makes = (lambda: RidgeTrainer(params={'alphas': [1.0, 1e3]}, seed=7),\n"
        "         lambda: XGBoostTrainer(params={'n_estimators': 9, 'n_threads': 2}, seed=7))\n"
        "for make in makes:\n"
        "    for m in cross_validate(make, make_data(), n_jobs=2):\n"
        "        print(m.trainer.digest())\n"
    )
    shown = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    ridge = cross_validate(lambda: RidgeTrainer(params={"alphas": [1.0, 1e3]}, seed=7), make_data())
    trees = cross_validate(lambda: XGBoostTrainer(params={"n_estimators": 9}, seed=7), make_data())
    assert shown.stdout.split() == digests(ridge) + digests(trees)


@pytest.mark.parametrize("make_trainer", TRAINERS)
def test_nothing_but_train_rows_reaches_a_fit(make_trainer):
    data = make_data()
    honest = cross_validate(make_trainer, data)
    for split_id, model in enumerate(honest):
        outside = data.roles[:, split_id] != 0
        X, y = data.X.copy(), data.y.copy()
        X[outside] = 1e9
        y[outside] = -1e9
        planted = with_changes(data, X=X, y=y)
        assert fit_split(make_trainer, planted, split_id).trainer.digest() == model.trainer.digest()
        X, y = data.X.copy(), data.y.copy()
        X[~outside] *= 2
        y[~outside] += data.X[~outside, 3].clip(0)
        changed = fit_split(make_trainer, with_changes(data, X=X, y=np.nan_to_num(y)), split_id)
        assert changed.trainer.digest() != model.trainer.digest()


def test_rows_of_train_and_test_are_counted_by_role():
    data = make_data(n_dates=10, n_instruments=3, n_groups=5)
    models = cross_validate(make_ridge, data)
    # Two dates a group, two purged on either side where there are dates.
    assert [model.n_train for model in models] == [18, 12, 12, 12, 18]
    assert [model.n_test for model in models] == [6, 6, 6, 6, 6]
    assert (data.roles[:, 4] == PURGED_BEFORE).sum() == 6


@pytest.mark.parametrize("make_trainer", TRAINERS)
@pytest.mark.parametrize("n_threads", [1, 3])
def test_refitting_one_split_gives_the_same_bits(make_trainer, n_threads):
    data = make_data(n_dates=600, n_instruments=20, n_features=20)
    models = cross_validate(make_trainer, data, n_jobs=2)
    refitted = fit_split(make_trainer, data, 3, n_threads=n_threads)
    assert refitted.trainer.digest() == models[3].trainer.digest()


@pytest.mark.parametrize("make_trainer", TRAINERS)
def test_a_fit_of_all_rows_gives_the_same_bits_on_any_number_of_threads(make_trainer):
    data = make_data(n_dates=600, n_instruments=20, n_features=20)
    weights = np.random.default_rng(0).uniform(0.2, 2.0, data.n_rows)
    for row_weights in (None, weights.take):
        if row_weights is not None and not make_trainer().takes_sample_weight():
            continue
        weighed = replace(data, row_weights=row_weights)
        one, three = (fit_all_rows(make_trainer, weighed, n_threads=n) for n in (1, 3))
        assert one.trainer.digest() == three.trainer.digest()


def test_every_split_gets_a_fresh_trainer_on_one_blas_thread():
    seen = []

    class Spy(RidgeTrainer):
        def fit(self, X, y, *, feature_names):
            blas = [entry for entry in threadpool_info() if entry["user_api"] == "blas"]
            seen.append((id(self), {entry["num_threads"] for entry in blas}))
            return super().fit(X, y, feature_names=feature_names)

    models = cross_validate(lambda: Spy(params={}, seed=0), make_data(), n_jobs=2)
    assert len({trainer for trainer, _ in seen}) == len(models) == 5
    assert all(threads == {1} for _, threads in seen)


def test_progress_is_logged(tables, caplog, monkeypatch):
    monkeypatch.setattr(logging.getLogger("model2_assets"), "propagate", True)
    with caplog.at_level(logging.INFO, logger="model2_assets.training"):
        fit(tables, n_jobs=2)
    lines = [line for line in caplog.messages if " split " in line and " fitted in " in line]
    assert len(lines) == 5
    assert {line.split(" fitted")[0] for line in lines} == {
        f"RidgeTrainer split {n}" for n in range(5)
    }
    for done, line in enumerate(lines, start=1):
        assert f"; {done} of 5 done, " in line
    assert lines[-1].endswith(" about 0 s remaining")


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_a_failed_fold_is_named_with_its_rows_and_cause(n_jobs):
    data = make_data()
    split_id = 0
    fails_at = float(data.y[data.train_rows(split_id)[0]])
    with pytest.raises(TrainingError) as caught:
        cross_validate(
            lambda: FailingTrainer(params={"fails_at": fails_at}, seed=0), data, n_jobs=n_jobs
        )
    assert str(caught.value) == (
        "split 0 (368 train rows, instrument S00 on 2020-01-15 to instrument S07 on 2020-02-29): "
        "FailingTrainer failed: nothing to divide by"
    )


@pytest.mark.parametrize(
    ("role", "counts"), [(2, "0 train and 96 test"), (0, "480 train and 0 test")]
)
def test_a_split_without_train_or_test_rows_is_named(role, counts):
    data = make_data()
    roles = data.roles.copy()
    roles[:, 2] = role
    if role == 2:
        roles[data.test_rows(2), 2] = 1
    with pytest.raises(TrainingError, match=f"split 2 has {counts} rows"):
        cross_validate(make_ridge, with_changes(data, roles=roles))


@pytest.mark.parametrize("make_trainer", TRAINERS)
def test_pure_noise_is_not_predicted(make_trainer):
    n_dates, n_instruments = 400, 20
    data = make_data(
        n_dates=n_dates, n_instruments=n_instruments, n_features=10, signal=0.0, seed=5
    )
    oof = predict_out_of_fold(cross_validate(make_trainer, data), data)
    prediction = oof["prediction"].reindex(data.index).to_numpy().reshape(n_dates, n_instruments)
    ranks = prediction.argsort(axis=1).argsort(axis=1)
    label_ranks = data.y.reshape(n_dates, n_instruments).argsort(axis=1).argsort(axis=1)
    spread = (n_instruments**2 - 1) / 12
    centre = (n_instruments - 1) / 2
    rank_ic = ((ranks - centre) * (label_ranks - centre)).mean(axis=1) / spread
    standard_error = rank_ic.std(ddof=1) / np.sqrt(n_dates)
    assert abs(rank_ic.mean()) < 3 * standard_error
    assert standard_error < 0.02


@pytest.mark.parametrize("make_trainer", TRAINERS)
def test_a_signal_is_predicted(make_trainer):
    data = make_data(n_dates=200, missing=0.0, signal=200.0)
    oof = predict_out_of_fold(cross_validate(make_trainer, data), data)
    prediction = oof["prediction"].reindex(data.index).to_numpy()
    assert np.corrcoef(prediction, data.y)[0, 1] > 0.3


MODELS = ("ridge", "xgboost")


@pytest.fixture(scope="module")
def tables() -> StoredTables:
    return stored_tables()


def model_digests(fitted) -> list[str]:
    return [model.trainer.digest() for model in fitted.models]


@pytest.mark.parametrize("model", MODELS)
def test_one_model_a_split_with_its_counts(tables, model):
    fitted = fit(tables, model)
    data = assemble_training_data(**tables.arguments, horizon="21d")
    assert [fold.split_id for fold in fitted.models] == [0, 1, 2, 3, 4]
    for fold in fitted.models:
        assert fold.n_train == len(data.train_rows(fold.split_id))
        assert fold.n_test == len(data.test_rows(fold.split_id)) == 96
        assert fold.n_train + fold.n_test < data.n_rows, "rows are purged"


def test_each_model_saw_its_train_rows_and_no_others(tables):
    fitted = fit(tables)
    data = assemble_training_data(**tables.arguments, horizon="21d")
    alpha = registry().trainer("ridge", "21d").params["alpha"]
    for fold in fitted.models:
        rows = data.train_rows(fold.split_id)
        oracle = make_pipeline(SimpleImputer(), StandardScaler(), Ridge(alpha=alpha))
        oracle.fit(data.X[rows].astype(np.float64), data.y[rows])
        expected = oracle.predict(data.X.astype(np.float64))
        np.testing.assert_allclose(fold.trainer.predict(data.X), expected, rtol=1e-6, atol=1e-5)


@pytest.mark.parametrize("model", MODELS)
def test_labels_of_rows_outside_train_do_not_reach_the_model(tables, model):
    data = assemble_training_data(**tables.arguments, horizon="21d")
    spoiled = tables.labels.copy()
    outside = np.setdiff1d(np.arange(data.n_rows), data.train_rows(2))
    spoiled.iloc[outside, 0] = 1e6
    other = stored_tables_with(tables, labels=mark(spoiled, market_data="m"))
    before, after = model_digests(fit(tables, model)), model_digests(fit(other, model))
    assert before[2] == after[2]
    assert all(before[split] != after[split] for split in (0, 1, 3, 4))


def stored_tables_with(tables: StoredTables, *, labels) -> StoredTables:
    changed = StoredTables(tables.features, labels, tables.cv_splits)
    return changed.with_splits(tables.cv_splits)


@pytest.mark.parametrize("model", MODELS)
def test_models_do_not_depend_on_how_many_are_fitted_at_once(tables, model):
    one, four = fit(tables, model, n_jobs=1), fit(tables, model, n_jobs=4)
    assert model_digests(one) == model_digests(four)
    assert one.data_version == four.data_version


def test_data_version_follows_the_fitted_values(tables):
    assert fit(tables).data_version == fit(tables).data_version
    assert fit(tables).data_version != fit(tables, "xgboost").data_version
    other = fit(tables, models=registry(params={"alpha": 77.0}))
    assert other.data_version != fit(tables).data_version


def test_provenance_says_where_the_models_come_from(tables):
    found = fit(tables, models=registry(params={"alpha": 3.0}, seed=11)).provenance
    data = assemble_training_data(**tables.arguments, horizon="21d")
    assert (found.region, found.horizon, found.model) == ("us", "21d", "ridge")
    assert found.trainer == "model2_assets.training:RidgeTrainer"
    assert found.params["alpha"] == 3.0
    assert found.params.keys() == registry().trainer("ridge", "21d").params.keys()
    assert found.seed == 11
    assert found.feature_names == tuple(tables.features.columns)
    assert found.row_order_hash == hash_row_order(data.index)
    assert found.data_versions == {
        name: table_digest(table) for name, table in tables.arguments.items()
    }
    assert found.blas_kernel == blas_kernel()
    assert found.seconds > 0
    assert found.peak_rss_bytes > 10e6


def test_overrides_of_the_horizon_are_used(tables):
    models = registry(overrides={"21d": {"alpha": 5.0}})
    assert fit(tables, models=models).provenance.params["alpha"] == 5.0


def test_kernel_is_named_with_its_version():
    assert blas_kernel() == blas_kernel()
    assert any(word in blas_kernel() for word in ("openblas", "mkl", "blis", "accelerate"))
    assert any(character.isdigit() for character in blas_kernel())


@pytest.mark.parametrize("table", ["features", "labels"])
def test_splits_of_other_tables_are_refused(tables, table):
    changed = tables.arguments[table].copy()
    changed.iloc[7, 0] += 1.0
    arguments = tables.arguments | {table: mark(changed, market_data="m")}
    message = f"^cv_splits was made from {table} of version .*; materialize cv_splits again$"
    with pytest.raises(StoreError, match=message):
        StoredTables(**arguments).of_horizon("21d")
    with pytest.raises(StoreError, match=message):
        fit(StoredTables(**arguments))


def test_splits_that_state_no_origin_are_taken_as_they_are(tables):
    hand_made = tables.cv_splits.copy()
    hand_made.attrs = {}
    arguments = tables.arguments | {"cv_splits": hand_made}
    changed = StoredTables(**arguments)
    assert changed.of_horizon("21d").n_splits == 5
    assert changed.versions["cv_splits"] == table_digest(tables.cv_splits)


def test_absent_horizon_is_named(tables):
    with pytest.raises(TrainingError, match="no column 'label_63d'; they have label_21d"):
        tables.of_horizon("63d")


def test_unknown_model_is_named_before_any_data_are_assembled(tables):
    with pytest.raises(ConfigError, match="unknown model 'lasso'"):
        fit(tables, "lasso")


def test_too_little_memory_is_named_before_any_fit(tables):
    with pytest.raises(TrainingError, match="max_rss_gb"):
        fit_models(task(), tables, ExecutionConfig(max_rss_gb=1e-9))


def test_memory_for_one_fit_alone_lowers_their_number(tables, caplog, monkeypatch):
    one, two = (
        estimate_training_bytes((480, 6), jobs, RidgeTrainer.fit_bytes_per_value) for jobs in (1, 2)
    )
    monkeypatch.setattr(logging.getLogger("model2_assets"), "propagate", True)
    with caplog.at_level(logging.INFO, logger="model2_assets"):
        fit_models(task(), tables, ExecutionConfig(n_jobs=2, max_rss_gb=(one + two) / 2e9))
    assert "1 splits are fitted at once instead of 2" in caplog.text
    assert "21d|ridge: fitting 5 splits, 1 at once" in caplog.text


def test_log_says_what_is_fitted(tables, caplog):
    logger = logging.getLogger("model2_assets")
    kept, logger.propagate = logger.propagate, True
    try:
        with caplog.at_level(logging.INFO, logger="model2_assets"):
            fit(tables, n_jobs=2)
    finally:
        logger.propagate = kept
    assert "21d|ridge: fitting 5 splits, 2 at once, on 480 rows × 6 features" in caplog.messages


@pytest.mark.parametrize(
    ("n_jobs", "n_threads", "expected"),
    [
        (2, 2, [1, 1, 1, 1, 2]),
        (4, 6, [1, 1, 1, 1, 6]),
        (3, 6, [2, 2, 2, 3, 3]),
        (8, 8, [1] * 5),
        (1, 2, [2] * 5),
    ],
)
def test_the_last_splits_share_the_threads_that_would_be_idle(
    monkeypatch, n_jobs, n_threads, expected
):
    allowed = record_threads(monkeypatch, XGBoostTrainer)
    data = make_data()
    models = fit_splits(make_xgboost, data, range(5), resources=FitResources(n_jobs, n_threads))
    found = sorted(models, key=lambda model: model.split_id)
    assert allowed == expected
    assert digests(found) == digests(cross_validate(make_xgboost, data))
