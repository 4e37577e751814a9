"""What an interrupted run leaves is reused by a run that would fit exactly the same."""

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
from upath import UPath

from model2_assets.config import ExecutionConfig, ModelConfig
from model2_assets.cross_validation import build_cv_splits
from model2_assets.errors import TrainingError
from model2_assets.training import FoldCheckpoints, ModelRegistry, RidgeTrainer, predict_out_of_fold
from model2_assets.training.nested import make_nested
from model2_assets_tests.sample_models import save_fold_models
from model2_assets_tests.sample_tables import mark
from model2_assets_tests.training.interrupted import (
    PARTITION,
    TABLES,
    digests,
    files_of,
    fit,
    interrupt,
    interrupted_after,
)
from model2_assets_tests.training.stored_tables import StoredTables, mark_splits, task
from model2_assets_tests.training.test_nested import CONFIG, small_tables


def out_of_fold(fitted):
    return predict_out_of_fold(fitted.models, TABLES.of_horizon("21d"))


@pytest.mark.parametrize(("model", "n_jobs"), [("ridge", 1), ("ridge", 2), ("xgboost", 2)])
def test_resumed_run_equals_an_undisturbed_one(folder, log, tmp_path, model, n_jobs):
    undisturbed = fit(None, model)
    interrupt(folder, model, n_jobs=n_jobs)
    assert len(files_of(folder)) == 2

    resumed = fit(folder, model, n_jobs=n_jobs)

    assert (undisturbed.n_reused, resumed.n_reused) == (0, 2)
    assert digests(resumed) == digests(undisturbed)
    assert resumed.data_version == undisturbed.data_version
    assert out_of_fold(resumed).equals(out_of_fold(undisturbed))
    for before, after in zip(undisturbed.models, resumed.models, strict=True):
        assert (before.n_train, before.n_test) == (after.n_train, after.n_test)
    reused = [line for line in log.messages if "reused: an interrupted run fitted it at" in line]
    assert len(reused) == 2
    assert reused[1].endswith("2 of 5 done")
    fitted_anew = [line for line in log.messages if " fitted in " in line][-3:]
    assert [line.split("; ")[1].split(", ")[0] for line in fitted_anew] == [
        f"{done} of 5 done" for done in (3, 4, 5)
    ]
    assert "21d" in log.text
    assert f"fitting 3 splits, {n_jobs} at once" in log.text
    names = [
        sorted(path.name for path in (tmp_path / run).iterdir() if path.suffix != ".json")
        for run in (stored(tmp_path, "before", undisturbed), stored(tmp_path, "after", resumed))
    ]
    assert names[0] == names[1], "the stored files, whose names carry their hashes, are equal"


def stored(tmp_path, name, fitted):
    save_fold_models(UPath(tmp_path / name), fitted.models, provenance=fitted.provenance)
    return name


def test_all_folds_of_a_run_that_was_killed_before_it_published_are_reused(folder):
    undisturbed = fit(folder)
    assert len(files_of(folder)) == 5
    resumed = fit(folder)
    assert resumed.n_reused == 5
    assert digests(resumed) == digests(undisturbed)
    assert [model.seconds for model in resumed.models] == [
        model.seconds for model in undisturbed.models
    ]


def test_a_fold_that_fails_leaves_the_others(folder, monkeypatch):
    fit_rows, train_rows = RidgeTrainer.fit_rows, TABLES.of_horizon("21d").train_rows(3)

    def fail_at_split_3(self, data, rows):
        if np.array_equal(rows, train_rows):
            raise ZeroDivisionError("planted")
        return fit_rows(self, data, rows)

    monkeypatch.setattr(RidgeTrainer, "fit_rows", fail_at_split_3)
    with pytest.raises(TrainingError, match=r"split 3 .* planted"):
        fit(folder)
    monkeypatch.undo()
    assert fit(folder).n_reused == 3


