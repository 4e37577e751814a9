"""From tables to the fold models of one horizon and model."""

import hashlib
import logging
from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from model2_assets.config import ExecutionConfig
from model2_assets.errors import StoreError
from model2_assets.storage.data_version import document_digest
from model2_assets.storage.provenance import INPUTS, data_versions_of, facts_of, require_made_from
from model2_assets.training.base_models import FoldModel, RowWeights, cross_validate
from model2_assets.training.checkpoints import FoldCheckpoints, KeptFolds
from model2_assets.training.data import (
    SourceTables,
    TrainingData,
    assemble_training_data,
    hash_row_order,
)
from model2_assets.training.model_registry import ModelRegistry
from model2_assets.training.models import Manifest, Provenance, models_digest
from model2_assets.training.resources import (
    ResourceUsage,
    blas_kernel,
    fit_n_jobs_to_memory,
    measure_resources,
    usable_cores,
)
from model2_assets.training.weights import label_spans

logger = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class FittedModels:
    """Fold models before they are stored.

    Attributes
    ----------
    models : tuple of FoldModel
        One a split.
    n_splits : int
        Splits that there are.
    provenance : Provenance
        Where the models come from.
    """

    models: tuple[FoldModel, ...]
    n_splits: int
    provenance: Provenance

    @property
    def n_reused(self) -> int:
        """Models that an interrupted run had fitted already."""
        return sum(model.fitted_at is not None for model in self.models)

    @property
    def data_version(self) -> str:
        """Digest of every model, as the manifest will state it."""
        return models_digest(
            {model.split_id: model.trainer.digest() for model in self.models},
            trainer=self.provenance.trainer,
            params=self.provenance.params,
        )


def assemble_current_data(
    *, features: pd.DataFrame, labels: pd.DataFrame, cv_splits: pd.DataFrame, horizon: str
) -> tuple[TrainingData, dict[str, str]]:
    """Bring stored tables together, refusing splits that were made from others.

    Parameters
    ----------
    features, labels, cv_splits : DataFrame
        Stored tables, with their provenance.
    horizon : str
        Such as ``21d``.

    Returns
    -------
    TrainingData
        Rows with features and a label of the horizon.
    dict of str to str
        Data version of every table.

    Raises
    ------
    StoreError
        If the splits were made from other features or labels.
    """
    versions = data_versions_of(features=features, labels=labels, cv_splits=cv_splits)
    require_made_from("cv_splits", facts_of(cv_splits).get(INPUTS, {}), versions)
    return assemble_training_data(features, labels, cv_splits, horizon=horizon), versions


def assemble_roles(
    features: pd.DataFrame, labels: pd.DataFrame, cv_splits: pd.DataFrame, *, horizon: str
) -> TrainingData:
    """Bring stored tables together but for the values of the features, which take the space.

    Parameters
    ----------
    features, labels, cv_splits : DataFrame
        Stored tables; only the index of `features` counts.
    horizon : str
        Such as ``21d``.

    Returns
    -------
    TrainingData
        Rows with features and a label of the horizon, without any feature.
    """
    return assemble_training_data(features[[]], labels, cv_splits, horizon=horizon)


def row_weights_of(
    registry: ModelRegistry,
    data: TrainingData,
    labels: pd.DataFrame,
    *,
    horizon: str,
    model: str,
    execution_lag_days: int,
) -> RowWeights | None:
    """Return what weighs the train rows of a model, if anything does.

    Parameters
    ----------
    registry : ModelRegistry
        Knows the model's ``sample_weights``.
    data : TrainingData
        The rows.
    labels : DataFrame of shape (n_label_rows, n_columns)
        The labels table.
    horizon, model : str
        Such as ``21d`` and ``ridge``.
    execution_lag_days : int
        Own bars from a row to its entry.

    Returns
    -------
    callable or None
        Returns the weights of the train rows at given positions: their average
        uniqueness among themselves, scaled to a mean of 1. None where rows count alike.
    """
    if registry.model(model).sample_weights == "none":
        return None
    spans = label_spans(data.index, labels, horizon=horizon, execution_lag_days=execution_lag_days)
    return spans.weights


