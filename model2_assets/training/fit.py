"""From tables to the fold models of one horizon and model."""

import hashlib
import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from model2_assets.config import ExecutionConfig
from model2_assets.storage.models import ModelBytes, Provenance, models_digest
from model2_assets.training.base_models import FoldModel, cross_validate
from model2_assets.training.checkpoints import FoldCheckpoints, KeptFolds
from model2_assets.training.data import SourceTables, TrainingData, hash_row_order
from model2_assets.training.models import installed_versions, model_bytes
from model2_assets.training.resources import (
    ResourceUsage,
    blas_kernel,
    fit_n_jobs_to_memory,
    measure_resources,
    usable_cores,
)
from model2_assets.training.task import Tables, Task

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

    @property
    def library_versions(self) -> Mapping[str, str]:
        """Version of every distribution that the stored files will depend on."""
        return installed_versions(self.models[0].trainer.libraries) if self.models else {}

    def model_bytes(self) -> Iterator[ModelBytes]:
        """Yield the models as the store takes them, by ascending split."""
        return map(model_bytes, sorted(self.models, key=lambda model: model.split_id))


def kept_folds_of(
    checkpoints: FoldCheckpoints | None, task: Task, tables: Tables, data: TrainingData
) -> KeptFolds | None:
    """Return the checkpoints of these very fits; None where nothing may be kept."""
    if checkpoints is None:
        return None
    determined_by = {
        "data_versions": dict(tables.versions),
        "horizon": task.partition.horizon,
        "rows": hash_row_order(data.index),
        # All splits together: what Ridge adds up in one block, and so its last bits, depends
        # on the roles of all of them.
        "roles": hashlib.sha256(data.roles.data).hexdigest(),
        "feature_names": data.feature_names,
        **task.settings,
        "execution_lag_days": task.execution_lag_days,
    }
    return checkpoints.of_fits(determined_by, task.trainer_class)


def fit_every_split(
    task: Task,
    data: TrainingData,
    execution: ExecutionConfig,
    *,
    tables: Tables | None = None,
    kept: KeptFolds | None = None,
) -> tuple[FoldModel, ...]:
    """Fit a model on every split, as many at once as memory allows.

    Parameters
    ----------
    task : Task
        Makes the trainers.
    data : TrainingData
        Features, labels and roles.
    execution : ExecutionConfig
        How many splits at once, and how much memory.
    tables : Tables, optional
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
        If a split cannot be fitted, or memory does not suffice.
    """
    finished = () if kept is None else kept.read(data.n_splits)
    n_left = data.n_splits - len(finished)
    if not n_left:
        return finished
    trainer = task.make_trainer()
    n_jobs = fit_n_jobs_to_memory(
        min(execution.n_jobs or max(1, usable_cores() // trainer.n_threads), n_left),
        n_splits=n_left,
        n_rows=data.n_rows,
        n_features=len(data.feature_names),
        max_rss_gb=execution.max_rss_gb,
        fit_bytes_per_value=trainer.fit_bytes_per_value / trainer.date_stride(data.n_rows),
    )
    logger.info(
        "%s: fitting %d folds, %d at once, on %s rows × %d features",
        task.partition.key,
        n_left,
        n_jobs,
        f"{data.n_rows:,}",
        len(data.feature_names),
    )
    horizon = task.partition.horizon
    source = (
        None
        if tables is None
        else SourceTables(
            tables.features, tables.labels, tables.cv_splits, horizon, tables.versions
        )
    )
    return cross_validate(
        task.make_trainer,
        data,
        n_jobs=n_jobs,
        tables=source,
        finished=finished,
        on_model=None if kept is None else kept.keep,
    )


def provenance_of(
    task: Task, data: TrainingData, *, data_versions: dict[str, str], usage: ResourceUsage
) -> Provenance:
    """Return where models come from, as the manifest will state it.

    Parameters
    ----------
    task : Task
        The settings of the models.
    data : TrainingData
        What they were fitted on.
    data_versions : dict of str to str
        Data version of every table that they were made from.
    usage : ResourceUsage
        What fitting cost.

    Returns
    -------
    Provenance
        That of fold models.
    """
    return Provenance(
        region=task.region,
        horizon=task.partition.horizon,
        model=task.partition.model,
        **task.settings,
        feature_names=data.feature_names,
        data_versions=data_versions,
        row_order_hash=hash_row_order(data.index),
        blas_kernel=blas_kernel(),
        seconds=usage.seconds,
        peak_rss_bytes=usage.peak_rss_bytes,
    )


def fit_models(
    task: Task,
    tables: Tables,
    execution: ExecutionConfig,
    *,
    checkpoints: FoldCheckpoints | None = None,
) -> FittedModels:
    """Fit one model for one horizon on every split.

    Parameters
    ----------
    task : Task
        What determines the models.
    tables : Tables
        Stored features, labels and splits.
    execution : ExecutionConfig
        How many splits at once, and how much memory.
    checkpoints : FoldCheckpoints, optional
        Where finished models stay in case that this run is interrupted, and those of a run
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
        If a split cannot be fitted, or memory does not suffice.
    """
    with measure_resources() as usage:
        data = task.training_data(tables)
        kept = kept_folds_of(checkpoints, task, tables, data)
        models = fit_every_split(task, data, execution, tables=tables, kept=kept)
    provenance = provenance_of(task, data, data_versions=dict(tables.versions), usage=usage)
    return FittedModels(models=models, n_splits=data.n_splits, provenance=provenance)
