import logging
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
import xgboost as xgb
from sklearn.impute import SimpleImputer
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from model2_assets.config import CrossValidationConfig, ModelConfig
from model2_assets.cross_validation import build_cv_splits
from model2_assets.errors import StoreError, TrainingError
from model2_assets.storage import Address, Store
from model2_assets.storage.models import Calibration
from model2_assets.training import (
    ModelRegistry,
    RidgeTrainer,
    XGBoostTrainer,
    assemble_training_data,
    cross_validate,
)
from model2_assets.training.calibration import final_calibration
from model2_assets.training.fit import fit_split
from model2_assets.training.predict import average_splits, predict_out_of_fold, predict_stored
from model2_assets.training.sums import add_up_splits
from model2_assets_tests.training.live_tables import fit_final, live_tables, models
from model2_assets_tests.training.panels import make_data, make_tables
from model2_assets_tests.training.stored_tables import fit, stored_tables

HORIZON, GAP = 20, 3
STRIDE = HORIZON // 4


def make_panel(*, signal: float, n_dates: int = 300, embargo_days: int = 2, **splits):
    """Return splits of our own making, on labels that look some days ahead."""
    features, labels, _ = make_tables(n_dates=n_dates, n_instruments=20, signal=signal, seed=3)
    dates = features.index.get_level_values("datetime")
    ends = (dates + pd.Timedelta(days=GAP)).where(dates <= dates.max() - pd.Timedelta(days=GAP))
    labels = pd.DataFrame({f"label_{HORIZON}d": labels["label_21d"], f"label_end_{HORIZON}d": ends})
    labels.loc[ends.isna(), f"label_{HORIZON}d"] = np.nan
    config = CrossValidationConfig(embargo_days=embargo_days, **splits)
    table = build_cv_splits(features.index, labels, config)
    return assemble_training_data(
        features, labels, table, horizon=f"{HORIZON}d", embargo_days=embargo_days
    )


def inner_rows(data, split_id, *, embargo_days=2):
    """Yield train and validation rows of the inner folds, found date by date."""
    day = data.date_codes
    train = data.train_rows(split_id)
    for group in np.unique(data.group_id[train]):
        held_out = train[data.group_id[train] == group]
        first, last = day[held_out].min(), day[held_out].max()
        # The group itself, of which the split may have purged some rows, ends where it does.
        whole = np.flatnonzero(data.group_id == group)
        first, last = day[whole].min(), day[whole].max()
        clear = (day[train] + GAP < first) | (day[train] > last + GAP + embargo_days)
        yield train[clear], held_out[day[held_out] % STRIDE == 0]


def expected_slope(data, split_id, predict, *, thin):
    products = squares = 0.0
    for train, held_out in inner_rows(data, split_id):
        rows = train[data.date_codes[train] % STRIDE == 0] if thin else train
        base = data.y[rows].mean()
        predicted = predict(rows, held_out) - base
        products += predicted @ (data.y[held_out] - base)
        squares += predicted @ predicted
    return products / squares


def ridge_by_scikit_learn(data, rows, held_out, *, alpha=2000.0):
    model = make_pipeline(SimpleImputer(), StandardScaler(), Ridge(alpha=alpha))
    model.fit(data.X[rows].astype(np.float64), data.y[rows])
    return model.predict(data.X[held_out].astype(np.float64))


def xgboost_plainly(data, rows, held_out):
    params = {
        "tree_method": "hist",
        "max_depth": 3,
        "eta": 0.1,
        "max_bin": 256,
        "min_child_weight": 0.05 * len(rows),
        "nthread": 1,
        "seed": 7,
    }
    train = xgb.QuantileDMatrix(data.X[rows], label=data.y[rows], nthread=1)
    booster = xgb.train(params, train, num_boost_round=20)
    return booster.inplace_predict(data.X[held_out]).astype(np.float64)


def make_ridge():
    return RidgeTrainer(params={"alpha": 2000.0}, seed=7)


def make_xgboost():
    return XGBoostTrainer(params={}, seed=7)


