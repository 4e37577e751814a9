"""Hyper-parameters are chosen on inner folds of a split's train rows, and on nothing else."""

import sys
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from upath import UPath

from model2_assets.config import ExecutionConfig, ModelConfig
from model2_assets.config.sections import SearchConfig
from model2_assets.errors import ConfigError, StoreError, TrainingError
from model2_assets.evaluation import daily_ic
from model2_assets.panel import panel_index
from model2_assets.storage.models import open_fold_models
from model2_assets.training import (
    LinearTrainer,
    ModelRegistry,
    RidgeTrainer,
    fit_models,
)
from model2_assets.training.fit import FitResources, fit_all_rows, fit_splits
from model2_assets.training.live import assemble_labelled_rows
from model2_assets.training.predict import make_out_of_fold
from model2_assets.training.search import ParameterSearch, mean_rank_ic
from model2_assets_tests.sample_models import save_fold_models
from model2_assets_tests.training.live_tables import fit_final, live_tables
from model2_assets_tests.training.nested_noise import NoiseStudy
from model2_assets_tests.training.search_noise import score_search
from model2_assets_tests.training.stored_tables import TRAINERS, stored_tables, task
from model2_assets_tests.training.test_calibration import (
    inner_rows,
    make_panel,
    ridge_by_scikit_learn,
)

optuna = pytest.importorskip("optuna")

PENALTIES = (1.0, 2000.0, 1e7)


class OneFeature(LinearTrainer):
    """Predicts a multiple of one feature, whatever it is fitted on."""

    DEFAULT_PARAMS = {"feature": 0, "times": 1.0}  # noqa: RUF012
    fits: list[dict] = []  # noqa: RUF012
    ends_after: int | None = None

    def make_estimator(self):
        raise NotImplementedError

    def fit(self, X, y, *, feature_names):
        if len(self.fits) == self.ends_after:
            raise KeyboardInterrupt
        self.fits.append(self.params)
        self.feature_names = tuple(feature_names)
        return self

    def predict(self, X):
        return self.params["times"] * np.nan_to_num(X[:, self.params["feature"]]).astype(float)

    def digest(self):
        return f"{self.params['feature']:064x}"

    def to_bytes(self):
        return str(self.params).encode()


OneFeature.reads_pickles = False


@pytest.fixture(autouse=True)
def forget(monkeypatch):
    monkeypatch.setattr(OneFeature, "fits", [])


def searched(data, trainer, split_ids, *, study_of=None, n_jobs=1, **settings):
    search = ParameterSearch(SearchConfig.model_validate(settings), trainer.seed, study_of)
    make = lambda: trainer.with_params({})  # noqa: E731
    models = fit_splits(make, data, split_ids, search=search, resources=FitResources(n_jobs))
    return sorted(models, key=lambda model: model.split_id)


def ridge():
    return RidgeTrainer(params={"fit_intercept": True}, seed=7)


@pytest.mark.parametrize("splits", [{}, {"n_groups": 6, "n_test_groups": 2}])
def test_the_choice_and_its_score_are_those_of_explicit_inner_folds(splits):
    data = make_panel(signal=60.0, **splits)
    models = searched(data, ridge(), [0, 2], space={"alpha": PENALTIES}, trials=12)
    for model in models:
        saved = {penalty: [] for penalty in PENALTIES}
        for train, held_out in inner_rows(data, model.split_id):
            label, base = data.y[held_out], data.y[train].mean()
            for penalty in PENALTIES:
                predicted = ridge_by_scikit_learn(data, train, held_out, alpha=penalty)
                error = (label - predicted) ** 2
                saved[penalty].append(((label - base) ** 2 - error).mean())
        best = max(PENALTIES, key=lambda penalty: np.mean(saved[penalty]))
        assert model.chosen_params == {"alpha": best} == {"alpha": model.trainer.alpha_}
        assert model.search.score == pytest.approx(np.mean(saved[best]), rel=1e-6)
        assert model.search.trials == 12
        fixed = RidgeTrainer(params={"alpha": best}, seed=7)
        (plain,) = fit_splits(lambda f=fixed: f, data, [model.split_id])
        assert model.trainer.digest() == plain.trainer.digest()