def kept_folds_of(
    checkpoints: FoldCheckpoints | None,
    registry: ModelRegistry,
    data: TrainingData,
    *,
    data_versions: Mapping[str, str],
    horizon: str,
    model: str,
    execution_lag_days: int,
) -> KeptFolds | None:
    """Return the checkpoints of the fits of one model for one horizon on every split.

    Parameters
    ----------
    checkpoints : FoldCheckpoints or None
        Where they are; None for nowhere.
    registry : ModelRegistry
        Knows the model's trainer and settings.
    data : TrainingData
        What is fitted on.
    data_versions : mapping of str to str
        Data version of every table that the data come from.
    horizon, model : str
        Such as ``21d`` and ``ridge``.
    execution_lag_days : int
        Own bars from a row to its entry, which weights of rows depend on.

    Returns
    -------
    KeptFolds or None
        None where nothing may be kept.
    """
    if checkpoints is None:
        return None
    settings = registry.model(model)
    determined_by = {
        "data_versions": dict(data_versions),
        "horizon": horizon,
        "rows": hash_row_order(data.index),
        # All splits together: what Ridge adds up in one block, and so its last bits, depends
        # on the roles of all of them.
        "roles": hashlib.sha256(data.roles.data).hexdigest(),
        "feature_names": data.feature_names,
        "trainer": settings.trainer,
        "params": registry.parameters(model, horizon),
        "seed": settings.seed,
        "sample_weights": settings.sample_weights,
        "execution_lag_days": execution_lag_days,
    }
    return checkpoints.of_fits(determined_by, registry.trainer_class(model))


