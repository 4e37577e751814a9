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
from model2_assets.storage.data_version import facts_of
from model2_assets.training import RidgeTrainer, assemble_training_data, cross_validate
from model2_assets.training.fit import fit_split
from model2_assets.training.sums import add_up_splits
from model2_assets_tests.cross_validation.agreement import expected_groups
from model2_assets_tests.cross_validation.panels import (
    RandomCase,
    brute_force_roles,
    dates_of,
    random_cases,
)
from model2_assets_tests.sample_tables import mark
from model2_assets_tests.training.live_tables import fit_final, live_tables, models
from model2_assets_tests.training.panels import make_data

NAMES = ("a", "b", "c")


def fitted(X, y, **params):
    X = np.ascontiguousarray(X, dtype=np.float32)
    names = tuple(f"f{column}" for column in range(X.shape[1]))
    return RidgeTrainer(params=params, seed=0).fit(
        X, np.asarray(y, dtype=np.float64), feature_names=names
    )


@pytest.mark.parametrize("alpha", [0.001, 1.0, 10_000.0])
def test_every_fold_equals_scikit_learns_own_pipeline(alpha):
    data = make_data()
    models = cross_validate(lambda: RidgeTrainer(params={"alpha": alpha}, seed=7), data)
    for model in models:
        train, test = data.train_rows(model.split_id), data.test_rows(model.split_id)
        oracle = make_pipeline(SimpleImputer(), StandardScaler(), Ridge(alpha=alpha))
        oracle.fit(data.X[train].astype(np.float64), data.y[train])
        expected = oracle.predict(data.X[test].astype(np.float64))
        np.testing.assert_allclose(model.trainer.predict(data.X[test]), expected, rtol=1e-9)
        np.testing.assert_allclose(
            model.trainer.importances()["importance_coefficient"], oracle[-1].coef_, rtol=1e-9
        )


def test_the_coefficient_is_in_bps_per_standard_deviation_of_the_feature():
    # x has a standard deviation of 2, y = 10 + 3 x; with w = n·6 / (n + alpha), n = 4, alpha = 4.
    trainer = fitted([[-2], [2], [-2], [2]], [4, 16, 4, 16], alpha=4.0)
    assert trainer.importances()["importance_coefficient"].tolist() == [pytest.approx(3.0)]
    np.testing.assert_allclose(trainer.predict(np.array([[4.0]], dtype=np.float32)), [16.0])


def test_a_missing_value_is_replaced_by_the_mean_of_the_train_rows():
    trainer = fitted([[0], [4], [np.nan]], [-10, 10, 0], alpha=0.001)
    missing, mean = np.array([[np.nan]], dtype=np.float32), np.array([[2.0]], dtype=np.float32)
    assert trainer.predict(missing) == trainer.predict(mean)


def test_without_an_intercept_the_mean_feature_predicts_zero():
    trainer = fitted([[0], [4]], [100, 120], fit_intercept=False)
    assert trainer.predict(np.array([[2.0]], dtype=np.float32)).tolist() == [0.0]


def by_scikit_learn(X, y, weights=None, *, alpha=1.0, fit_intercept=True):
    return make_pipeline(
        SimpleImputer(keep_empty_features=True),
        StandardScaler(),
        Ridge(alpha=alpha, fit_intercept=fit_intercept, solver="cholesky"),
    ).fit(X.astype(np.float64), y, ridge__sample_weight=weights)


