"""What a trainer is handed: of the labels, those of its split's train rows and no others.

The planted trainer chooses its features by every label that it can find. On noise, such a choice
earns nothing if the labels are those of train rows, and a good deal if others are among them.
"""

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import rankdata

from model2_assets.config import ExecutionConfig
from model2_assets.training import RidgeTrainer, SplitView, cross_validate, predict_out_of_fold
from model2_assets.training.base_models import FoldModel
from model2_assets.training.fit import fit_all_rows
from model2_assets.training.nested import make_nested
from model2_assets.training.sums import add_up_splits
from model2_assets_tests.training.panels import make_data
from model2_assets_tests.training.stored_tables import fit, stored_tables, task
from model2_assets_tests.training.test_nested import CONFIG
from model2_assets_tests.training.test_nested import stored_tables as nested_tables

N_MARKETS, N_DATES, N_INSTRUMENTS, N_FEATURES, N_CHOSEN = 24, 120, 20, 50, 5


class ChoosingTrainer(RidgeTrainer):
    """Least squares on the features that go best with all labels in sight."""

    def fit_rows(self, data, rows):
        products = np.abs(self.products_in_sight(data))
        self.chosen = np.argsort(products)[-N_CHOSEN:]
        self.weights = np.linalg.lstsq(data.X[rows][:, self.chosen], data.y[rows], rcond=None)[0]
        self.feature_names = data.feature_names
        return self

    def products_in_sight(self, data):
        raise NotImplementedError

    def predict(self, X):
        return X[:, self.chosen] @ self.weights


class ByLabels(ChoosingTrainer):
    fits_from_sums = False

    def products_in_sight(self, data):
        seen = ~np.isnan(data.y)
        return data.X[seen].T @ data.y[seen]


class BySums(ChoosingTrainer):
    fits_from_sums = True

    def products_in_sight(self, data):
        sums = data.sums.total()
        means = sums.gram[:N_FEATURES, -1] / sums.gram[-1, -1]
        return sums.moments[:N_FEATURES, 0] - means * sums.moments[-1, 0]


DOORS = [ByLabels, BySums]


def noise(seed):
    size = {"n_dates": N_DATES, "n_instruments": N_INSTRUMENTS, "n_features": N_FEATURES}
    return make_data(**size, signal=0.0, missing=0.0, seed=seed)


def mean_rank_ic(models, data):
    prediction = predict_out_of_fold(models, data)["prediction"].reindex(data.index).to_numpy()
    ranks, label_ranks = (
        rankdata(values.reshape(N_DATES, N_INSTRUMENTS), axis=1) - (N_INSTRUMENTS + 1) / 2
        for values in (prediction, data.y)
    )
    return float((ranks * label_ranks).mean() / ((N_INSTRUMENTS**2 - 1) / 12))


def mean_and_error(values):
    return np.mean(values), np.std(values, ddof=1) / np.sqrt(len(values))


def fitted_on_all_labels(make_trainer, data):
    """Do as the loop does, but for handing over the labels of all rows: the control."""
    sums = add_up_splits(data, range(data.n_splits))
    everything = replace(sums, trains=np.ones_like(sums.trains)).of_split(0)
    view = SplitView(X=data.X, y=data.y, feature_names=data.feature_names, sums=everything)
    for split_id in range(data.n_splits):
        trainer = make_trainer().fit_rows(view, data.train_rows(split_id))
        yield FoldModel(split_id=split_id, trainer=trainer, n_train=1, n_test=1, seconds=0.0)


@pytest.mark.parametrize("door", DOORS)
def test_features_chosen_by_all_labels_in_sight_predict_nothing(door):
    def make_trainer():
        return door(params={}, seed=0)

    markets = [noise(seed) for seed in range(N_MARKETS)]
    mean, error = mean_and_error(
        [mean_rank_ic(cross_validate(make_trainer, data), data) for data in markets]
    )
    assert abs(mean) < 3 * error
    assert error < 0.01
    leaking, leaking_error = mean_and_error(
        [mean_rank_ic(fitted_on_all_labels(make_trainer, data), data) for data in markets]
    )
    assert leaking > 5 * leaking_error
    assert leaking > 0.04


@pytest.fixture
def handed(monkeypatch):
    """Return a list that what every fit is handed is added to, with the rows to fit."""
    calls, own = [], RidgeTrainer.fit_rows

    def fit_rows(self, data, rows):
        calls.append((data, rows))
        return own(self, data, rows)

    monkeypatch.setattr(RidgeTrainer, "fit_rows", fit_rows)
    return calls


def require_labels_of_train_rows_alone(calls):
    for data, rows in calls:
        np.testing.assert_array_equal(np.flatnonzero(~np.isnan(data.y)), rows)
        if data.sample_weight is not None:
            np.testing.assert_array_equal(np.flatnonzero(~np.isnan(data.sample_weight)), rows)
        if data.sums is not None:
            assert data.sums.total().gram[-1, -1] == len(rows)


def test_every_split_is_handed_the_labels_of_its_train_rows_alone(handed):
    fit(stored_tables())
    assert len(handed) == 5
    require_labels_of_train_rows_alone(handed)


def test_weights_are_those_of_the_train_rows_alone(handed):
    data = make_data()
    cross_validate(
        lambda: RidgeTrainer(params={}, seed=0),
        replace(data, row_weights=np.linspace(0.1, 1.9, data.n_rows).__getitem__),
    )
    require_labels_of_train_rows_alone(handed)
    assert all(view.sample_weight is not None for view, _ in handed)


def test_nested_models_are_handed_the_labels_of_their_train_rows_alone(handed):
    make_nested(task(), nested_tables(), CONFIG, ExecutionConfig(n_jobs=1))
    assert len(handed) == 10
    require_labels_of_train_rows_alone(handed)


def test_the_final_model_is_handed_every_label(handed):
    data = make_data()
    fit_all_rows(lambda: RidgeTrainer(params={}, seed=0), data)
    ((view, rows),) = handed
    np.testing.assert_array_equal(view.y, data.y)
    np.testing.assert_array_equal(rows, np.arange(data.n_rows))


def test_inner_folds_are_made_of_the_train_blocks_of_the_split_alone():
    data = make_data(n_groups=5, n_test_groups=2)
    sums = add_up_splits(data, range(data.n_splits))
    for split_id in range(data.n_splits):
        own = sums.of_split(split_id)
        for train, validation in own.inner.values():
            assert {*train, *validation} <= set(own.blocks)
            assert not {*train} & {*validation}