@pytest.mark.parametrize("splits", [{}, {"n_groups": 6, "n_test_groups": 2}])
@pytest.mark.parametrize(
    ("make_trainer", "oracle", "thin"),
    [(make_ridge, ridge_by_scikit_learn, False), (make_xgboost, xgboost_plainly, True)],
)
def test_the_slope_is_that_of_explicit_inner_folds(make_trainer, oracle, thin, splits):
    data = make_panel(signal=60.0, **splits)
    for split_id in (0, 2):
        found = fit_split(make_trainer, data, split_id, calibrates=True).calibration
        expected = expected_slope(
            data, split_id, lambda rows, held_out: oracle(data, rows, held_out), thin=thin
        )
        assert 0.05 < expected < 1 or found.slope in (0.05, 1.0)
        assert found.slope == pytest.approx(np.clip(expected, 0.05, 1), rel=1e-6)
        assert found.rows == sum(len(held_out) for _, held_out in inner_rows(data, split_id))
        assert found.base_bps == pytest.approx(data.y[data.train_rows(split_id)].mean())


def test_the_standard_error_leaves_out_one_group_after_the_other():
    data = make_panel(signal=60.0)
    found = fit_split(make_ridge, data, 0, calibrates=True).calibration
    parts = []
    for train, held_out in inner_rows(data, 0):
        base = data.y[train].mean()
        predicted = ridge_by_scikit_learn(data, train, held_out) - base
        parts.append((predicted @ (data.y[held_out] - base), predicted @ predicted))
    products, squares = np.array(parts).T
    slopes = np.array(
        [
            np.delete(products, out).sum() / np.delete(squares, out).sum()
            for out in range(len(parts))
        ]
    )
    expected = np.sqrt((len(parts) - 1) / len(parts) * ((slopes - slopes.mean()) ** 2).sum())
    assert found.standard_error == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("make_trainer", [make_ridge, make_xgboost])
def test_noise_is_shrunk_and_signal_is_kept(make_trainer):
    noise, signal = (
        cross_validate(make_trainer, make_panel(signal=size), calibrates=True)
        for size in (0.0, 2000.0)
    )
    assert np.median([model.calibration.slope for model in noise]) < 0.3
    assert min(model.calibration.slope for model in signal) > 0.8


def test_predictions_are_the_mean_label_and_so_much_of_what_the_trainer_says():
    data = make_panel(signal=15.0)
    model = fit_split(make_ridge, data, 1, calibrates=True)
    rows = data.test_rows(1)
    raw = model.trainer.predict(data.X[rows])
    slope, base = model.calibration.slope, data.y[data.train_rows(1)].mean()
    assert 0.05 < slope < 1
    np.testing.assert_allclose(model.predict(data.X[rows]), base + slope * (raw - base))
    plain = fit_split(make_ridge, data, 1)
    assert plain.calibration is None
    np.testing.assert_array_equal(plain.predict(data.X[rows]), raw)
    assert plain.trainer.digest() == model.trainer.digest() == plain.digest() != model.digest()


@pytest.mark.parametrize("make_trainer", [make_ridge, make_xgboost])
def test_labels_that_a_split_does_not_train_on_do_not_reach_its_slope(make_trainer):
    data = make_panel(signal=60.0)
    for split_id in (0, 3):
        before = fit_split(make_trainer, data, split_id, calibrates=True)
        y = data.y.copy()
        outside = data.roles[:, split_id] != 0
        y[outside] = 5000.0 * np.sign(np.nan_to_num(data.X[outside, 3]))
        after = fit_split(make_trainer, replace(data, y=y), split_id, calibrates=True)
        assert after.digest() == before.digest()


@pytest.mark.parametrize("trainer", [RidgeTrainer, XGBoostTrainer])
def test_inner_fits_are_handed_the_labels_of_inner_train_rows_alone(trainer, monkeypatch):
    handed, own = [], trainer.fit_rows

    def fit_rows(self, data, rows):
        handed.append((data, rows))
        return own(self, data, rows)

    monkeypatch.setattr(trainer, "fit_rows", fit_rows)
    data = make_panel(signal=60.0)
    fit_split(lambda: trainer(params={}, seed=7), data, 2, calibrates=True)
    expected = [data.train_rows(2), *(train for train, _ in inner_rows(data, 2))]
    assert len(handed) == len(expected) == 5
    for (view, rows), train in zip(handed, expected, strict=True):
        np.testing.assert_array_equal(np.flatnonzero(~np.isnan(view.y)), train)
        assert set(rows) <= set(train)
        if view.sums is not None:
            assert view.sums.total().gram[-1, -1] == len(train)


