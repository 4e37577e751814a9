from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from model2_assets.checks import check_out_of_fold, check_reproduced
from model2_assets.config import ChecksConfig
from model2_assets.contracts import load_contract
from model2_assets.errors import StoreError, TrainingError
from model2_assets.storage import Address, Store
from model2_assets.storage.conformity import require_conformity
from model2_assets.storage.data_version import table_digest
from model2_assets.storage.provenance import facts_of
from model2_assets.training import (
    RidgeTrainer,
    XGBoostTrainer,
    average_splits,
    load_model,
    make_out_of_fold,
    predict_stored,
    usable_cores,
)
from model2_assets_tests.training.panels import make_tables
from model2_assets_tests.training.stored_tables import (
    StoredTables,
    fit,
    mark,
    registry,
    stored_tables,
    task,
)
from model2_assets_tests.training.trainers import record_threads


def predict_oof(stored, tables: StoredTables) -> pd.DataFrame:
    return average_splits(*predict_stored(stored, tables))


MODELS = ("ridge", "xgboost")


@pytest.fixture
def store(tmp_path) -> Store:
    return Store(tmp_path)


@pytest.fixture(scope="module")
def tables() -> StoredTables:
    return stored_tables()


def store_models(store: Store, tables: StoredTables, model: str = "ridge", **settings):
    address = Address("us", "fitted_models", "21d", model)
    store.write(address, fit(tables, model, **settings))
    return store.open_models(address)


def make(stored, tables: StoredTables, models=None, **settings):
    return make_out_of_fold(task(stored.manifest.model, models=models), stored, tables, **settings)


@pytest.mark.parametrize(
    ("trainer", "model"), [(RidgeTrainer, "ridge"), (XGBoostTrainer, "xgboost")]
)
def test_the_refit_has_the_machine_to_itself(store, tables, trainer, model, monkeypatch):
    stored = store_models(store, tables, model)
    allowed = record_threads(monkeypatch, trainer)

    made = make(stored, tables, n_threads=3)
    make(stored, tables)

    assert allowed == [3, usable_cores()]
    assert made.determinism_difference_bps == 0.0


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("n_test_groups", [1, 2])
def test_from_fit_to_checked_predictions(store, model, n_test_groups):
    tables = stored_tables(n_test_groups=n_test_groups)
    stored = store_models(store, tables, model)

    made = make(stored, tables)

    require_conformity(made.oof, load_contract("OOFPredictions"), origin="oof")
    assert len(made.oof) == 480
    assert set(made.oof.index) == set(tables.labels.index)
    assert made.oof.index.is_monotonic_increasing
    assert made.determinism_difference_bps == 0.0
    assert made.determinism_tolerance_bps == {"ridge": 1e-9, "xgboost": 1e-6}[model]
    assert made.same_kernel
    outcomes = check_out_of_fold(made, limits=ChecksConfig(rank_ic_warn=1.0))
    assert [outcome.name for outcome in outcomes if not outcome.passed] == []


@pytest.mark.parametrize("model", MODELS)
def test_each_row_is_predicted_by_the_model_of_the_split_that_tests_it(store, tables, model):
    stored = store_models(store, tables, model)
    made = make(stored, tables)
    X = tables.features.to_numpy()
    for split_id in range(5):
        tested = (tables.cv_splits[f"split_{split_id}"] == 1).to_numpy()
        expected = pd.Series(
            load_model(stored, split_id).predict(np.ascontiguousarray(X[tested])),
            index=tables.features.index[tested],
        )
        found = made.oof["prediction"].reindex(expected.index)
        assert found.tolist() == expected.tolist()
        assert set(made.oof["fold_id"].reindex(expected.index)) == {split_id}


