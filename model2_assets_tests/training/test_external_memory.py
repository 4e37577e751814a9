"""Fits in external memory: the trees of fits in memory, and who chooses it."""

import logging
import resource
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from model2_assets.config import ExecutionConfig, ModelConfig
from model2_assets.config.sections import SearchConfig
from model2_assets.errors import TrainingError
from model2_assets.storage import Address, Store
from model2_assets.training import (
    ModelRegistry,
    RidgeTrainer,
    SplitView,
    XGBoostTrainer,
    cross_validate,
)
from model2_assets.training import resources as module
from model2_assets.training import xgboost as trees
from model2_assets.training.fold_models import fit_models
from model2_assets.training.predict import make_out_of_fold
from model2_assets.training.resources import (
    FitMemory,
    fits_in_memory,
    table_fits_in_memory,
    usable_memory,
)
from model2_assets_tests.training.panels import make_data
from model2_assets_tests.training.stored_tables import TRAINERS, stored_tables, task
from model2_assets_tests.training.test_xgboost import as_ranks

FAST = {"n_estimators": 12, "learning_rate": 0.2, "max_bin": 32}


@pytest.fixture(autouse=True)
def small_pages(monkeypatch):
    monkeypatch.setattr(trees, "_PAGE_ROWS", 300)


@pytest.mark.parametrize("bins", ["even", "learned"])
@pytest.mark.parametrize(
    "others", [{}, {"subsample": 0.6, "colsample_bynode": 0.5}, {"missing_as": 0.0}]
)
@pytest.mark.parametrize("missing", [0.0, 0.1])
@pytest.mark.parametrize("weighted", [False, True])
def test_trees_are_those_of_memory_to_the_bit(tmp_path, bins, others, missing, weighted):
    data = as_ranks(make_data(missing=missing, n_dates=120))
    weights = np.random.default_rng(1).uniform(0.5, 1.5, data.n_rows) if weighted else None
    view = SplitView(data.X, data.y, data.feature_names, sample_weight=weights, n_threads=2)
    rows = np.flatnonzero(np.arange(data.n_rows) % 5 > 0)
    params = {**FAST, **others, "bins": bins}
    plain, external = (
        XGBoostTrainer(params=params, seed=3).fit_rows(replace(view, scratch=scratch), rows)
        for scratch in (None, tmp_path)
    )
    assert external.digest() == plain.digest()
    assert list(tmp_path.iterdir()) == []


def test_bins_are_kept_in_files_of_the_scratch_folder_while_trees_grow(tmp_path, monkeypatch):
    data, seen = as_ranks(make_data()), []
    grow = trees.xgb.train

    def train(*args, **settings):
        seen.extend(path.relative_to(tmp_path) for path in tmp_path.rglob("*") if path.is_file())
        return grow(*args, **settings)

    monkeypatch.setattr(trees.xgb, "train", train)
    view = SplitView(data.X, data.y, data.feature_names, scratch=tmp_path)
    XGBoostTrainer(params=FAST, seed=3).fit_rows(view, np.arange(data.n_rows))
    # In a folder that is removed as abandoned after a kill.
    assert seen
    assert all(path.parts[0].startswith(".tmp-model2-") for path in seen)


def test_folds_and_their_calibration_are_those_of_memory(tmp_path):
    data = as_ranks(make_data(n_dates=200, n_groups=4))
    external = replace(data, is_external=True, working_folder=tmp_path)
    one, other = (
        cross_validate(lambda: XGBoostTrainer(params=FAST, seed=3), each, calibrates=True)
        for each in (data, external)
    )
    assert [model.digest() for model in one] == [model.digest() for model in other]
    assert [model.external for model in one] == [False] * 4
    assert [model.external for model in other] == [True] * 4
    assert list(tmp_path.iterdir()) == []


SHAPE = (1_000_000, 100)


def limited_to(monkeypatch, bytes_of_data):
    monkeypatch.setattr(resource, "getrlimit", lambda _: (bytes_of_data, resource.RLIM_INFINITY))
    monkeypatch.setattr(module, "_status_bytes", lambda _: 500_000_000)


