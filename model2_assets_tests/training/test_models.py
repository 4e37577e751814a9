import hashlib
import json
import logging
import pickle
from dataclasses import asdict, replace
from importlib import metadata
from pathlib import Path

import numpy as np
import pytest
from upath import UPath

from model2_assets.errors import StoreError
from model2_assets.storage.models import Manifest, ModelFile
from model2_assets.storage.models import open_fold_models as open_anywhere
from model2_assets.training import (
    RidgeTrainer,
    XGBoostTrainer,
    cross_validate,
    load_model,
    predict_out_of_fold,
)
from model2_assets.training.data import hash_row_order
from model2_assets.training.models import load_models
from model2_assets_tests.sample_models import sample_provenance, save_fold_models
from model2_assets_tests.training.panels import make_data
from model2_assets_tests.training.trainers import PlainTrainer

DATA = make_data(n_dates=30)

PROVENANCE = sample_provenance(
    params={"alpha": 10.0, "fit_intercept": True},
    feature_names=DATA.feature_names,
    data_versions={"features": "f1", "labels": "l1", "cv_splits": "c1"},
    row_order_hash=hash_row_order(DATA.index),
    seconds=1.5,
    peak_rss_bytes=123_456_789,
)


def fit_ridge(alpha=10.0):
    return cross_validate(lambda: RidgeTrainer(params={"alpha": alpha}, seed=7), DATA)


def fit_xgboost():
    params = {"n_estimators": 5}
    return cross_validate(lambda: XGBoostTrainer(params=params, seed=7), DATA)


def fit_pickled():
    return cross_validate(lambda: PlainTrainer(params={}, seed=0), DATA)


PICKLED = replace(
    PROVENANCE, trainer="model2_assets_tests.training.trainers:PlainTrainer", params={}
)
XGBOOST = replace(PROVENANCE, model="xgboost", trainer="model2_assets.training:XGBoostTrainer")


TRAINERS = [PICKLED.trainer, "no_such_module:Trainer", "pathlib:Path"]


def open_fold_models(folder, **options):
    return open_anywhere(folder, trainers=TRAINERS, **options)


@pytest.fixture
def folder(tmp_path):
    return UPath(tmp_path / "us" / "fitted_models" / "21d" / "ridge")


def model_file(folder, split_id):
    return Path(folder / open_fold_models(folder).manifest.folds[split_id].file)


@pytest.mark.parametrize("place", ["local", "memory"])
@pytest.mark.parametrize(
    ("fit", "provenance"), [(fit_ridge, PROVENANCE), (fit_xgboost, XGBOOST), (fit_pickled, PICKLED)]
)
def test_stored_models_predict_the_same_bits(place, fit, provenance, tmp_path):
    folder = UPath(tmp_path / "m") if place == "local" else UPath(f"memory://{tmp_path.name}/m")
    models = fit()
    manifest = save_fold_models(folder, models, provenance=provenance)
    stored = open_fold_models(folder)
    assert stored.manifest == manifest
    assert len(stored) == 5
    assert predict_out_of_fold(load_models(stored), DATA).equals(predict_out_of_fold(models, DATA))
    for given, read in zip(models, load_models(stored), strict=True):
        assert read.trainer.digest() == given.trainer.digest()
        assert (read.split_id, read.n_train, read.n_test, read.seconds) == (
            given.split_id,
            given.n_train,
            given.n_test,
            given.seconds,
        )


def test_the_manifest_says_everything(folder):
    models = fit_ridge()
    save_fold_models(folder, reversed(models), provenance=PROVENANCE)
    values = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    files = sorted(path.name for path in folder.iterdir())
    assert files == [*(fold["file"] for fold in values["folds"]), "manifest.json"]
    for split_id, (fold, model) in enumerate(zip(values["folds"], models, strict=True)):
        data = (folder / fold["file"]).read_bytes()
        digest = hashlib.sha256(data).hexdigest()
        assert fold == {
            "split_id": split_id,
            "file": f"fold_{split_id}-{digest[:12]}.npz",
            "sha256": digest,
            "bytes": len(data),
            "digest": model.trainer.digest(),
            "n_train": model.n_train,
            "n_test": model.n_test,
            "seconds": model.seconds,
            "chosen_params": {},
            "calibration": None,
            "search": None,
        }
    assert values["params"] == {"alpha": 10.0, "fit_intercept": True}
    assert values["feature_names"] == list(DATA.feature_names)
    assert values["data_versions"] == {"features": "f1", "labels": "l1", "cv_splits": "c1"}
    assert values["library_versions"] == {"numpy": metadata.version("numpy")}
    assert (values["seed"], values["region"], values["horizon"]) == (7, "us", "21d")
    assert (values["seconds"], values["peak_rss_bytes"]) == (1.5, 123_456_789)
    text = (folder / "manifest.json").read_text(encoding="utf-8")
    assert text == json.dumps(values, sort_keys=True, indent=2) + "\n"