def test_predictions_state_what_they_were_made_from(store, tables):
    stored = store_models(store, tables)
    made = make(stored, tables)
    assert facts_of(made.oof) == {
        "data_version": table_digest(made.oof),
        "inputs": {
            "features": table_digest(tables.features),
            "labels": table_digest(tables.labels),
            "cv_splits": table_digest(tables.cv_splits),
            "fitted_models": stored.manifest.data_version,
        },
        "region": "us",
        "horizon": "21d",
        "model": "ridge",
        "rows_with_label": 480,
        "rows_tested": 480,
        "n_folds": 5,
        "determinism_difference_bps": 0.0,
    }
    assert made.data_version == table_digest(made.oof)


def test_labels_to_compare_with_come_from_labels_and_features_not_from_splits(store):
    features, labels, cv_splits = make_tables()
    labels.iloc[3, 0] = np.nan
    tables = StoredTables(mark(features), mark(labels), cv_splits)
    tables = tables.with_splits(cv_splits.drop(cv_splits.index[[0, 1]]))
    made = make(store_models(store, tables), tables)
    assert len(made.label) == 479
    assert set(made.label.index) == set(labels.index[labels["label_21d"].notna()])
    outcome = check_out_of_fold(made, limits=ChecksConfig())[1]
    assert not outcome.passed
    assert outcome.description.startswith("2 rows lack a prediction, first S00 2020-01-01")


@pytest.mark.parametrize("model", MODELS)
def test_predicting_again_reproduces_every_bit(store, tables, model):
    stored = store_models(store, tables, model)
    made = make(stored, tables)
    address = Address("us", "oof_predictions", "21d", model)
    store.write(address, made.oof)
    again = predict_oof(store.open_models(stored_address(model)), tables)
    assert check_reproduced(store.read(address), again).passed
    assert facts_of(store.read(address)) == facts_of(made.oof)


def stored_address(model: str) -> Address:
    return Address("us", "fitted_models", "21d", model)


def other_splits(tables: StoredTables) -> StoredTables:
    """Rows that splits A trained on are tested by splits B."""
    roles = tables.cv_splits.copy()
    columns = [f"split_{split_id}" for split_id in range(5)]
    roles[columns] = tables.cv_splits[[*columns[1:], columns[0]]].to_numpy()
    return tables.with_splits(roles)


@pytest.mark.parametrize("model", MODELS)
def test_models_of_other_splits_may_not_predict(store, tables, model):
    stored = store_models(store, tables, model)
    rebuilt = other_splits(tables)
    seen = (tables.cv_splits["split_0"] == 0) & (rebuilt.cv_splits["split_0"] == 1)
    assert seen.any(), "model 0 would predict rows that it was trained on"
    for predict in (
        lambda: predict_stored(stored, rebuilt),
        lambda: make(stored, rebuilt),
    ):
        with pytest.raises(StoreError) as caught:
            predict()
        assert str(caught.value).startswith("fitted_models was made from cv_splits of version ")
        assert str(caught.value).endswith("; materialize fitted_models again")


def test_models_of_other_hand_made_splits_may_not_predict_either(store):
    tables = StoredTables(*make_tables())
    stored = store_models(store, tables)
    assert len(predict_oof(stored, tables)) == 480
    rebuilt = StoredTables(tables.features, tables.labels, other_splits(tables).cv_splits.copy())
    rebuilt.cv_splits.attrs = {}
    with pytest.raises(StoreError, match="fitted_models was made from cv_splits of version"):
        predict_stored(stored, rebuilt)


@pytest.mark.parametrize("table", ["features", "labels"])
def test_models_of_other_values_may_not_predict(store, tables, table):
    stored = store_models(store, tables)
    changed = tables.arguments[table].copy()
    changed.iloc[7, 0] += 1.0
    arguments = tables.arguments | {table: mark(changed)}
    with pytest.raises(StoreError, match=f"^cv_splits was made from {table} of version"):
        predict_stored(stored, StoredTables(**arguments))
    rebuilt = StoredTables(**arguments).with_splits(tables.cv_splits)
    with pytest.raises(StoreError, match=r"^fitted_models was made from \w+ of version"):
        predict_stored(stored, rebuilt)


