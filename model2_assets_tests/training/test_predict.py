"""Out-of-fold predictions and paths, from models in memory and from stored ones."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from model2_assets.checks.predictions import check_reproduced
from model2_assets.config import ChecksConfig, CrossValidationConfig, ExecutionConfig
from model2_assets.contracts import load_contract
from model2_assets.cross_validation import PurgedEmbargoedTimeSeriesSplit, build_cv_splits
from model2_assets.errors import StoreError, TrainingError
from model2_assets.storage import Address, Store
from model2_assets.storage.conformity import require_conformity
from model2_assets.storage.data_version import facts_of, table_digest
from model2_assets.training import (
    RidgeTrainer,
    XGBoostTrainer,
    assemble_training_data,
    cross_validate,
    load_model,
    predict_out_of_fold,
)
from model2_assets.training.predict import (
    average_splits,
    largest_difference,
    make_out_of_fold,
    mean_by_row,
    predict_splits,
    predict_stored,
    recombine_predictions,
    refit_difference,
)
from model2_assets.training.resources import usable_cores
from model2_assets_tests.checks.builders import check_out_of_fold, path_plan
from model2_assets_tests.sample_tables import mark
from model2_assets_tests.training.panels import hand_made, make_data, make_tables
from model2_assets_tests.training.stored_tables import (
    StoredTables,
    fit,
    registry,
    stored_tables,
    task,
)
from model2_assets_tests.training.trainers import constant, make_ridge, make_xgboost, record_threads


def test_each_row_is_predicted_by_the_model_that_tests_it_sorted_by_instrument():
    data = hand_made([[1, 0], [1, 0], [0, 1], [0, 1]], [0, 0, 1, 1])
    oof = predict_out_of_fold([constant(1, 20.0), constant(0, 10.0)], data)
    assert list(oof.index.names) == ["instrument", "datetime"]
    rows = [(name, f"{date:%d}", *values) for (name, date), *values in oof.itertuples()]
    assert rows == [
        ("S00", "01", 10.0, 0),
        ("S00", "02", 20.0, 1),
        ("S01", "01", 10.0, 0),
        ("S01", "02", 20.0, 1),
    ]
    assert oof.dtypes.astype(str).to_dict() == {"prediction": "float64", "fold_id": "int16"}
    assert oof.index.levels[1].unit == "us"


def test_with_two_test_groups_the_mean_over_the_splits_that_test_a_row_is_taken():
    # Groups 0, 1, 2; splits test (0, 1), (0, 2), (1, 2); roles 2 and 3 take no part.
    roles = [[1, 1, 3]] * 2 + [[1, 2, 1]] * 2 + [[4, 1, 1]] * 2
    data = hand_made(roles, [0, 0, 1, 1, 2, 2])
    oof = predict_out_of_fold([constant(0, 1.0), constant(1, 10.0), constant(2, 100.0)], data)
    assert oof["prediction"].tolist() == [5.5, 50.5, 55.0] * 2
    assert oof["fold_id"].tolist() == [0, 1, 2] * 2


def test_two_test_groups_of_five_give_four_predictions_a_row():
    data = make_data(n_test_groups=2)
    models = cross_validate(lambda: RidgeTrainer(params={}, seed=0), data)
    assert len(models) == 10
    oof = predict_out_of_fold(models, data)["prediction"].reindex(data.index)
    for row in (0, 100, data.n_rows - 1):
        testing = [model for model in models if data.roles[row, model.split_id] == 1]
        assert len(testing) == 4
        single = [model.trainer.predict(data.X[row : row + 1])[0] for model in testing]
        assert oof.iloc[row] == pytest.approx(np.mean(single), rel=1e-12)


def test_small_chunks_predict_the_same(monkeypatch):
    data = make_data()
    models = cross_validate(lambda: RidgeTrainer(params={}, seed=0), data)
    whole = predict_out_of_fold(models, data)
    monkeypatch.setattr("model2_assets.training.base_models._PREDICTED_ROWS", 7)
    chunked = predict_out_of_fold(models, data)
    np.testing.assert_allclose(chunked["prediction"], whole["prediction"], rtol=1e-12)


def test_predictions_are_handed_on_as_they_are():
    data = hand_made([[1], [1]], [0, 0])
    assert predict_out_of_fold([constant(0, np.nan)], data)["prediction"].isna().all()
    assert predict_out_of_fold([constant(0, 1e6)], data)["prediction"].tolist() == [1e6, 1e6]


def test_models_that_do_not_match_the_splits_are_refused():
    data = hand_made([[1, 0], [1, 0], [0, 1], [0, 1]], [0, 0, 1, 1])
    with pytest.raises(TrainingError, match="split 1 has no model"):
        predict_out_of_fold([constant(0, 1.0)], data)
    with pytest.raises(TrainingError, match="split 0: given twice"):
        predict_out_of_fold([constant(0, 1.0), constant(0, 2.0)], data)
    with pytest.raises(TrainingError, match="split 2: given twice, or not among the 2 splits"):
        predict_out_of_fold([constant(0, 1.0), constant(2, 2.0)], data)


def test_a_row_that_no_split_tests_is_named():
    data = hand_made([[1, 0], [1, 0], [0, 0], [0, 1]], [0, 0, 1, 1])
    message = "no split predicts 1 rows, first instrument S00 on 2020-01-02"
    with pytest.raises(TrainingError, match=message):
        predict_out_of_fold([constant(0, 1.0), constant(1, 2.0)], data)


def paths_of(data, models):
    return recombine_predictions(predict_splits(models, data), data)


def test_every_prediction_is_listed_with_split_path_group_and_spread():
    # Groups 0, 1, 2; splits test (0, 1), (0, 2), (1, 2); roles 2 to 4 take no part.
    roles = [[1, 1, 3]] * 2 + [[1, 2, 1]] * 2 + [[4, 1, 1]] * 2
    data = hand_made(roles, [0, 0, 1, 1, 2, 2])
    table = paths_of(data, [constant(2, 100.0), constant(0, 1.0), constant(1, 10.0)])
    assert table.dtypes.astype(str).to_dict() == {
        "instrument": "str",
        "datetime": "datetime64[us]",
        "split_id": "int16",
        "path_id": "int16",
        "group_id": "int16",
        "prediction": "float64",
        "prediction_std": "float64",
    }
    assert table.index.equals(pd.RangeIndex(12))
    # The sample standard deviation of two values is their distance over the root of 2.
    spreads = [9 / 2**0.5, 99 / 2**0.5, 90 / 2**0.5]
    expected = [
        (instrument, day, split_id, path_id, group_id, prediction, pytest.approx(spreads[group_id]))
        for instrument in ("S00", "S01")
        for day, split_id, path_id, group_id, prediction in [
            ("01", 0, 0, 0, 1.0),
            ("01", 1, 1, 0, 10.0),
            ("02", 0, 0, 1, 1.0),
            ("02", 2, 1, 1, 100.0),
            ("03", 1, 0, 2, 10.0),
            ("03", 2, 1, 2, 100.0),
        ]
    ]
    found = [
        (row.instrument, f"{row.datetime:%d}", *row[2:]) for row in table.itertuples(index=False)
    ]
    assert found == expected


def test_one_prediction_a_row_is_path_0_without_a_spread():
    data = hand_made([[1, 0], [1, 0], [0, 1], [0, 1]], [0, 0, 1, 1])
    table = paths_of(data, [constant(0, 10.0), constant(1, 20.0)])
    assert table["path_id"].tolist() == [0, 0, 0, 0]
    assert table["prediction_std"].isna().all()


@pytest.mark.parametrize("first_group", [0, -1])
def test_groups_that_no_split_tests_have_no_lines_and_no_mean(first_group):
    # A walk-forward over three groups: the first is never tested, or is no group at all.
    roles = [[0, 0]] * 2 + [[1, 0]] * 2 + [[5, 1]] * 2
    data = hand_made(roles, [first_group, first_group, 1, 1, 2, 2])
    predictions = predict_splits([constant(0, 1.0), constant(1, 2.0)], data)
    table, mean = recombine_predictions(predictions, data), average_splits(predictions, data)
    assert table["group_id"].tolist() == [1, 2, 1, 2]
    assert table["path_id"].tolist() == [0, 0, 0, 0]
    assert mean["fold_id"].tolist() == [1, 2, 1, 2]
    assert mean["prediction"].tolist() == [1.0, 2.0, 1.0, 2.0]


@pytest.mark.parametrize(("n_groups", "n_test_groups"), [(5, 1), (4, 2), (6, 2), (6, 3), (5, 4)])
def test_paths_are_those_of_the_splitter_and_complete(n_groups, n_test_groups):
    data = make_data(n_groups=n_groups, n_test_groups=n_test_groups, n_instruments=3)
    table = paths_of(data, [constant(s, float(s)) for s in range(data.n_splits)])
    splitter = PurgedEmbargoedTimeSeriesSplit(n_groups, n_test_groups=n_test_groups)
    plan = {
        (split_id, group_id): path_id
        for split_id, (groups, paths) in enumerate(
            zip(splitter.test_groups.tolist(), splitter.path_ids().tolist(), strict=True)
        )
        for group_id, path_id in zip(groups, paths, strict=True)
    }
    found = zip(table["split_id"], table["group_id"], table["path_id"], strict=True)
    assert all(plan[split_id, group_id] == path_id for split_id, group_id, path_id in found)
    for path_id in range(splitter.n_paths):
        path = table[table["path_id"] == path_id].set_index(["instrument", "datetime"])
        assert path.index.is_unique
        assert set(path.index) == set(data.index)
    assert len(table) == splitter.n_paths * data.n_rows


def test_the_mean_over_the_lines_of_a_row_is_the_out_of_fold_prediction_to_the_bit():
    data = make_data(n_groups=6, n_test_groups=3)
    predictions = predict_splits(cross_validate(make_ridge, data), data)
    table, oof = recombine_predictions(predictions, data), average_splits(predictions, data)
    row = oof.index.get_indexer(pd.MultiIndex.from_frame(table[["instrument", "datetime"]]))
    mean = mean_by_row(row, table["prediction"].to_numpy(), len(oof))
    np.testing.assert_array_equal(mean, oof["prediction"])
    spread = table.groupby(["instrument", "datetime"])["prediction"].std()
    lines = table.drop_duplicates(["instrument", "datetime"]).set_index(spread.index.names)
    np.testing.assert_allclose(lines["prediction_std"].reindex(spread.index), spread, rtol=1e-9)


def test_sums_of_a_row_do_not_depend_on_the_lines_of_other_rows():
    values = np.array([1e16, 1.0, -1e16, 3.0])
    assert mean_by_row(np.array([0, 0, 0, 1]), values, 3)[:2].tolist() == [0.0, 3.0]
    assert mean_by_row(np.array([1, 0, 0, 0]), values[[3, 0, 1, 2]], 3)[:2].tolist() == [0.0, 3.0]
    assert np.isnan(mean_by_row(np.array([0, 0, 0, 1]), values, 3)[2])


def test_splits_of_our_own_splitter_recombine_as_planned():
    features, labels, _ = make_tables(n_dates=120, n_instruments=4)
    labels["label_end_21d"] = labels.index.get_level_values("datetime") + pd.Timedelta(days=3)
    groups = {"n_groups": 6, "n_test_groups": 2}
    splits = build_cv_splits(features.index, labels, CrossValidationConfig(**groups))
    data = assemble_training_data(features, labels, splits, horizon="21d")
    table = paths_of(data, cross_validate(make_ridge, data))
    planned = path_plan(**groups)[table["split_id"], table["group_id"]]
    np.testing.assert_array_equal(table["path_id"], planned)


@pytest.mark.parametrize("make_trainer", [make_ridge, make_xgboost])
def test_a_refit_gives_equal_bits(make_trainer):
    data = make_data()
    models = cross_validate(make_trainer, data, n_jobs=2)
    assert refit_difference(make_trainer, data, models[2], split_id=2) == 0.0


def test_another_model_in_the_store_is_noticed_by_its_largest_difference():
    data = make_data()
    models = cross_validate(make_ridge, data)
    models[1].trainer.intercept_ += 1e-7
    difference = refit_difference(make_ridge, data, models[1], split_id=1)
    assert difference == pytest.approx(1e-7, rel=1e-3)
    assert difference > RidgeTrainer.determinism_tolerance_bps
    assert refit_difference(make_ridge, data, models[0], split_id=0) == 0.0


def test_another_seed_is_noticed():
    data = make_data()
    models = cross_validate(make_xgboost, data)

    def other():
        return XGBoostTrainer(params={"n_estimators": 20, "subsample": 0.5}, seed=8)

    difference = refit_difference(other, data, models[0], split_id=0)
    assert difference > XGBoostTrainer.determinism_tolerance_bps


@pytest.mark.parametrize(
    ("left", "right", "expected"),
    [
        ([1.0, 2.0], [1.0, 2.0], 0.0),
        ([1.0, 2.0], [1.5, -2.0], 4.0),
        ([np.nan, 1.0], [np.nan, 1.0], 0.0),
        ([np.inf], [np.inf], 0.0),
        ([np.nan], [1.0], np.inf),
        ([1.0, np.inf], [1.0, 5.0], np.inf),
        ([], [], 0.0),
    ],
)
def test_the_largest_difference_by_hand(left, right, expected):
    assert largest_difference(np.array(left), np.array(right)) == expected


@settings(deadline=None, derandomize=True, max_examples=50)
@given(arrays(np.float64, 5, elements=st.floats(-1e6, 1e6)), st.integers(0, 4), st.floats(1, 1e3))
def test_one_shifted_value_is_the_largest_difference(values, position, shift):
    other = values.copy()
    other[position] += shift
    assert largest_difference(values, other) == abs(other[position] - values[position])


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

    made = make(stored, tables, execution=ExecutionConfig(n_jobs=3))
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
    fitted = RidgeTrainer.fit_rows

    def fit_on_more(self, data, rows):
        trainer = fitted(self, data, rows)
        trainer.intercept_ += 0.5
        return trainer

    monkeypatch.setattr(RidgeTrainer, "fit_rows", fit_on_more)
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