@pytest.fixture
def no_unpickling(monkeypatch):
    def refuse(*args, **kwargs):
        raise AssertionError("unpickled before it was verified")

    monkeypatch.setattr("joblib.load", refuse)
    monkeypatch.setattr("numpy.load", refuse)


@pytest.mark.usefixtures("no_unpickling")
def test_a_flipped_bit_is_noticed_before_unpickling(folder):
    save_fold_models(folder, fit_ridge(), provenance=PROVENANCE)
    file = model_file(folder, 2)
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)
    with pytest.raises(StoreError, match=rf"{file.name}: is damaged: sha256 .*; retrain"):
        load_model(open_fold_models(folder), 2)


@pytest.mark.usefixtures("no_unpickling")
def test_a_truncated_file_is_noticed_before_unpickling(folder):
    save_fold_models(folder, fit_ridge(), provenance=PROVENANCE)
    file = model_file(folder, 0)
    size = file.stat().st_size
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(StoreError, match=f"{file.name}: has {size - 1} bytes, .* says {size}"):
        load_model(open_fold_models(folder), 0)


@pytest.mark.usefixtures("no_unpickling")
def test_swapped_files_are_noticed_before_unpickling(folder):
    save_fold_models(folder, fit_ridge(), provenance=PROVENANCE)
    first, second = model_file(folder, 0), model_file(folder, 1)
    one, two = first.read_bytes(), second.read_bytes()
    first.write_bytes(two)
    second.write_bytes(one)
    for split_id, file in enumerate((first, second)):
        with pytest.raises(StoreError, match=file.name):
            load_model(open_fold_models(folder), split_id)


def test_a_missing_file_is_named_and_the_others_load(folder):
    save_fold_models(folder, fit_ridge(), provenance=PROVENANCE)
    file = model_file(folder, 3)
    file.unlink()
    stored = open_fold_models(folder)
    with pytest.raises(StoreError, match=f"{file.name}: is missing; retrain"):
        load_model(stored, 3)
    assert load_model(stored, 4).trainer.feature_names == DATA.feature_names
    with pytest.raises(StoreError, match="has no fold 5; it has 0, 1, 2, 3, 4"):
        load_model(stored, 5)


def rewrite_manifest(folder, **changes):
    path = folder / "manifest.json"
    values = {**json.loads(path.read_text(encoding="utf-8")), **changes}
    path.write_text(json.dumps(values), encoding="utf-8")


@pytest.mark.usefixtures("no_unpickling")
def test_a_pickle_of_another_library_version_is_refused_with_both_versions(folder):
    save_fold_models(folder, fit_pickled(), provenance=PICKLED)
    versions = open_fold_models(folder).manifest.library_versions
    assert set(versions) == {"scikit-learn", "numpy", "joblib"}
    rewrite_manifest(folder, library_versions={**versions, "scikit-learn": "0.1.2"})
    installed = metadata.version("scikit-learn")
    message = rf"by scikit-learn 0\.1\.2, and {installed} is installed; .*retrain"
    with pytest.raises(StoreError, match=message):
        load_model(open_fold_models(folder), 0)


@pytest.mark.parametrize(
    ("fit", "provenance", "library"),
    [(fit_ridge, PROVENANCE, "numpy"), (fit_xgboost, XGBOOST, "xgboost")],
)
def test_a_format_that_holds_between_versions_is_read_with_a_warning(
    folder, caplog, fit, provenance, library
):
    models = fit()
    save_fold_models(folder, models, provenance=provenance)
    rewrite_manifest(folder, library_versions={library: "1.0.0"})
    with caplog.at_level(logging.WARNING):
        loaded = load_model(open_fold_models(folder), 0)
    assert loaded.digest() == models[0].trainer.digest()
    assert f"was written by {library} 1.0.0" in caplog.text


@pytest.mark.parametrize(
    ("trainer", "message"),
    [
        ("no_such_module:Trainer", "cannot import module 'no_such_module'"),
        ("pathlib:Path", "is not a class derived from .*, or retrain the model"),
        ("model2_assets.training:XGBoostTrainer", "cannot be read as"),
    ],
)
def test_a_trainer_that_cannot_read_the_file_is_refused(folder, trainer, message):
    save_fold_models(folder, fit_ridge(), provenance=PROVENANCE)
    versions = open_fold_models(folder).manifest.library_versions
    rewrite_manifest(
        folder,
        trainer=trainer,
        library_versions={**versions, "xgboost": metadata.version("xgboost")},
    )
    with pytest.raises(StoreError, match=message):
        load_model(open_fold_models(folder), 0)