class ShiftedSplits:
    """Tests every row twice: in five blocks of dates, and in five with other edges."""

    def split(self, X, *, label_end):
        dates = X.index.get_level_values("datetime")
        days = np.unique(dates)
        n_days = len(days)
        for edges in (
            np.linspace(0, n_days, 6),
            [0, *np.linspace(0, n_days, 6)[1:-1] + 13, n_days],
        ):
            for first, stop in pairwise(np.asarray(edges, dtype=int)):
                test = (dates >= days[first]) & (dates <= days[stop - 1])
                touches = (dates <= label_end[test].max()) & (label_end >= dates[test].min())
                yield np.flatnonzero(~touches), np.flatnonzero(test)


def test_inner_folds_are_purged_around_rows_that_splits_test_twice_with_other_edges():
    data = make_panel(
        signal=60.0, embargo_days=0, splitter=f"{__name__}:ShiftedSplits", n_dates=200
    )
    assert data.n_splits == 10
    touching, kept = 0, add_up_splits(data, range(10))
    day, ends = data.date_codes, data.date_codes + GAP
    for split_id in range(10):
        for train, validation in kept.of_split(split_id).inner.values():
            rows, held_out = (
                np.flatnonzero(np.isin(data.blocks.ids, blocks)) for blocks in (train, validation)
            )
            dates, last = day[held_out], ends[held_out]
            for row in np.unique(np.column_stack([day[rows], ends[rows]]), axis=0):
                touching += int(((dates <= row[1]) & (last >= row[0])).any())
    assert touching == 0


def test_a_splitter_that_cuts_through_dates_has_inner_folds_of_whole_ones():
    data = make_panel(signal=60.0)
    by_name = np.arange(data.n_rows) % 2
    torn = data.inner.of(
        data.index,
        by_name.astype(np.int16),
        np.asarray(data.index.get_level_values("datetime") + pd.Timedelta(days=GAP)),
        embargo_days=0,
        horizon_days=HORIZON,
    )
    folds = torn.split(np.arange(data.n_rows), is_usable=lambda fold: len(fold.train) > 0)
    assert len(folds) == 3
    for _, train, validation in folds:
        assert not set(data.date_codes[train]) & set(data.date_codes[validation])


def test_the_first_models_of_a_walk_forward_have_three_blocks_of_their_own_dates():
    data = make_panel(signal=60.0, scheme="walk_forward", n_dates=400)
    models = cross_validate(make_ridge, data, calibrates=True)
    train = data.train_rows(0)
    assert len(np.unique(data.group_id[train])) == 1
    day = data.date_codes[train] - data.date_codes[train].min()
    block = day * 3 // (day.max() + 1)
    products = squares = 0.0
    for held in range(3):
        first, last = day[block == held].min(), day[block == held].max()
        clear = train[(day + GAP < first) | (day > last + GAP + 2)]
        held_out = train[block == held]
        held_out = held_out[data.date_codes[held_out] % STRIDE == 0]
        base = data.y[clear].mean()
        rows = clear[data.date_codes[clear] % STRIDE == 0]
        predicted = ridge_by_scikit_learn(data, rows, held_out) - data.y[rows].mean()
        products += predicted @ (data.y[held_out] - data.y[rows].mean())
        squares += predicted @ predicted
        assert abs(base) < 1e3
    assert models[0].calibration.slope == pytest.approx(np.clip(products / squares, 0.05, 1))


def test_groups_of_which_no_row_is_clear_give_way_to_blocks():
    data = make_panel(signal=60.0, n_groups=12, n_dates=120, embargo_days=12, min_samples=1)
    train = data.train_rows(5)
    groups = np.unique(data.group_id[train])
    assert len(groups) >= 3
    assert not any(fold.group is None for fold in data.inner.split(train, is_usable=bool))
    found = fit_split(make_ridge, data, 5, calibrates=True).calibration
    folds = data.inner.split(train, is_usable=lambda fold: fold.group is None)
    assert [fold.group for fold in folds] == [None, None, None]
    assert found.rows > 0


