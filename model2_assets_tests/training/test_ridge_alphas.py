"""Penalties chosen by inner folds: the rows are right, and so is the choice."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sklearn.impute import SimpleImputer
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from model2_assets.cross_validation import build_cv_splits
from model2_assets.errors import ConfigError, TrainingError
from model2_assets.training import (
    RidgeTrainer,
    assemble_training_data,
    cross_validate,
    fit_split,
)
from model2_assets.training.sums import add_up_splits
from model2_assets_tests.cross_validation._panels import (
    RandomCase,
    brute_force_roles,
    dates_of,
    random_cases,
)
from model2_assets_tests.training.live_tables import fit_final, live_tables, models
from model2_assets_tests.training.panels import make_data

ALPHAS = (1.0, 30.0, 1e3, 1e5)


def make_ridge():
    return RidgeTrainer(params={"alphas": list(ALPHAS)}, seed=7)


def inner_rows(data, split_id):
    """Return the train and validation rows of every inner fold."""
    sums = add_up_splits(data, (split_id,)).of_split(split_id)
    return [
        tuple(np.flatnonzero(np.isin(data.blocks.ids, blocks)) for blocks in pair)
        for pair in sums.inner
    ]


def data_of(case: RandomCase):
    splits = build_cv_splits(case.index, case.labels, case.config)
    X = np.random.default_rng(0).normal(size=(len(splits), 2)).astype(np.float32)
    features = pd.DataFrame(X, index=splits.index, columns=["a", "b"])
    horizon = next(iter(case.ends))
    return assemble_training_data(features, case.labels, splits, horizon=horizon)


def can_be_tried(case: RandomCase) -> bool:
    horizon = next(iter(case.ends))
    enough = len(np.unique(dates_of(case.longest_end.index))) >= case.config.n_groups
    return enough and bool(case.labels[f"label_{horizon}"].notna().any())


@settings(deadline=None, derandomize=True, max_examples=60, suppress_health_check=list(HealthCheck))
@given(random_cases(purges=("longest_horizon", "per_horizon")).filter(can_be_tried), st.data())
def test_inner_train_rows_are_purged_and_embargoed_around_the_group_row_by_row(case, draw):
    data = data_of(case)
    split_id = draw.draw(st.integers(0, data.n_splits - 1))
    horizon = next(iter(case.ends))
    ends = case.longest_end
    if case.config.purge == "per_horizon":
        ends = case.labels[f"label_end_{horizon}"].dropna()
    # The groups are those of all rows that are split, whichever label they have.
    groups = np.array_split(np.unique(dates_of(case.longest_end.index)), case.config.n_groups)
    outer = data.train_rows(split_id)
    expected = []
    for group in np.unique(data.group_id[outer]):
        roles = pd.Series(
            brute_force_roles(
                ends.index,
                ends,
                groups=groups,
                tested=(int(group),),
                embargo_days=case.config.embargo_days,
            ),
            index=ends.index,
        ).reindex(data.index)
        train = outer[roles.to_numpy()[outer] == 0]
        if len(train):
            expected.append((train, outer[data.group_id[outer] == group]))
    if len(outer):
        found = inner_rows(data, split_id)
        assert len(found) == len(expected)
        for pair, other in zip(found, expected, strict=True):
            for rows, wanted in zip(pair, other, strict=True):
                np.testing.assert_array_equal(rows, wanted)


def chosen_by_loops(data, split_id):
    errors = np.zeros(len(ALPHAS))
    for train, validation in inner_rows(data, split_id):
        for position, alpha in enumerate(ALPHAS):
            pipeline = make_pipeline(SimpleImputer(), StandardScaler(), Ridge(alpha=alpha))
            pipeline.fit(data.X[train].astype(np.float64), data.y[train])
            predicted = pipeline.predict(data.X[validation].astype(np.float64))
            errors[position] += ((predicted - data.y[validation]) ** 2).sum()
    return ALPHAS[int(errors.argmin())]


@pytest.mark.parametrize(("n_groups", "n_test_groups"), [(5, 1), (4, 2)])
@pytest.mark.parametrize("signal", [3.0, 20.0, 300.0])
def test_the_choice_is_that_of_explicit_loops_over_scikit_learn(n_groups, n_test_groups, signal):
    data = make_data(n_groups=n_groups, n_test_groups=n_test_groups, signal=signal)
    chosen = [model.trainer.alpha_ for model in cross_validate(make_ridge, data, n_jobs=2)]
    assert chosen == [chosen_by_loops(data, split_id) for split_id in range(data.n_splits)]


def test_a_stronger_signal_is_shrunk_less():
    def choice(signal):
        data = make_data(n_dates=120, signal=signal, seed=4)
        return np.median([model.trainer.alpha_ for model in cross_validate(make_ridge, data)])

    assert choice(0.0) == max(ALPHAS)
    assert choice(1000.0) < 100


def test_the_model_is_that_of_the_chosen_penalty_to_the_bit():
    data = make_data()
    for model in cross_validate(make_ridge, data):
        alpha = model.trainer.alpha_
        assert model.trainer.chosen_params() == {"alpha": alpha}
        fixed = fit_split(
            lambda alpha=alpha: RidgeTrainer(params={"alpha": alpha}, seed=7), data, model.split_id
        )
        assert fixed.trainer.chosen_params() == {}
        assert fixed.trainer.digest() == model.trainer.digest()
        refitted = fit_split(make_ridge, data, model.split_id).trainer
        assert (refitted.digest(), refitted.alpha_) == (model.trainer.digest(), alpha)


def test_test_labels_do_not_reach_the_choice():
    data = make_data(signal=20.0)
    before = [model.trainer.digest() for model in cross_validate(make_ridge, data)]
    for split_id in range(data.n_splits):
        y = data.y.copy()
        outside = data.roles[:, split_id] != 0
        y[outside] = 5000.0 * np.sign(data.X[outside, 3])
        planted = fit_split(make_ridge, replace(data, y=np.nan_to_num(y)), split_id)
        assert planted.trainer.digest() == before[split_id]


def test_walking_forward_inner_train_rows_precede_their_group_and_the_first_fold_has_none():
    data = make_data(n_dates=80, n_groups=5)
    roles = data.roles.copy()
    for split_id in range(5):
        later = data.group_id > split_id
        roles[later, split_id] = 5
    forward = replace(data, roles=np.ascontiguousarray(roles[:, 1:]), blocks=None)
    with pytest.raises(TrainingError, match=r"^split 0 \(.*cannot be chosen.* single alpha"):
        cross_validate(make_ridge, forward)
    blocks = add_up_splits(forward, (3,))
    pairs = blocks.of_split(3).inner
    assert len(pairs) == 3
    for train, validation in pairs:
        assert blocks.group[list(train)].max() < blocks.group[list(validation)].min()
    assert fit_split(make_ridge, forward, 1).trainer.alpha_ in ALPHAS


def test_rows_alone_cannot_tell_the_best_penalty():
    data = make_data()
    with pytest.raises(TrainingError, match="alphas are chosen by inner folds"):
        make_ridge().fit(data.X, data.y, feature_names=data.feature_names)


@pytest.mark.parametrize(
    ("alphas", "message"),
    [
        ([1.0], r"params\.alphas: must be null or two or more numbers, got \[1\.0\]"),
        ("1, 2", r"params\.alphas: must be null or two or more numbers"),
        (3.0, r"params\.alphas: must be null or two or more numbers"),
        ([1.0, 0.0], r"params\.alphas\.1: must be a number at least 0\.001, got 0\.0"),
    ],
)
def test_impossible_alphas_are_refused(alphas, message):
    with pytest.raises(TrainingError, match=message):
        RidgeTrainer(params={"alphas": alphas}, seed=0)


def test_weights_of_rows_and_a_choice_of_penalties_exclude_each_other():
    registry = models(params={"alphas": [1.0, 2.0]}, sample_weights="uniqueness")
    with pytest.raises(ConfigError, match=r"ridge\.sample_weights: .*set sample_weights to none"):
        registry.trainer("ridge", "21d")


def test_the_final_model_takes_the_geometric_median_of_the_choices():
    registry = models(params={"alphas": [1.0, 100.0, 1e4]})
    tables = live_tables(registry=registry)
    choices = [1.0, 1e4, 100.0, 1e4]
    first = tables.validated.folds[0]
    fourth = replace(first, split_id=3, file=first.file.replace("fold_0", "fold_3"))
    folds = [
        replace(fold, chosen_params={"alpha": alpha})
        for fold, alpha in zip([*tables.validated.folds, fourth], choices, strict=True)
    ]
    assert {"alpha"} == {key for fold in tables.validated.folds for key in fold.chosen_params}
    validated = replace(tables.validated, folds=tuple(folds))

    (model,) = fit_final(tables.replaced(validated=validated), registry).models

    # Of 1, 100, 10 000 and 10 000: between the middle two, on a scale of powers.
    assert model.trainer.alpha_ == pytest.approx(1000.0)