def test_the_guard_chooses_external_memory_and_says_so(monkeypatch, caplog):
    monkeypatch.setattr(module, "_machine_memory", lambda: 64 * 10**9)
    assert fits_in_memory(3, SHAPE, 8, None) == FitMemory(3)
    # 500 MB of 1.2 GB are in use: of fits of 875 MB none, of fits of 275 MB two have room
    # (by hand: 8 or 2 bytes a value, and 75 a row).
    limited_to(monkeypatch, 1_200_000_000)
    assert usable_memory() == 1_200_000_000
    with caplog.at_level(logging.INFO, logger="model2_assets"):
        found = fits_in_memory(9, SHAPE, 8, None, external_bytes_per_value=2)
    assert found == FitMemory(2, external=True)
    assert caplog.messages == [
        "fitting in external memory, 2 at once: in memory, training on 1000000 rows of 100 "
        "features needs about 0.88 GB besides what the process has, and its limit on data "
        "(ulimit -d) of 1.20 GB leaves 0.70 GB"
    ]


def test_what_fits_neither_way_is_refused_with_both_numbers(monkeypatch):
    with pytest.raises(TrainingError) as caught:
        fits_in_memory(2, SHAPE, 24, max_rss_gb=0.8, external_bytes_per_value=2)
    # By hand: 0.4 GB, 300 bytes a row, and 4 and 24, or 2 bytes a value.
    assert str(caught.value) == (
        "training on 1000000 rows of 100 features needs about 3.5 GB, and execution.max_rss_gb "
        "allows 0.8 GB; in external memory, it needs about 0.9 GB, and execution.max_rss_gb "
        "allows 0.8 GB; raise the limit, or train on fewer instruments or dates"
    )
    limited_to(monkeypatch, 600_000_000)
    with pytest.raises(TrainingError, match=r"0\.28 GB besides .* leaves 0\.10 GB; raise"):
        fits_in_memory(1, SHAPE, 8, None, external_bytes_per_value=2)


def test_large_tables_are_made_in_files(monkeypatch, caplog):
    assert table_fits_in_memory(SHAPE, 1.2)
    assert not table_fits_in_memory(SHAPE, 1.0)
    assert (
        "features are made block by block, in files: in memory, a table of 1,000,000 rows and "
        in (caplog.text)
    )
    limited_to(monkeypatch, 850_000_000)
    assert not table_fits_in_memory(SHAPE, None)
    assert table_fits_in_memory((800_000, 100), None)


@pytest.mark.parametrize("model", ["xgboost", "ridge"])
def test_fits_trials_calibration_and_refit_go_the_same_way(tmp_path, monkeypatch, model):
    trainer = {"xgboost": XGBoostTrainer, "ridge": RidgeTrainer}[model]
    tables = stored_tables(n_dates=400, missing=0.0)
    space = {"xgboost": {"max_depth": [2, 3]}, "ridge": {"alpha": [1.0, 100.0]}}[model]
    settings = ModelConfig(
        trainer=f"{TRAINERS}:{trainer.__name__}",
        params={"n_estimators": 5} if model == "xgboost" else {},
        search=SearchConfig(space=space, trials=2),
    )
    searched = task(model, models=ModelRegistry({model: settings}))
    store = Store(tmp_path / "results")

    def fit_and_predict():
        fitted = fit_models(searched, tables, ExecutionConfig(n_jobs=2))
        address = Address("us", "fitted_models", "21d", model)
        store.write(address, fitted)
        oof = make_out_of_fold(searched, store.open_models(address), tables)
        assert oof.determinism_difference_bps == 0
        return fitted, oof.oof

    in_memory, expected = fit_and_predict()
    monkeypatch.setattr(trainer, "fit_bytes_per_value", 10**9)  # so many are nowhere
    in_files, found = fit_and_predict()
    assert in_files.data_version == in_memory.data_version
    assert (in_memory.n_external, in_files.n_external) == (0, 5)
    assert in_files.calibrations["rows"].min() > 0
    pd.testing.assert_frame_equal(found, expected, check_exact=True)