def test_too_few_rows_leave_predictions_as_they_are_and_say_so(caplog):
    data = make_data()
    with caplog.at_level(logging.WARNING):
        model = fit_split(make_ridge, data, 0, calibrates=True)
    assert model.calibration == Calibration(
        slope=1.0, base_bps=pytest.approx(data.y[data.train_rows(0)].mean()), rows=0
    )
    assert caplog.text.count("split 0: no inner fold has 50 rows") == 1
    rows = data.test_rows(0)
    np.testing.assert_array_equal(model.predict(data.X[rows]), model.trainer.predict(data.X[rows]))


@pytest.mark.parametrize("make_trainer", [make_ridge, make_xgboost])
def test_a_group_that_no_train_row_is_clear_of_does_not_count(make_trainer):
    """An embargo over most of history leaves the first group without later rows."""
    data = make_panel(signal=0.0, embargo_days=200)

    found = fit_split(make_trainer, data, 3, calibrates=True).calibration

    others = [held_out for train, held_out in inner_rows(data, 3, embargo_days=200) if len(train)]
    assert len(others) == 2
    assert found.rows == sum(map(len, others))


def test_labels_without_ends_cannot_calibrate():
    data = replace(make_data(), inner=None)
    with pytest.raises(TrainingError, match="inner folds, which take the ends of labels"):
        cross_validate(make_ridge, data, calibrates=True)


@pytest.mark.parametrize(
    ("trainer", "calibration", "expected"),
    [
        ("model2_assets.training:RidgeTrainer", None, "inner_slope"),
        ("model2_assets.training:XGBoostTrainer", None, "inner_slope"),
        ("model2_assets.training:RidgeTrainer", "none", "none"),
        ("model2_assets_tests.training.trainers:ElasticNetTrainer", None, "none"),
        ("model2_assets_tests.training.trainers:ElasticNetTrainer", "inner_slope", "inner_slope"),
    ],
)
def test_our_own_models_are_calibrated_and_others_if_asked(trainer, calibration, expected):
    models = ModelRegistry({"m": ModelConfig(trainer=trainer, calibration=calibration)})
    assert models.calibration("m") == expected


def test_a_cheaper_fit_goes_as_far_as_all_trees():
    trainer = XGBoostTrainer(params={"n_estimators": 100, "learning_rate": 0.02}, seed=1)
    inner = trainer.for_inner_folds()
    assert (inner.params["n_estimators"], inner.params["learning_rate"]) == (20, 0.1)
    fast = XGBoostTrainer(params={"n_estimators": 7, "learning_rate": 0.3}, seed=1)
    assert fast.for_inner_folds().params == fast.params


def calibrated():
    return ModelRegistry({"ridge": ModelConfig(trainer="model2_assets.training:RidgeTrainer")})


def test_what_is_stored_predicts_as_what_was_fitted(tmp_path):
    tables = stored_tables(n_dates=300, n_instruments=20, signal=15.0)
    fitted = fit(tables, models=calibrated())
    assert any(0.05 < model.calibration.slope < 1 for model in fitted.models)
    address = Address("us", "fitted_models", "21d", "ridge")
    store = Store(tmp_path)
    store.write(address, fitted)
    stored = store.open_models(address)
    assert stored.manifest.calibration == "inner_slope"
    assert [fold.calibration for fold in stored.manifest.folds] == [
        model.calibration for model in fitted.models
    ]
    predictions, data = predict_stored(stored, tables)
    expected = predict_out_of_fold(fitted.models, data)
    pd.testing.assert_frame_equal(average_splits(predictions, data), expected, check_exact=True)