@pytest.mark.parametrize(("fit", "provenance"), [(fit_ridge, PROVENANCE), (fit_pickled, PICKLED)])
def test_a_pickle_of_something_else_is_refused(folder, fit, provenance):
    manifest = save_fold_models(folder, fit(), provenance=provenance)
    data = pickle.dumps({"nothing": "useful"})
    digest = hashlib.sha256(data).hexdigest()
    fold = {
        **asdict(manifest.folds[0]),
        "sha256": digest,
        "bytes": len(data),
        "file": f"fold_0-{digest[:12]}.joblib",
    }
    (folder / fold["file"]).write_bytes(data)
    rewrite_manifest(folder, folds=[fold])
    with pytest.raises(StoreError, match=f"cannot be read as {provenance.trainer}"):
        load_model(open_fold_models(folder), 0)


def test_a_missing_manifest_asks_for_training(folder):
    with pytest.raises(StoreError, match=r"manifest\.json: does not exist; train the model first"):
        open_fold_models(folder)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '"x"', "{}", b"\xff\xfe"])
def test_a_manifest_that_is_none_is_named(folder, text):
    folder.mkdir(parents=True)
    (folder / "manifest.json").write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(StoreError, match=r"manifest\.json: .*; retrain the model"):
        open_fold_models(folder)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format_version": 1}, "format version 1, expected 4"),
        ({"seed": "seven"}, "seed: "),
        ({"surplus": 1}, "surplus: Unexpected"),
        ({"folds": []}, "folds: "),
    ],
)
def test_a_malformed_manifest_is_named_with_the_key(folder, changes, message):
    save_fold_models(folder, fit_ridge(), provenance=PROVENANCE)
    rewrite_manifest(folder, **changes)
    with pytest.raises(StoreError, match=rf"manifest\.json: .*{message}"):
        open_fold_models(folder)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"file": "../../secret.joblib"}, r"folds\.0\.file"),
        ({"file": "fold_1-000000000000.joblib"}, "does not carry its split and hash"),
        ({"sha256": "xyz"}, r"folds\.0\.sha256"),
        ({"split_id": -1}, r"folds\.0\.split_id"),
        ({"split_id": 4}, "must ascend, each once"),
    ],
)
def test_a_fold_that_does_not_fit_its_file_is_refused(folder, change, message):
    manifest = save_fold_models(folder, fit_ridge(), provenance=PROVENANCE)
    folds = [asdict(fold) for fold in manifest.folds]
    folds[0].update(change)
    rewrite_manifest(folder, folds=folds)
    with pytest.raises(StoreError, match=message):
        open_fold_models(folder)


def test_saving_again_heals_a_damaged_file(folder):
    models = fit_ridge()
    save_fold_models(folder, models, provenance=PROVENANCE)
    file = model_file(folder, 1)
    file.write_bytes(b"damaged")
    save_fold_models(folder, models, provenance=PROVENANCE)
    np.testing.assert_array_equal(
        load_model(open_fold_models(folder), 1).predict(DATA.X), models[1].trainer.predict(DATA.X)
    )


def test_a_parameter_that_is_no_json_is_refused_and_the_last_version_stays(folder):
    before = save_fold_models(folder, fit_ridge(), provenance=PROVENANCE)
    with pytest.raises(StoreError, match="us 21d ridge: cannot be written as JSON"):
        save_fold_models(
            folder, fit_ridge(), provenance=replace(PROVENANCE, params={"alpha": float("nan")})
        )
    assert open_fold_models(folder).manifest == before
    with pytest.raises(StoreError, match="no fold model to store"):
        save_fold_models(folder, [], provenance=PROVENANCE)


def test_a_trainer_of_ones_own_keeps_its_file_extension(folder):
    manifest = save_fold_models(folder, fit_pickled(), provenance=PICKLED)
    assert manifest.folds[0].file.endswith(".plain.joblib")
    assert type(load_model(open_fold_models(folder), 0).trainer) is PlainTrainer


def test_the_manifest_survives_json():
    fold = ModelFile(
        split_id=0,
        file=f"fold_0-{'a' * 12}.ubj",
        sha256="a" * 64,
        bytes=3,
        digest="b" * 64,
        n_train=2,
        n_test=1,
        seconds=0.5,
    )
    manifest = Manifest(**vars(PROVENANCE), folds=(fold,), library_versions={"xgboost": "3.2.0"})
    assert manifest.total_bytes == 3
    assert Manifest.from_json(manifest.to_json()) == manifest
