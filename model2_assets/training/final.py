"""The model that trades: refitted on every labelled row, once its settings are validated."""

import logging
from dataclasses import replace

import numpy as np
import pandas as pd

from model2_assets.config import ExecutionConfig
from model2_assets.config.partition import Partition
from model2_assets.panel import to_canonical
from model2_assets.storage.provenance import INPUTS, data_versions_of, facts_of, require_made_from
from model2_assets.training.base_models import FoldModel, fit_all_rows
from model2_assets.training.data import TRAIN, TrainingData, assemble_training_data
from model2_assets.training.fit import FittedModels, provenance_of
from model2_assets.training.model_registry import ModelRegistry
from model2_assets.training.models import Manifest, TrainedRows
from model2_assets.training.resources import fit_n_jobs_to_memory, measure_resources, usable_cores
from model2_assets.training.task import Task

logger = logging.getLogger(__name__)


def fit_final_model(
    registry: ModelRegistry,
    validated: Manifest,
    oof_predictions: pd.DataFrame,
    *,
    features: pd.DataFrame,
    labels: pd.DataFrame,
    execution: ExecutionConfig,
    execution_lag_days: int = 1,
) -> FittedModels:
    """Refit a model on every row with features and a label of its horizon.

    Trainer, parameters, seed, weights of rows and the limit on memory are those of the fold
    models; a parameter that every fold has chosen itself becomes what the trainer makes of
    their choices, see `BaseModelTrainer.adopt`. Nothing is held out, so this model has no
    score of its own: that of the fold models, which have its settings and fewer rows, speaks
    for it.

    Parameters
    ----------
    registry : ModelRegistry
        Makes the trainer.
    validated : Manifest
        Of the fold models, of one horizon and model.
    oof_predictions : DataFrame of shape (n_rows, 2)
        Their out-of-fold predictions, which passed every error-level check, with their
        provenance.
    features, labels : DataFrame
        Stored tables, with their provenance.
    execution : ExecutionConfig
        How many threads, and how much memory.
    execution_lag_days : int, default 1
        Own bars from a row to its entry; matters to weights of rows alone.

    Returns
    -------
    FittedModels
        A single model, of split 0 and kind ``final_model``.

    Raises
    ------
    StoreError
        If the fold models have other settings than the configuration gives, or the
        out-of-fold predictions were made from other models, features or labels: what was
        validated is then not what would trade.
    TrainingError
        If the model cannot be fitted, or memory does not suffice.
    """
    partition = Partition(validated.horizon, validated.model)
    horizon = partition.horizon
    task = Task.of(
        registry, partition, region=validated.region, execution_lag_days=execution_lag_days
    )
    task.require_same_settings("fitted_models", validated)
    versions = data_versions_of(features=features, labels=labels, oof_predictions=oof_predictions)
    require_made_from(
        "oof_predictions",
        facts_of(oof_predictions).get(INPUTS, {}),
        {**versions, "fitted_models": validated.data_version},
    )
    with measure_resources() as usage:
        rows = assemble_labelled_rows(features=features, labels=labels, horizon=horizon)
        data = task.weighted(rows, labels)
        final = _fit(task, data, validated, execution)
    of_folds = provenance_of(task, data, data_versions=versions, usage=usage)
    provenance = replace(
        of_folds,
        kind="final_model",
        trained_on=_trained_on(data, labels[f"label_end_{horizon}"]),
    )
    return FittedModels(models=(final,), n_splits=1, provenance=provenance)


def assemble_labelled_rows(
    *, features: pd.DataFrame, labels: pd.DataFrame, horizon: str
) -> TrainingData:
    """Bring all rows with features and a label of a horizon together.

    Parameters
    ----------
    features, labels : DataFrame
        The tables.
    horizon : str
        Such as ``21d``.

    Returns
    -------
    TrainingData
        In canonical order; a single split trains on every row.

    Raises
    ------
    TrainingError
        If there is no such row, or a value cannot be trained on.
    """
    shared = labels.index[labels.index.isin(features.index)]
    roles = {
        "group_id": np.zeros(len(shared), dtype=np.int16),
        "split_0": np.full(len(shared), TRAIN, dtype=np.int8),
    }
    everything = to_canonical(pd.DataFrame(roles, index=shared))
    return assemble_training_data(features, labels, everything, horizon=horizon)


def _fit(
    task: Task, data: TrainingData, validated: Manifest, execution: ExecutionConfig
) -> FoldModel:
    trainer = task.make_trainer()
    # One fit can only be refused: there is no number of concurrent ones to lower.
    fit_n_jobs_to_memory(
        1,
        n_rows=data.n_rows,
        n_features=len(data.feature_names),
        max_rss_gb=execution.max_rss_gb,
        fit_bytes_per_value=trainer.fit_bytes_per_value / trainer.date_stride(data.n_rows),
    )
    logger.info(
        "%s: fitting the final model on %s rows × %d features",
        task.partition.key,
        f"{data.n_rows:,}",
        len(data.feature_names),
    )
    chosen = [fold.chosen_params for fold in validated.folds]
    final = fit_all_rows(
        lambda: task.make_trainer().adopt(chosen),
        data,
        n_threads=execution.n_jobs or usable_cores(),
    )
    logger.info("%s: final model fitted in %.1f s", task.partition.key, final.seconds)
    return final


def _trained_on(data: TrainingData, label_end: pd.Series) -> TrainedRows:
    dates = data.index.get_level_values("datetime")
    ends = label_end.reindex(data.index)
    return TrainedRows(
        rows=data.n_rows,
        first_date=f"{dates.min():%Y-%m-%d}",
        last_date=f"{dates.max():%Y-%m-%d}",
        first_label_end=f"{ends.min():%Y-%m-%d}",
        last_label_end=f"{ends.max():%Y-%m-%d}",
    )