def test_the_model_that_trades_has_the_median_slope_or_walking_forward_the_last():
    tables = live_tables()
    folds = tables.validated.folds
    slopes = [0.3, 0.9, 0.1, 0.5, 0.2]
    validated = replace(
        tables.validated,
        calibration="inner_slope",
        folds=tuple(
            replace(fold, calibration=Calibration(slope=slope, base_bps=1.0, rows=10))
            for fold, slope in zip(folds, slopes, strict=False)
        ),
    )
    n_folds = len(folds)
    data = make_data()
    for walks_forward, expected in (
        (False, np.median(slopes[:n_folds])),
        (True, slopes[n_folds - 1]),
    ):
        found = final_calibration(make_ridge(), data, validated, walks_forward=walks_forward)
        assert found.slope == expected
        assert (found.rows, found.base_bps) == (10 * n_folds, pytest.approx(data.y.mean()))
    final = fit_final(live_tables(), models(calibration="inner_slope")).models[0]
    assert final.calibration.slope == 1, "of splits that are too small"
    with pytest.raises(StoreError, match="trained with another calibration"):
        fit_final(tables, models(calibration="none"))


def test_the_final_model_of_models_that_were_not_calibrated_is_refused():
    folds = tuple(replace(fold, calibration=None) for fold in live_tables().validated.folds)
    validated = replace(live_tables().validated, folds=folds)
    with pytest.raises(TrainingError, match="materialize fitted_models again"):
        final_calibration(make_ridge(), make_data(), validated, walks_forward=False)


def test_the_final_model_shrinks_to_the_mean_label_of_the_rows_that_it_was_fitted_on():
    folds = tuple(
        replace(fold, calibration=Calibration(slope=0.5, base_bps=0.0, rows=9))
        for fold in live_tables().validated.folds
    )
    validated, data = replace(live_tables().validated, folds=folds), make_data()
    trainer = XGBoostTrainer(params={"date_stride": 7}, seed=7)
    weights = 1.0 + np.arange(data.n_rows)
    weighted = replace(data, row_weights=lambda rows: weights[rows] / weights[rows].mean())
    fitted = data.date_codes % 7 == 0
    for of, expected in (
        (data, data.y[fitted].mean()),
        (weighted, np.average(data.y[fitted], weights=weights[fitted])),
    ):
        found = final_calibration(trainer, of, validated, walks_forward=False)
        assert found.base_bps == pytest.approx(expected)
        assert found.base_bps != pytest.approx(data.y.mean())


def test_weights_of_rows_count_in_the_mean_label_that_inner_predictions_are_less():
    """Labels of half of the dates are larger, and count more: predictions lie around their mean."""
    data = make_panel(signal=60.0)
    is_high = data.date_codes // 10 % 2 == 1
    weights = np.where(is_high, 3.0, 0.3)
    data = replace(
        data,
        y=data.y + 3000.0 * is_high,
        row_weights=lambda rows: weights[rows] / weights[rows].mean(),
    )
    products = squares = 0.0
    for train, held_out in inner_rows(data, 2):
        rows = train[data.date_codes[train] % STRIDE == 0]
        model = make_ridge().fit(
            data.X[rows],
            data.y[rows],
            feature_names=data.feature_names,
            sample_weight=data.row_weights(rows),
        )
        base = np.average(data.y[rows], weights=weights[rows])
        predicted = model.predict(data.X[held_out]) - base
        products += predicted @ (data.y[held_out] - base)
        squares += predicted @ predicted
    found = fit_split(make_ridge, data, 2, calibrates=True).calibration
    assert found.slope == pytest.approx(np.clip(products / squares, 0.05, 1), rel=1e-6)
    assert found.slope > 0.1


class SilentRidge(RidgeTrainer):
    """Has nothing to say of some rows."""

    def predict(self, X):
        return np.where(X[:, 1] > 0.5, np.nan, super().predict(X))


def test_rows_without_a_prediction_do_not_take_those_of_all_others():
    data = make_panel(signal=60.0)
    model = fit_split(lambda: SilentRidge(params={}, seed=7), data, 1, calibrates=True)
    rows = data.test_rows(1)
    is_silent = data.X[rows, 1] > 0.5
    np.testing.assert_array_equal(np.isnan(model.predict(data.X[rows])), is_silent)
    held_out = np.concatenate([rows for _, rows in inner_rows(data, 1)])
    assert model.calibration.rows == np.count_nonzero(~(data.X[held_out, 1] > 0.5))
