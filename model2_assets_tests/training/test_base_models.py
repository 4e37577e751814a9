import logging
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from threadpoolctl import threadpool_info

from model2_assets.errors import TrainingError
from model2_assets.training import (
    RidgeTrainer,
    TrainingData,
    XGBoostTrainer,
    cross_validate,
    fit_split,
    predict_out_of_fold,
)
from model2_assets.training.fit import fit_all_rows
from model2_assets_tests.training.panels import PURGED_BEFORE, make_data
from model2_assets_tests.training.trainers import ElasticNetTrainer, FailingTrainer


def make_ridge():
    return RidgeTrainer(params={"alpha": 10.0}, seed=7)


def make_xgboost():
    return XGBoostTrainer(params={"n_estimators": 20, "subsample": 0.5}, seed=7)


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


def test_a_split_that_is_not_there_is_refused_by_its_number():
    data = make_data()
    with pytest.raises(TrainingError, match="split 5: there are splits 0 to 4 only"):
        fit_split(make_xgboost, data, 5)


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


def test_progress_is_logged(caplog):
    with caplog.at_level(logging.INFO, logger="model2_assets.training"):
        cross_validate(make_ridge, make_data(), n_jobs=2)
    lines = [line for line in caplog.messages if " split " in line]
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
        "split 0 (368 train rows, S00 2020-01-15 to S07 2020-02-29): FailingTrainer failed: "
        "nothing to divide by"
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