def test_the_best_feature_by_rank_ic_is_found_and_the_blocks_are_halves_of_inner_folds():
    data = make_panel(signal=60.0)
    space = {"feature": list(range(6))}
    (model,) = searched(
        data, OneFeature(params={}, seed=1), [0], space=space, trials=30, objective="rank_ic"
    )
    assert model.chosen_params == {"feature": 0}
    day, means, halves = data.date_codes, [], []
    end = data.inner.label_end[data.inner.rows]
    date = data.index.get_level_values("datetime").to_numpy()

    def rank_ic(rows):
        label = pd.Series(data.y[rows], data.index[rows])
        feature = pd.Series(np.nan_to_num(data.X[rows][:, 0]), label.index)
        return daily_ic(feature, label, label.index)["rank_ic"].mean()

    for _, held_out in inner_rows(data, 0):
        means.append(rank_ic(held_out))
        days = np.unique(day[held_out])
        middle = days[len(days) // 2]
        border, last = (date[held_out[day[held_out] == each]][0] for each in (middle, days[-1]))
        halves.append(rank_ic(held_out[(day[held_out] < middle) & (end[held_out] < border)]))
        halves.append(rank_ic(held_out[(day[held_out] >= middle) & (end[held_out] <= last)]))
    assert model.search.score == pytest.approx(np.mean(means))
    np.testing.assert_allclose(model.search.blocks[0], halves)
    assert len(model.search.blocks) == 30 - model.search.pruned
    assert model.search.pruned > 0
    # Four inner folds of the complete, fewer of the pruned, and the fit of the split.
    assert len(OneFeature.fits) < 4 * 30 + 1 - model.search.pruned


def test_rank_ic_is_that_of_the_evaluation_and_0_where_nothing_varies():
    rng = np.random.default_rng(0)
    outcome = pd.DataFrame(
        {
            "date": np.repeat(np.arange(6), 5),
            "prediction": rng.integers(0, 4, 30).astype(float),
            "label": rng.normal(size=30),
        }
    )
    index = panel_index(list("abcde") * 6, pd.date_range("2020", periods=6).repeat(5))
    by_date = daily_ic(outcome["prediction"].to_numpy(), outcome["label"].to_numpy(), index)
    assert mean_rank_ic(outcome) == pytest.approx(by_date["rank_ic"].mean())
    outcome.loc[:4, "prediction"] = 1.0
    assert mean_rank_ic(outcome) == pytest.approx(by_date["rank_ic"][1:].sum() / 6)


@pytest.mark.parametrize("objective", ["mse", "rank_ic"])
def test_labels_that_a_split_does_not_train_on_do_not_reach_its_choice(objective):
    data = make_panel(signal=60.0)
    settings = {"space": {"alpha": {"low": 1, "high": 1e6, "log": True}}, "objective": objective}
    for split_id in (0, 3):
        (before,) = searched(data, ridge(), [split_id], trials=4, **settings)
        y = data.y.copy()
        y[np.setdiff1d(np.arange(data.n_rows), data.train_rows(split_id))] = 1e6
        (after,) = searched(replace(data, y=y), ridge(), [split_id], trials=4, **settings)
        assert (before.chosen_params, before.search) == (after.chosen_params, after.search)


def test_the_choice_is_the_same_for_any_number_of_jobs_and_another_for_another_seed():
    data = make_panel(signal=60.0)
    space = {"alpha": {"low": 1.0, "high": 1e6, "log": True}, "fit_intercept": [True, False]}
    one, two = (searched(data, ridge(), range(3), n_jobs=n, space=space, trials=5) for n in (1, 2))
    assert [model.search for model in one] == [model.search for model in two]
    assert [model.digest() for model in one] == [model.digest() for model in two]
    other = RidgeTrainer(params={}, seed=8)
    (moved,) = searched(data, other, [0], space=space, trials=5)
    assert moved.chosen_params != one[0].chosen_params


def test_an_interrupted_search_goes_on_where_it_was_and_ends_as_if_it_had_not_been(
    tmp_path, monkeypatch
):
    data, trainer = make_panel(signal=60.0), OneFeature(params={}, seed=1)
    space = {"feature": {"low": 0, "high": 5}, "times": {"low": 0.1, "high": 90.0}}
    settings = {"space": space, "trials": 14}
    undisturbed = searched(data, trainer, [0], **settings)
    n_fits = len(OneFeature.fits)

    def study_of(split_id):
        return tmp_path / "new" / f"{split_id}.study"

    OneFeature.fits.clear()
    monkeypatch.setattr(OneFeature, "ends_after", 46)
    with pytest.raises(KeyboardInterrupt):
        searched(data, trainer, [0], study_of=study_of, **settings)
    monkeypatch.setattr(OneFeature, "ends_after", None)
    OneFeature.fits.clear()
    resumed = searched(data, trainer, [0], study_of=study_of, **settings)
    assert resumed[0].search == undisturbed[0].search
    assert resumed[0].chosen_params == undisturbed[0].chosen_params
    assert 1 < len(OneFeature.fits) <= n_fits - 46 + 4, "at most one trial is made again"


def test_a_damaged_file_of_trials_is_told_and_searched_anew(tmp_path, log):
    data, path = make_panel(signal=60.0), tmp_path / "0.study"
    path.write_text("{no\n{\n", encoding="utf-8")
    settings = {"space": {"alpha": PENALTIES}, "trials": 2}
    (model,) = searched(data, ridge(), [0], study_of=lambda _: path, **settings)
    assert model.search.trials == 2
    assert "0.study: trials cannot be kept or reused" in log.text
    assert not path.exists()


def test_too_short_a_history_is_refused_with_the_remedy():
    data = make_panel(signal=60.0, n_dates=30)
    with pytest.raises(TrainingError, match=r"split 0: no inner fold has 50 rows .* leave search"):
        searched(data, ridge(), [0], space={"alpha": PENALTIES})


SEARCH = {"space": {"alpha": [1.0, 1e3, 1e6]}, "trials": 4}


def registry(search=SEARCH, **model):
    given = {"trainer": f"{TRAINERS}:RidgeTrainer", "calibration": "none", "search": search}
    return ModelRegistry({"ridge": ModelConfig.model_validate(given | model)})


def searched_tables():
    return stored_tables(n_dates=150, n_instruments=12)


def test_the_manifest_states_choice_and_trials_and_the_refit_takes_the_choice(tmp_path):
    tables, of_model = searched_tables(), task(models=registry())
    fitted = fit_models(of_model, tables, ExecutionConfig(n_jobs=1))
    save_fold_models(UPath(tmp_path), fitted.models, provenance=fitted.provenance)
    stored = open_fold_models(UPath(tmp_path))
    assert stored.manifest.search == SearchConfig.model_validate(SEARCH).model_dump(mode="json")
    for fold, model in zip(stored.manifest.folds, fitted.models, strict=True):
        assert fold.chosen_params == model.chosen_params == {"alpha": model.trainer.alpha_}
        assert fold.search == model.search
    made = make_out_of_fold(of_model, stored, tables)
    assert made.determinism_difference_bps == 0.0
    for others in (registry(SEARCH | {"trials": 5}), registry(None)):
        with pytest.raises(StoreError, match="was trained with another search than"):
            make_out_of_fold(task(models=others), stored, tables)


def test_trials_stay_beside_finished_folds_also_of_models_that_are_pickles(folder, monkeypatch):
    tables, of_model = searched_tables(), task(models=registry())
    monkeypatch.setattr(RidgeTrainer, "reads_pickles", True)
    first = fit_models(of_model, tables, ExecutionConfig(n_jobs=1), checkpoints=folder)
    assert len(list(folder.root.rglob("*.study"))) == 5
    assert not list(folder.root.rglob("*.npz"))
    monkeypatch.setattr(ParameterSearch, "_score", None)  # no trial is left to be made
    again = fit_models(of_model, tables, ExecutionConfig(n_jobs=1), checkpoints=folder)
    assert [model.digest() for model in again.models] == [m.digest() for m in first.models]
    assert again.n_reused == 0
    folder.discard()
    assert not list(folder.root.rglob("*.study"))


def test_the_final_model_searches_all_rows_by_as_many_inner_folds_as_there_are_groups():
    plain = live_tables(registry=registry(None))
    searching = registry(SEARCH | {"trials": 9})
    settings = task(models=searching).settings
    tables = plain.replaced(validated=replace(plain.validated, search=settings["search"]))
    (model,) = fit_final(tables, searching).models
    assert model.chosen_params == {"alpha": model.trainer.alpha_}
    assert model.search.trials == 9
    data = assemble_labelled_rows(
        features=plain.features, labels=plain.labels, horizon="21d", n_groups=5, embargo_days=5
    )
    everything = np.arange(data.n_rows)
    folds = data.inner.split(everything, is_usable=lambda fold: True)
    assert [fold.group for fold in folds] == [0, 1, 2, 3, 4]
    dates = [len(np.unique(data.date_codes[fold.held_out])) for fold in folds]
    assert max(dates) - min(dates) <= 1
    search = ParameterSearch.of(task(models=searching))
    again = fit_all_rows(task(models=searching).make_trainer, data, search=search)
    assert again.search == model.search


def test_a_model_without_search_does_not_need_the_library(monkeypatch):
    monkeypatch.setitem(sys.modules, "optuna", None)
    fitted = fit_models(task(models=registry(None)), searched_tables(), ExecutionConfig(n_jobs=1))
    assert all(model.chosen_params == {} and model.search is None for model in fitted.models)


@pytest.mark.parametrize(
    ("search", "message"),
    [
        ({"space": {"alhpa": [1, 2]}}, r"search\.space\.alhpa: unknown parameter; known: alpha"),
        ({"space": {"alpha": {"low": 0, "high": 5}}}, r"search\.space\.alpha: must be .* at least"),
        ({"space": {"alpha": [1.0, -1.0]}}, r"search\.space\.alpha: must be .*got -1\.0"),
    ],
)
def test_values_that_the_trainer_refuses_are_refused_before_anything_is_read(search, message):
    with pytest.raises(ConfigError, match=rf"models\.ridge\.{message}"):
        registry(search).trainer("ridge", "21d")


def test_a_missing_library_is_named_with_its_extra(monkeypatch):
    monkeypatch.setattr("model2_assets.training.model_registry.find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r'models\.ridge\.search: .*"model2-assets\[search\]"'):
        registry().trainer("ridge", "21d")


def test_a_variant_of_a_searched_parameter_is_not_searched():
    both = registry({"space": {"alpha": [1.0, 2.0], "fit_intercept": [True, False]}})
    left = both.variant("ridge", {"alpha": 5.0}).model("ridge")
    assert (left.params["alpha"], list(left.search.space)) == (5.0, ["fit_intercept"])
    assert (
        both.variant("ridge", {"alpha": 5.0, "fit_intercept": True}).model("ridge").search is None
    )


def test_on_noise_the_best_trial_is_above_zero_on_inner_folds_and_its_model_is_not_out_of_fold():
    study = NoiseStudy(
        n_dates=300, n_instruments=10, n_features=8, horizons=(5,), alphas=(), n_groups=4
    )
    found = score_search(study, seed=0, trials=6)
    # Of a mean over dates with 5 days in common, whose names have independent returns.
    error = (5 / 300 / 9) ** 0.5
    assert found.inner > 0.01
    assert abs(found.outer) < 3 * error