def fit_every_split(
    registry: ModelRegistry,
    data: TrainingData,
    *,
    horizon: str,
    model: str,
    execution: ExecutionConfig,
    row_weights: RowWeights | None,
    tables: SourceTables | None = None,
    kept: KeptFolds | None = None,
) -> tuple[FoldModel, ...]:
    """Fit one model for one horizon on every split, as many at once as memory allows.

    Parameters
    ----------
    registry : ModelRegistry
        Makes the trainers.
    data : TrainingData
        Features, labels and roles.
    horizon, model : str
        Such as ``21d`` and ``ridge``.
    execution : ExecutionConfig
        How many folds at once, and how much memory.
    row_weights : callable or None
        Returns the weights of the train rows at given positions.
    tables : SourceTables, optional
        Where the data come from; without, nothing is kept for other horizons.
    kept : KeptFolds, optional
        Checkpoints of these very fits: finished models are taken from there, and put there.

    Returns
    -------
    tuple of FoldModel
        One a split.

    Raises
    ------
    TrainingError
        If a fold cannot be fitted, or memory does not suffice.
    """
    finished = () if kept is None else kept.read(data.n_splits)
    n_left = data.n_splits - len(finished)
    if not n_left:
        return finished
    trainer = registry.trainer(model, horizon)
    n_jobs = fit_n_jobs_to_memory(
        min(execution.n_jobs or max(1, usable_cores() // trainer.n_threads), n_left),
        n_splits=n_left,
        n_rows=data.n_rows,
        n_features=len(data.feature_names),
        max_rss_gb=execution.max_rss_gb,
        fit_bytes_per_value=trainer.fit_bytes_per_value / trainer.date_stride(data.n_rows),
    )
    logger.info(
        "%s|%s: fitting %d folds, %d at once, on %s rows × %d features",
        horizon,
        model,
        n_left,
        n_jobs,
        f"{data.n_rows:,}",
        len(data.feature_names),
    )
    return cross_validate(
        lambda: registry.trainer(model, horizon),
        data,
        n_jobs=n_jobs,
        row_weights=row_weights,
        tables=tables,
        finished=finished,
        on_model=None if kept is None else kept.keep,
    )


def provenance_of(
    registry: ModelRegistry,
    data: TrainingData,
    *,
    region: str,
    horizon: str,
    model: str,
    data_versions: Mapping[str, str],
    usage: ResourceUsage,
) -> Provenance:
    """Return where the models of one horizon come from, as the manifest will state it.

    Parameters
    ----------
    registry : ModelRegistry
        Knows the model's trainer and settings.
    data : TrainingData
        What they were fitted on.
    region, horizon, model : str
        Such as ``us``, ``21d`` and ``ridge``.
    data_versions : mapping of str to str
        Data version of every table that they were made from.
    usage : ResourceUsage
        What fitting cost, in seconds and bytes.

    Returns
    -------
    Provenance
        That of fold models.
    """
    config = registry.model(model)
    return Provenance(
        region=region,
        horizon=horizon,
        model=model,
        trainer=config.trainer,
        params=registry.parameters(model, horizon),
        seed=config.seed,
        feature_names=data.feature_names,
        data_versions=data_versions,
        row_order_hash=hash_row_order(data.index),
        blas_kernel=blas_kernel(),
        sample_weights=config.sample_weights,
        seconds=usage.seconds,
        peak_rss_bytes=usage.peak_rss_bytes,
    )


def fit_models(
    registry: ModelRegistry,
    *,
    features: pd.DataFrame,
    labels: pd.DataFrame,
    cv_splits: pd.DataFrame,
    horizon: str,
    model: str,
    region: str,
    execution: ExecutionConfig,
    execution_lag_days: int = 1,
    checkpoints: FoldCheckpoints | None = None,
) -> FittedModels:
    """Fit one model for one horizon on every split.

    Parameters
    ----------
    registry : ModelRegistry
        Makes the trainers.
    features, labels, cv_splits : DataFrame
        Stored tables, with their provenance.
    horizon, model, region : str
        Such as ``21d``, ``ridge``, ``us``.
    execution : ExecutionConfig
        How many folds at once, and how much memory.
    execution_lag_days : int, default 1
        Own bars from a row to its entry; matters to weights of rows alone.
    checkpoints : FoldCheckpoints, optional
        Where finished folds stay in case that this run is interrupted, and those of a run
        that was are found.

    Returns
    -------
    FittedModels
        One model a split, with what the manifest will say of them.

    Raises
    ------
    StoreError
        If the splits were made from other features or labels.
    TrainingError
        If a fold cannot be fitted, or memory does not suffice.
    """
    with measure_resources() as usage:
        data, versions = assemble_current_data(
            features=features, labels=labels, cv_splits=cv_splits, horizon=horizon
        )
        weights = row_weights_of(
            registry,
            data,
            labels,
            horizon=horizon,
            model=model,
            execution_lag_days=execution_lag_days,
        )
        models = fit_every_split(
            registry,
            data,
            horizon=horizon,
            model=model,
            execution=execution,
            row_weights=weights,
            tables=SourceTables(features, labels, cv_splits, horizon, versions),
            kept=kept_folds_of(
                checkpoints,
                registry,
                data,
                data_versions=versions,
                horizon=horizon,
                model=model,
                execution_lag_days=execution_lag_days,
            ),
        )
    provenance = provenance_of(
        registry,
        data,
        region=region,
        horizon=horizon,
        model=model,
        data_versions=versions,
        usage=usage,
    )
    return FittedModels(models=models, n_splits=data.n_splits, provenance=provenance)


def require_configured(asset: str, manifest: Manifest, registry: ModelRegistry) -> None:
    """Refuse stored models of other settings: a fit with the present ones is another model.

    Parameters
    ----------
    asset : str
        ``fitted_models`` or ``final_models``.
    manifest : Manifest
        Says what the stored models were trained with.
    registry : ModelRegistry
        Knows the present trainer, parameters, seed and weights.

    Raises
    ------
    StoreError
        Names the settings that differ, and what to materialize again.
    """
    config = registry.model(manifest.model)
    fitted = {
        "trainer": manifest.trainer,
        "seed": manifest.seed,
        "sample_weights": manifest.sample_weights,
        **manifest.params,
    }
    configured = {
        "trainer": config.trainer,
        "seed": config.seed,
        "sample_weights": config.sample_weights,
        **registry.parameters(manifest.model, manifest.horizon),
    }
    changed = sorted(
        name
        for name in {*fitted, *configured}
        if document_digest({name: fitted.get(name)})
        != document_digest({name: configured.get(name)})
    )
    if changed:
        raise StoreError(
            f"{asset} of {manifest.horizon}|{manifest.model} was trained with another "
            f"{', '.join(changed)} than the configuration now gives; materialize {asset} again"
        )
