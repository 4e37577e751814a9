# ruff: noqa: PD011 -- an outcome's values are a mapping
"""The final model: all labelled rows, the settings of the fold models, and validated first."""

import json

import numpy as np
import pandas as pd
import pytest
from sklearn.impute import SimpleImputer
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from model2_assets.checks import check_final_complete
from model2_assets.errors import StoreError, TrainingError
from model2_assets.storage import Address, Store
from model2_assets.storage.models import Manifest
from model2_assets.storage.provenance import data_versions_of
from model2_assets.training import (
    RidgeTrainer,
    XGBoostTrainer,
    assemble_labelled_rows,
    hash_row_order,
    label_spans,
    load_model,
)
from model2_assets_tests.training.live_tables import (
    HORIZON,
    LiveTables,
    fit_final,
    live_tables,
    models,
    oracle_rows,
)
from model2_assets_tests.training.trainers import record_threads


@pytest.fixture(scope="module")
def tables() -> LiveTables:
    return live_tables()


def ridge_oracle(tables: LiveTables, rows: pd.MultiIndex, weights=None):
    pipeline = make_pipeline(SimpleImputer(), StandardScaler(), Ridge(alpha=50.0))
    X = tables.features.loc[rows].to_numpy(dtype=np.float64)
    y = tables.labels.loc[rows, f"label_{HORIZON}"].to_numpy()
    return pipeline.fit(X, y, **({} if weights is None else {"ridge__sample_weight": weights}))


def predict(model, tables: LiveTables):
    return model.predict(np.ascontiguousarray(tables.features.to_numpy()))


def test_ridge_equals_scikit_learn_on_every_row_with_features_and_a_label(tables):
    rows = oracle_rows(tables)
    assert 0 < len(rows) < len(tables.features), "some rows with features have no label"

    (model,) = fit_final(tables).models

    expected = ridge_oracle(tables, rows).predict(tables.features.to_numpy(dtype=np.float64))
    np.testing.assert_allclose(predict(model.trainer, tables), expected, rtol=1e-9)
    assert (model.split_id, model.n_train, model.n_test) == (0, len(rows), 0)


def test_weights_come_from_the_labelled_rows_alone(tables):
    registry = models(sample_weights="uniqueness")
    weighed = live_tables(registry=registry)
    rows = oracle_rows(weighed)
    spans = label_spans(rows, weighed.labels, horizon=HORIZON, execution_lag_days=1)
    weights = spans.average_uniqueness(np.arange(len(rows)))
    assert weights.std() > 0

    (model,) = fit_final(weighed, registry).models

    oracle = ridge_oracle(weighed, rows, weights / weights.mean())
    expected = oracle.predict(weighed.features.to_numpy(dtype=np.float64))
    np.testing.assert_allclose(predict(model.trainer, weighed), expected, rtol=1e-9)
    plain = predict(fit_final(tables).models[0].trainer, tables)
    assert np.abs(plain - expected).max() > 1e-3


@pytest.mark.parametrize("model", ["ridge", "xgboost"])
def test_n_jobs_is_how_many_threads_it_may_use_and_changes_no_bit(tables, model, monkeypatch):
    tables = live_tables(model=model)
    trainer = {"ridge": RidgeTrainer, "xgboost": XGBoostTrainer}[model]
    allowed = record_threads(monkeypatch, trainer)

    fitted = [fit_final(tables, n_jobs=n_jobs) for n_jobs in (1, 3)]

    assert allowed == [1, 3]
    assert fitted[0].data_version == fitted[1].data_version


@pytest.mark.parametrize("model", ["ridge", "xgboost"])
def test_it_is_stored_under_a_manifest_that_says_what_it_is(tables, model, tmp_path):
    tables = live_tables(model=model)
    fitted = fit_final(tables)
    store, address = Store(tmp_path), Address("us", "final_models", HORIZON, model)

    path = store.write(address, fitted)
    stored = store.open_models(address)

    manifest = stored.manifest
    rows = oracle_rows(tables)
    dates = rows.get_level_values("datetime")
    ends = tables.labels.loc[rows, f"label_end_{HORIZON}"]
    assert manifest.kind == "final_model"
    assert manifest.trained_on.rows == len(rows)
    assert manifest.trained_on.first_date == str(dates.min().date())
    assert manifest.trained_on.last_date == str(dates.max().date())
    assert manifest.trained_on.first_label_end == str(ends.min().date())
    assert manifest.trained_on.last_label_end == str(ends.max().date())
    assert manifest.row_order_hash == hash_row_order(rows)
    assert manifest.data_version == fitted.data_version
    assert manifest.data_versions == data_versions_of(
        features=tables.features, labels=tables.labels, oof_predictions=tables.oof
    )
    (file,) = manifest.folds
    assert file.file.startswith(f"final-{file.sha256[:12]}.")
    assert sorted(p.name for p in path.iterdir()) == sorted([file.file, "manifest.json"])
    restored = predict(load_model(stored, 0), tables)
    assert restored.tolist() == predict(fitted.models[0].trainer, tables).tolist()


