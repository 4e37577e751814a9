"""A store that another installation wrote."""

import json
from pathlib import Path

from upath import UPath

from model2_assets.document_checksum import with_checksum
from model2_assets.training import (
    Provenance,
    cross_validate,
    hash_row_order,
    open_fold_models,
    save_fold_models,
)
from model2_assets_tests.bad_inputs.case import Case, Refused
from model2_assets_tests.training.panels import make_data
from model2_assets_tests.training.trainers import PlainTrainer

_TRAINER = "model2_assets_tests.training.trainers:PlainTrainer"
_MODELS = "data/us/fitted_models/21d/plain"


def _store_models_of_another_scikit_learn(folder: Path) -> None:
    data = make_data(n_dates=30)
    models = cross_validate(lambda: PlainTrainer(params={}, seed=0), data)
    provenance = Provenance(
        region="us",
        horizon="21d",
        model="plain",
        trainer=_TRAINER,
        params={},
        seed=0,
        feature_names=data.feature_names,
        data_versions={},
        row_order_hash=hash_row_order(data.index),
        seconds=1.0,
        peak_rss_bytes=1,
    )
    save_fold_models(UPath(folder / _MODELS), models, provenance=provenance)
    manifest = folder / _MODELS / "manifest.json"
    values = json.loads(manifest.read_text(encoding="utf-8"))
    values["library_versions"]["scikit-learn"] = "0.1.2"
    del values["checksum"]
    manifest.write_text(json.dumps(with_checksum(values)), encoding="utf-8")


def _load_models(folder: Path) -> None:
    open_fold_models(UPath(folder / _MODELS), trainers=[_TRAINER]).load(0)


CASES = (
    Case(
        id="store-other-library-version",
        planted="pickled models of scikit-learn 0.1.2",
        enters="store",
        config="",
        prepare=_store_models_of_another_scikit_learn,
        act=_load_models,
        outcome=Refused(
            f"{{folder}}/{_MODELS}/fold_0-{{hash}}.plain.joblib: was written by scikit-learn "
            "0.1.2, "
            "and {installed} is installed; pickles hold between equal versions only: retrain the "
            "model, or install scikit-learn==0.1.2"
        ),
        until="config",
    ),
)