def claim(frame: pd.DataFrame, original: pd.DataFrame) -> pd.DataFrame:
    """Return other rows under the version of the original: what a forged file would be."""
    claimed = frame.copy()
    claimed.attrs = original.attrs
    return claimed


def test_other_rows_under_the_same_version_are_refused(store, tables):
    stored = store_models(store, tables)
    fewer = claim(tables.cv_splits.iloc[:-1], tables.cv_splits)
    with pytest.raises(StoreError, match="trained on other rows or features than those stored"):
        predict_stored(stored, replace(tables, cv_splits=fewer))


def test_other_features_under_the_same_version_are_refused(store, tables):
    stored = store_models(store, tables)
    swapped = claim(tables.features[tables.features.columns[::-1]], tables.features)
    with pytest.raises(StoreError, match="trained on other rows or features than those stored"):
        predict_stored(stored, replace(tables, features=swapped))


@pytest.mark.parametrize(
    ("settings", "changed"),
    [
        ({"params": {"alpha": 77.0}}, "alpha"),
        ({"seed": 8}, "seed"),
        ({"overrides": {"21d": {"alpha": 77.0}}}, "alpha"),
    ],
)
def test_models_of_other_settings_are_refused_by_name(store, tables, settings, changed):
    stored = store_models(store, tables)
    message = (
        f"^fitted_models of 21d.ridge was trained with another {changed} than the configuration "
        f"now gives; materialize fitted_models again$"
    )
    with pytest.raises(StoreError, match=message):
        make(stored, tables, registry(**settings))
    assert len(predict_oof(stored, tables)) == 480


def test_missing_model_is_named(store, tables):
    stored = store_models(store, tables)
    folder = store.path(stored_address("ridge"))
    next(folder.glob("fold_3-*")).unlink()
    with pytest.raises(StoreError, match=r"fold_3-.*is missing; retrain the model"):
        make(stored, tables)


def test_damaged_model_is_named(store, tables):
    stored = store_models(store, tables, "xgboost")
    path = next(store.path(stored_address("xgboost")).glob("fold_1-*"))
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))
    with pytest.raises(StoreError, match=r"fold_1-.*is damaged"):
        make(stored, tables)


def test_refit_on_other_labels_is_a_difference(store, tables, monkeypatch):
    from model2_assets.training import RidgeTrainer

    stored = store_models(store, tables)
    fitted = RidgeTrainer.fit_shared

    def fit_on_more(self, shared, data, split_id):
        trainer = fitted(self, shared, data, split_id)
        trainer.intercept_ += 0.5
        return trainer

    monkeypatch.setattr(RidgeTrainer, "fit_shared", fit_on_more)
    made = make(stored, tables)
    assert made.determinism_difference_bps == pytest.approx(0.5)
    assert facts_of(made.oof)["determinism_difference_bps"] == made.determinism_difference_bps


def test_models_of_another_kernel_are_recognized(store, tables, monkeypatch):
    stored = store_models(store, tables)
    monkeypatch.setattr("model2_assets.training.predict.blas_kernel", lambda: "another")
    assert not make(stored, tables).same_kernel


def test_smallest_split_is_refitted(store, tables):
    roles = tables.cv_splits.copy()
    train = roles.index[roles["split_3"] == 0]
    roles.loc[train[:200], "split_3"] = 4
    smaller = tables.with_splits(roles)
    stored = store_models(store, smaller)
    made = make(stored, smaller)
    assert made.refitted_split == 3
    assert made.determinism_difference_bps == 0.0


def test_absent_horizon_is_named(store, tables):
    stored = store_models(store, tables)
    renamed = mark(tables.labels.rename(columns={"label_21d": "label_5d"}))
    changed = StoredTables(tables.features, renamed, tables.cv_splits).with_splits(tables.cv_splits)
    with pytest.raises(TrainingError, match="no column 'label_21d'"):
        make(stored, changed)