@settings(deadline=None, derandomize=True, max_examples=60)
@given(
    seed=st.integers(0, 2**32 - 1),
    n_rows=st.integers(1, 60),
    n_features=st.integers(1, 8),
    missing=st.sampled_from([0.0, 0.05, 0.4, 0.95, 1.0]),
    weighted=st.booleans(),
    fit_intercept=st.booleans(),
)
def test_any_missing_values_and_weights_give_what_scikit_learn_gives(
    seed, n_rows, n_features, missing, weighted, fit_intercept
):
    rng = np.random.default_rng(seed)
    level, spread = rng.choice([0.0, 1.0, -300.0], n_features), rng.choice([0.0, 1.0, 50.0])
    X = (level + spread * rng.standard_t(3, size=(n_rows, n_features))).astype(np.float32)
    X[rng.random(X.shape) < missing] = np.nan
    y = rng.normal(loc=20, scale=100, size=n_rows)
    weights = rng.exponential(size=n_rows) if weighted else None
    trainer = RidgeTrainer(params={"alpha": 1.0, "fit_intercept": fit_intercept}, seed=0).fit(
        X, y, feature_names=tuple(map(str, range(n_features))), sample_weight=weights
    )
    oracle = by_scikit_learn(X, y, weights, fit_intercept=fit_intercept)
    unseen = np.vstack([X, rng.normal(size=(5, n_features)).astype(np.float32)])
    np.testing.assert_allclose(
        trainer.predict(unseen), oracle.predict(unseen.astype(np.float64)), rtol=0, atol=1e-8
    )


def test_predictions_of_awkward_features_differ_by_rounding_alone():
    rng = np.random.default_rng(1)
    X = rng.normal(size=(3000, 7)).astype(np.float32)
    X[:, 1] = 0.1
    X[:2900, 2] = np.nan
    X[:, 3] = 1e4 + X[:, 3]
    X[:, 4] = X[:, 0] * 1e6
    X[rng.random(3000) < 0.5, 5] = np.nan
    X[:, 6] = np.nan
    y = 100 * X[:, 0] + rng.normal(scale=300, size=3000)
    trainer = fitted(X, y, alpha=3.0)
    expected = by_scikit_learn(X, y, alpha=3.0).predict(X.astype(np.float64))
    np.testing.assert_allclose(trainer.predict(X), expected, rtol=0, atol=1e-9 * expected.std())
    coefficients = trainer.importances()["importance_coefficient"]
    assert coefficients[["f1", "f6"]].tolist() == [0.0, 0.0]


def test_a_feature_without_any_value_keeps_its_place_and_counts_nothing():
    X = np.random.default_rng(0).normal(size=(50, 3))
    y = 100 * X[:, 0]
    with_hole = X.copy()
    with_hole[:, 1] = np.nan
    trainer = fitted(with_hole, y, alpha=1.0)
    assert trainer.importances().loc["f1", "importance_coefficient"] == 0.0
    without = fitted(np.delete(X, 1, axis=1), y, alpha=1.0)
    np.testing.assert_allclose(
        trainer.predict(X.astype(np.float32)),
        without.predict(np.delete(X, 1, axis=1).astype(np.float32)),
        rtol=1e-12,
    )


def test_collinear_and_constant_features_at_the_smallest_penalty_do_not_warn():
    X = np.random.default_rng(0).normal(size=(500, 1))
    trainer = fitted(np.hstack([X, X, 1e6 * X, np.ones_like(X)]), 50 * X[:, 0], alpha=1e-3)
    assert np.isfinite(trainer.predict(np.ones((1, 4), dtype=np.float32))).all()


def test_the_input_is_not_changed():
    X = np.array([[1.0], [np.nan], [3.0]], dtype=np.float32)
    before = X.copy()
    trainer = fitted(X, [1, 2, 3])
    trainer.predict(X)
    np.testing.assert_array_equal(X, before)


def test_the_model_survives_its_file():
    data = make_data()
    trainer = RidgeTrainer(params={"alpha": 5.0}, seed=3).fit(
        data.X, data.y, feature_names=data.feature_names
    )
    loaded = RidgeTrainer.from_bytes(trainer.to_bytes())
    assert (loaded.params, loaded.seed) == (trainer.params, 3)
    assert loaded.feature_names == data.feature_names
    assert loaded.digest() == trainer.digest()
    assert loaded.alpha_ == 5.0
    np.testing.assert_array_equal(loaded.predict(data.X), trainer.predict(data.X))
    assert trainer.to_bytes() == trainer.to_bytes()


