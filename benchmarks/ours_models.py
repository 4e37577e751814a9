"""Ridge and XGBoost by this package: the core functions that the graph's assets call."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from benchmarks import xgboost_by_hand as by_hand
from benchmarks.inputs import CPCV, FIVE_FOLDS, HORIZONS, Inputs
from benchmarks.outcome import Outcome, as_predictions, prediction_name
from model2_assets.config import Model2Config, parse_config
from model2_assets.config.partition import Partition
from model2_assets.training import FoldModel, ModelRegistry, Tables, Task, TrainingData
from model2_assets.training.fold_models import fit_every_split
from model2_assets.training.predict import predict_splits

XGBOOST_PARAMS = {"max_depth": by_hand.DEPTH}
"""What differs from the trainer's defaults, so that both sides have the same."""

ALPHAS = [float(alpha) for alpha in np.geomspace(100.0, 1e6, 20)]


def configuration(
    inputs: Inputs,
    *,
    profile: str = "default",
    params: Mapping[str, Any] | None = None,
    overrides: Mapping[str, Mapping[str, Any]] | None = None,
    ridge: Mapping[str, Any] | None = None,
) -> Model2Config:
    """Return the configuration of a benchmark's region.

    Parameters
    ----------
    inputs : Inputs
        Where the market is.
    profile : str, default "default"
        ``execution.profile``.
    params, overrides : mapping, optional
        Of the model ``xgboost``, on top of what both sides share.
    ridge : mapping, optional
        Parameters of the model ``ridge``.

    Returns
    -------
    Model2Config
        With the one region ``bench``.
    """
    return parse_config(
        configuration_values(
            inputs, profile=profile, params=params, overrides=overrides, ridge=ridge
        )
    )


def configuration_values(
    inputs: Inputs,
    *,
    profile: str = "default",
    params: Mapping[str, Any] | None = None,
    overrides: Mapping[str, Mapping[str, Any]] | None = None,
    ridge: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Return what `configuration` parses, as a YAML file would hold it."""
    xgboost = {**XGBOOST_PARAMS, "n_estimators": inputs.trees, **(params or {})}
    return {
        "regions": {FIVE_FOLDS: {"market_data": {"source": "parquet", "path": str(inputs.market)}}},
        "models": {
            # The scripts that these are compared with do not calibrate.
            "ridge": {"params": dict(ridge or {}), "calibration": "none"},
            "xgboost": {
                "params": xgboost,
                "overrides": dict(overrides or {}),
                "calibration": "none",
            },
        },
        "execution": {"profile": profile},
    }


def run(inputs: Inputs, *, model: str, splits: str = FIVE_FOLDS, **settings: Any) -> Outcome:
    """Cross-validate both horizons.

    Parameters
    ----------
    inputs : Inputs
        Stored features, labels and splits.
    model : {"ridge", "xgboost"}
        What to fit.
    splits : {"bench", "cpcv"}
        Five folds, or CPCV(6, 2).
    **settings : object
        See `configuration`.

    Returns
    -------
    Outcome
        Out-of-fold predictions of both horizons, and digests of every tree model's trees.
    """
    config = configuration(inputs, **settings)
    registry = ModelRegistry.from_config(config, FIVE_FOLDS)
    inputs.remove_sums()
    outcome = Outcome()
    with outcome.phase("load"):
        features = inputs.read("features")
        labels, cv_splits = (inputs.read(asset, splits) for asset in ("labels", "cv_splits"))
        tables = Tables(features, labels, cv_splits)
    for horizon in HORIZONS:
        task = Task.of(registry, Partition(horizon, model), region=FIVE_FOLDS)
        _run_task(outcome, config, task, tables)
    return outcome


def _run_task(outcome: Outcome, config: Model2Config, task: Task, tables: Tables) -> None:
    horizon, model = task.partition
    with outcome.phase("assemble"):
        data = task.training_data(tables)
    with outcome.phase("fit"):
        models = fit_every_split(task, data, config.execution, tables=tables)
    with outcome.phase("predict"):
        predictions = predict_splits(models, data)
    total = np.bincount(predictions.row, weights=predictions.prediction, minlength=data.n_rows)
    count = np.bincount(predictions.row, minlength=data.n_rows)
    outcome.arrays[prediction_name(horizon)] = as_predictions(total / count)
    outcome.facts["fitted_rows"] = outcome.facts.get("fitted_rows", 0) + _fitted_rows(data, models)
    if model == "xgboost":
        outcome.facts.setdefault("trees", {})[horizon] = _digests(models)


def _fitted_rows(data: TrainingData, models: tuple[FoldModel, ...]) -> int:
    """Return the rows that all fits together have seen."""
    stride = models[0].trainer.date_stride(data.n_rows)
    return sum(
        len(data.rows_on_every_nth_date(data.train_rows(model.split_id), stride))
        for model in models
    )


def _digests(models: tuple[FoldModel, ...]) -> list[str]:
    from benchmarks.trees import tree_digest
    from model2_assets.training import XGBoostTrainer

    trainers = [model.trainer for model in models]
    return [
        tree_digest(trainer.booster_) for trainer in trainers if isinstance(trainer, XGBoostTrainer)
    ]


def run_cpcv_alphas(inputs: Inputs) -> Outcome:
    """Cross-validate Ridge by CPCV(6, 2), each split choosing one of 20 penalties."""
    return run(inputs, model="ridge", splits=CPCV, ridge={"alphas": ALPHAS})