KILLED = """
import os, signal, sys
from pathlib import Path
from model2_assets.training.checkpoints import FoldCheckpoints, KeptFolds
from model2_assets_tests.training.interrupted import PARTITION, fit

keep, kept = KeptFolds.keep, []

def keep_and_die(self, model):
    keep(self, model)
    kept.append(model)
    if len(kept) == 2:
        os.kill(os.getpid(), signal.SIGKILL)

KeptFolds.keep = keep_and_die
fit(FoldCheckpoints(Path(sys.argv[1]), PARTITION, code_version="c1"), "xgboost", n_jobs=2)
"""


def test_folds_of_a_process_that_was_killed_are_reused_by_another(folder):
    killed = subprocess.run([sys.executable, "-c", KILLED, str(folder.root)], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert len(files_of(folder)) == 2
    resumed = fit(folder, "xgboost")
    assert resumed.n_reused == 2
    assert digests(resumed) == digests(fit(None, "xgboost"))


def test_published_result_leaves_nothing(folder):
    interrupt(folder)
    interrupt(replace(folder, code_version="an older one"), after=1)
    with folder.until_published():
        assert len(files_of(folder)) == 3
    assert files_of(folder) == []


def test_rejected_result_leaves_nothing(folder):
    interrupt(folder)
    with pytest.raises(RuntimeError, match="rejected"), folder.until_published():
        raise RuntimeError("rejected")
    assert files_of(folder) == []


def test_result_that_could_not_be_written_leaves_its_folds(folder):
    def step():
        fit(folder)
        with folder.until_published():
            yield "the result"

    running = step()
    next(running)
    running.close()
    assert len(files_of(folder)) == 5


def test_checkpoints_of_other_partitions_go_after_a_week(folder):
    other = replace(folder, partition=("fitted_models", "21d", "retired"))
    interrupt(other)
    old, young = files_of(folder)
    os.utime(old, (time.time() - 8 * 86_400,) * 2)
    folder.discard()
    assert files_of(folder) == [young]


def test_pickles_are_neither_kept_nor_read_and_the_log_says_so_once(folder, log):
    trainer = "model2_assets_tests.training.trainers:ElasticNetTrainer"
    models = ModelRegistry({"elastic": ModelConfig(trainer=trainer)})
    assert fit(folder, "elastic", models=models).n_reused == 0
    assert files_of(folder) == []
    assert sum("ElasticNetTrainer is stored as a pickle" in line for line in log.messages) == 1


def test_folder_that_cannot_be_written_is_told_once_and_training_goes_on(folder, log):
    folder.root.parent.mkdir(exist_ok=True)
    folder.root.write_text("a file where a folder should be")
    fitted = fit(folder)
    assert digests(fitted) == digests(fit(None))
    warnings = [record.getMessage() for record in log.records if record.levelname == "WARNING"]
    assert len(warnings) == 1
    assert "a finished fold cannot be kept (" in warnings[0]
    folder.discard()


def test_without_a_working_folder_nothing_is_kept(log):
    nowhere = FoldCheckpoints(None, PARTITION)
    with nowhere.until_published():
        assert fit(nowhere).n_reused == 0
    assert "there is no local working folder" in log.text


def test_two_runs_at_once_do_each_other_no_harm(folder):
    undisturbed = digests(fit(None))
    with ThreadPoolExecutor(2) as pool:
        both = list(pool.map(lambda _: fit(folder), range(2)))
    assert [digests(fitted) for fitted in both] == [undisturbed, undisturbed]
    assert len(files_of(folder)) == 5
    assert fit(folder).n_reused == 5


def test_nested_models_are_reused(folder):
    features, labels = small_tables()
    outer = build_cv_splits(features.index, labels, CONFIG)
    features, labels = mark(features), mark(labels)
    tables = StoredTables(features, labels, mark_splits(outer, features, labels))

    def nested(checkpoints):
        return make_nested(
            task(), tables, CONFIG, ExecutionConfig(n_jobs=1), checkpoints=checkpoints
        )

    undisturbed = nested(None)
    with interrupted_after(7):
        nested(folder)
    resumed = nested(folder)
    assert (resumed.n_models, resumed.n_reused) == (10, 7)
    assert resumed.nested.equals(undisturbed.nested)
    assert fit(folder, tables=tables).n_reused == 0, "of the same tables, but of other splits"
