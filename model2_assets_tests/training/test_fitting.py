import logging

import numpy as np
import pytest
from sklearn.impute import SimpleImputer
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from model2_assets.config import ExecutionConfig
from model2_assets.errors import ConfigError, StoreError, TrainingError
from model2_assets.storage.data_version import table_digest
from model2_assets.training import (
    RidgeTrainer,
    assemble_training_data,
    estimate_training_bytes,
    fit_models,
    hash_row_order,
)
from model2_assets.training.resources import blas_kernel
from model2_assets_tests.sample_tables import mark
from model2_assets_tests.training.stored_tables import (
    StoredTables,
    fit,
    registry,
    stored_tables,
    task,
)

MODELS = ("ridge", "xgboost")


@pytest.fixture(scope="module")
def tables() -> StoredTables:
    return stored_tables()


def digests(fitted) -> list[str]:
    return [model.trainer.digest() for model in fitted.models]


@pytest.mark.parametrize("model", MODELS)
def test_one_model_a_split_with_its_counts(tables, model):
    fitted = fit(tables, model)
    data = assemble_training_data(**tables.arguments, horizon="21d")
    assert fitted.n_splits == 5
    assert [fold.split_id for fold in fitted.models] == [0, 1, 2, 3, 4]
    for fold in fitted.models:
        assert fold.n_train == len(data.train_rows(fold.split_id))
        assert fold.n_test == len(data.test_rows(fold.split_id)) == 96
        assert fold.n_train + fold.n_test < data.n_rows, "rows are purged"


def test_each_model_saw_its_train_rows_and_no_others(tables):
    fitted = fit(tables)
    data = assemble_training_data(**tables.arguments, horizon="21d")
    alpha = registry().parameters("ridge", "21d")["alpha"]
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
    before, after = digests(fit(tables, model)), digests(fit(other, model))
    assert before[2] == after[2]
    assert all(before[split] != after[split] for split in (0, 1, 3, 4))


def stored_tables_with(tables: StoredTables, *, labels) -> StoredTables:
    changed = StoredTables(tables.features, labels, tables.cv_splits)
    return changed.with_splits(tables.cv_splits)


@pytest.mark.parametrize("model", MODELS)
def test_models_do_not_depend_on_how_many_are_fitted_at_once(tables, model):
    one, four = fit(tables, model, n_jobs=1), fit(tables, model, n_jobs=4)
    assert digests(one) == digests(four)
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
    assert found.params.keys() == registry().parameters("ridge", "21d").keys()
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
        estimate_training_bytes(
            480,
            6,
            jobs,
            fit_bytes_per_value=RidgeTrainer.fit_bytes_per_value,
        )
        for jobs in (1, 2)
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