def test_the_digest_changes_with_any_fitted_value_and_with_nothing_else():
    data = make_data()

    def digest(y=data.y, names=data.feature_names, **params):
        return RidgeTrainer(params=params, seed=1).fit(data.X, y, feature_names=names).digest()

    assert digest() == digest()
    renamed = ("other", *data.feature_names[1:])
    assert len({digest(), digest(data.y + 1), digest(alpha=1.0), digest(names=renamed)}) == 4


@pytest.mark.parametrize("alpha", [0, -1.0, "1e3", True])
def test_an_impossible_alpha_is_refused(alpha):
    with pytest.raises(TrainingError, match=r"params\.alpha: must be a number at least 0\.001"):
        RidgeTrainer(params={"alpha": alpha}, seed=0)


def test_predicting_before_the_fit_or_on_other_features_is_refused():
    with pytest.raises(TrainingError, match="RidgeTrainer is not fitted"):
        RidgeTrainer(params={}, seed=0).predict(np.ones((1, 2), dtype=np.float32))
    with pytest.raises(
        TrainingError, match=r"fitted on 1 features, got an array of shape \(1, 2\)"
    ):
        fitted([[1], [2]], [1, 2]).predict(np.ones((1, 2), dtype=np.float32))


ALPHAS = (1.0, 30.0, 1e3, 1e5)


def make_ridge():
    return RidgeTrainer(params={"alphas": list(ALPHAS)}, seed=7)


def inner_rows(data, split_id):
    """Return the train and validation rows of every inner fold."""
    sums = add_up_splits(data, (split_id,)).of_split(split_id)
    return [
        tuple(np.flatnonzero(np.isin(data.blocks.ids, blocks)) for blocks in pair)
        for pair in sums.inner.values()
    ]


def data_of(case: RandomCase):
    splits = build_cv_splits(case.index, case.labels, case.config)
    X = np.random.default_rng(0).normal(size=(len(splits), 2)).astype(np.float32)
    features = pd.DataFrame(X, index=splits.index, columns=["a", "b"])
    horizon = next(iter(case.ends))
    return assemble_training_data(
        features, case.labels, splits, horizon=horizon, embargo_days=case.config.embargo_days
    )


def can_be_tried(case: RandomCase) -> bool:
    horizon = next(iter(case.ends))
    enough = len(np.unique(dates_of(case.longest_end.index))) >= case.config.n_groups
    return enough and bool(case.labels[f"label_{horizon}"].notna().any())


@settings(deadline=None, derandomize=True, max_examples=60, suppress_health_check=list(HealthCheck))
@given(random_cases(purges=("longest_horizon", "per_horizon")).filter(can_be_tried), st.data())
def test_inner_train_rows_are_purged_and_embargoed_around_the_group_row_by_row(case, draw):
    data = data_of(case)
    split_id = draw.draw(st.integers(0, data.n_splits - 1))
    ends = case.longest_end
    # The groups are those of all rows that are split, whichever label they have.
    groups = expected_groups(case)
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


def test_walking_forward_inner_folds_are_of_the_past_and_the_first_fold_has_none():
    data = make_data(n_dates=80, n_groups=5)
    roles = data.roles.copy()
    for split_id in range(5):
        later = data.group_id > split_id
        roles[later, split_id] = 5
    forward = replace(data, roles=np.ascontiguousarray(roles[:, 1:]), make_blocks=None)
    with pytest.raises(TrainingError, match=r"^split 0 \(.*cannot be chosen.* single alpha"):
        cross_validate(make_ridge, forward)
    blocks = add_up_splits(forward, (3,))
    pairs = blocks.of_split(3).inner
    assert list(pairs) == [0, 1, 2, 3]
    for group, (train, validation) in pairs.items():
        assert set(blocks.group[list(validation)]) == {group}
        assert set(blocks.group[list(train)]) == {0, 1, 2, 3} - {group}
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

    inputs = facts_of(tables.oof)["inputs"] | {"fitted_models": validated.data_version}
    changed = tables.replaced(validated=validated, oof=mark(tables.oof, **inputs))

    (model,) = fit_final(changed, registry).models

    # Of 1, 100, 10 000 and 10 000: between the middle two, on a scale of powers.
    assert model.trainer.alpha_ == pytest.approx(1000.0)