def manifest_json(tables, tmp_path):
    address = Address("us", "final_models", HORIZON, "ridge")
    path = Store(tmp_path).write(address, fit_final(tables)) / "manifest.json"
    return json.loads(path.read_text(encoding="utf-8"))


def test_a_final_manifest_without_its_rows_is_refused(tables, tmp_path):
    values = manifest_json(tables, tmp_path)
    del values["trained_on"]
    with pytest.raises(StoreError, match="a final model has one file, and says which rows"):
        Manifest.from_json(json.dumps(values))


def test_a_final_model_does_not_pass_for_a_fold_model(tables, tmp_path):
    values = manifest_json(tables, tmp_path)
    with pytest.raises(StoreError, match="does not carry its split and hash"):
        Manifest.from_json(json.dumps(values | {"kind": "fold_models"}))


def test_a_damaged_file_is_not_loaded(tables, tmp_path):
    store, address = Store(tmp_path), Address("us", "final_models", HORIZON, "ridge")
    path = store.write(address, fit_final(tables))
    (file,) = [p for p in path.iterdir() if p.name.startswith("final-")]
    file.write_bytes(file.read_bytes()[:-1] + b"?")
    with pytest.raises(StoreError, match=r"final-.* is damaged"):
        load_model(store.open_models(address), 0)


def test_refitting_gives_the_same_data_version(tables):
    assert fit_final(tables).data_version == fit_final(tables).data_version


def test_predictions_of_other_models_or_tables_validate_nothing(tables):
    other_models = live_tables(registry=models(params={"alpha": 51.0}))
    message = "^oof_predictions was made from fitted_models of version .* materialize oof_pre"
    with pytest.raises(StoreError, match=message):
        fit_final(tables.replaced(oof=other_models.oof))
    moved = tables.labels.copy()
    moved.iloc[0, moved.columns.get_loc(f"label_{HORIZON}")] += 1
    moved.attrs = {}
    with pytest.raises(StoreError, match=r"^oof_predictions was made from labels of version"):
        fit_final(tables.replaced(labels=moved))


def test_fold_models_of_other_settings_validate_nothing(tables):
    with pytest.raises(StoreError, match=r"^fitted_models of 21d.ridge .* another alpha, seed"):
        fit_final(tables, models(params={"alpha": 51.0}, seed=8))


def test_too_little_memory_is_named_before_the_fit(tables):
    with pytest.raises(TrainingError, match="max_rss_gb"):
        fit_final(tables, max_rss_gb=1e-9)


def test_a_failing_fit_names_the_final_model_and_its_rows(tables):
    registry = models()
    rows = oracle_rows(tables)

    def broken(self, X, y, *, feature_names, sample_weight=None):
        raise ZeroDivisionError("nothing to divide by")

    trainer = registry.trainer_class("ridge")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trainer, "fit", broken)
        message = rf"^final model \({len(rows)} train rows, .*\): RidgeTrainer failed: nothing"
        with pytest.raises(TrainingError, match=message):
            fit_final(tables, registry)


def test_a_horizon_without_labels_is_named(tables):
    with pytest.raises(TrainingError, match="no column 'label_5d'"):
        assemble_labelled_rows(features=tables.features, labels=tables.labels, horizon="5d")


def test_check_counts_the_rows_once_more(tables):
    fitted = fit_final(tables)
    outcome = check_final_complete(fitted, features=tables.features, labels=tables.labels)
    assert outcome.passed
    assert outcome.values["trained_rows"] == outcome.values["labelled_rows"] == len(
        oracle_rows(tables)
    )  # fmt: skip

    fewer = tables.labels.copy()
    fewer.loc[oracle_rows(tables)[5], f"label_{HORIZON}"] = np.nan
    outcome = check_final_complete(fitted, features=tables.features, labels=fewer)
    assert not outcome.passed
    assert outcome.severity == "error"
    n = len(oracle_rows(tables))
    assert f"trained on {n:,} rows, which are not the {n - 1:,} that" in outcome.description


def test_check_sees_other_rows_of_the_same_number(tables):
    fitted = fit_final(tables)
    swapped = tables.labels.copy()
    column = f"label_{HORIZON}"
    rows = oracle_rows(tables)
    unlabelled = tables.features.index.difference(rows)
    swapped.loc[rows[5], column] = np.nan
    swapped.loc[unlabelled[0], column] = 1.0
    outcome = check_final_complete(fitted, features=tables.features, labels=swapped)
    assert outcome.values["trained_rows"] == outcome.values["labelled_rows"]
    assert not outcome.passed
