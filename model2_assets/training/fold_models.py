"""From the tables of a region to fold models: in this process, or by the workers of an engine."""

import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial

import pandas as pd

from model2_assets.config import ExecutionConfig
from model2_assets.engines import Engine, Workers, open_engine
from model2_assets.errors import TrainingError
from model2_assets.storage.models import ModelFile, Provenance, models_digest
from model2_assets.training.base_models import FoldModel
from model2_assets.training.checkpoints import FoldCheckpoints, KeptFolds
from model2_assets.training.data import TrainingData, hash_row_order
from model2_assets.training.fit import FitResources, fit_splits, uses_sums
from model2_assets.training.models import fold_model, installed_versions, model_file
from model2_assets.training.resources import (
    ResourceUsage,
    blas_kernel,
    estimate_training_bytes,
    fits_in_memory,
    measure_resources,
    usable_cores,
)
from model2_assets.training.search import ParameterSearch
from model2_assets.training.sums import ColumnSums
from model2_assets.training.task import SharedTables, Tables, Task

logger = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class FittedModels:
    """Models before they are stored, and where they come from."""

    models: tuple[FoldModel, ...]
    provenance: Provenance

    @property
    def n_reused(self) -> int:
        """Models that an interrupted run had fitted already."""
        return sum(model.fitted_at is not None for model in self.models)

    @property
    def n_external(self) -> int:
        """Models that were fitted in external memory."""
        return sum(model.external for model in self.models)

    @property
    def data_version(self) -> str:
        """Digest of every model, as the manifest will state it."""
        return models_digest(
            {model.split_id: model.digest() for model in self.models},
            trainer=self.provenance.trainer,
            params=self.provenance.params,
        )

    @property
    def chosen_params(self) -> pd.DataFrame:
        """Parameters that splits have chosen on their train rows: by ``split_id``."""
        chosen = [{"split_id": model.split_id, **model.chosen_params} for model in self.models]
        return pd.DataFrame([row for row in chosen if len(row) > 1])

    @property
    def calibrations(self) -> pd.DataFrame:
        """How much of their predictions holds: by ``split_id`` what `Calibration` states."""
        stated = [
            {"split_id": model.split_id, **asdict(model.calibration)}
            for model in self.models
            if model.calibration is not None
        ]
        return pd.DataFrame(stated)

    @property
    def library_versions(self) -> Mapping[str, str]:
        """Version of every distribution that the stored files will depend on."""
        return installed_versions(self.models[0].trainer.libraries)

    def files(self) -> Iterator[tuple[ModelFile, bytes]]:
        """Yield the models as the store takes them, by ascending split."""
        for model in sorted(self.models, key=lambda model: model.split_id):
            yield model_file(model, self.provenance.kind)


def fit_every_split(
    task: Task,
    data: TrainingData,
    execution: ExecutionConfig,
    *,
    tables: Tables | None = None,
    kept: KeptFolds | None = None,
    known_sums: Mapping[int, ColumnSums] | None = None,
) -> tuple[FoldModel, ...]:
    """Fit a model on every split, as many at once as memory allows.

    Without `tables`, which `data` come from, nothing is kept for other horizons, and all is done
    in this process. Models that are finished are taken from `kept`, checkpoints of these very
    fits, and put there. `known_sums` are the `shared_sums`, where they are there already.
    """
    started = time.monotonic()
    models = kept.read(data.n_splits) if kept else []
    n_reused = len(models)
    left = sorted(set(range(data.n_splits)) - {model.split_id for model in models})
    if not left:
        return tuple(models)
    n_threads = execution.n_jobs or usable_cores()
    wanted = execution if tables is not None else ExecutionConfig()
    with open_engine(wanted, n_threads=n_threads) as engine:
        if known_sums is None and tables is not None:
            known_sums = shared_sums(task, data, tables, engine)
        if engine.is_local or known_sums is not None:
            fitted = _fitted_here(task, data, left, execution, known_sums, kept)
        else:
            assert tables is not None
            fitted = _fitted_by_workers(task, data, left, tables, engine)
        for model in fitted:
            if kept:
                kept.keep(model)
            models.append(model)
            elapsed_s, n_fitted = time.monotonic() - started, len(models) - n_reused
            logger.info(
                "%s split %d fitted in %.1f s on %d rows, to predict %d; %d of %d done, "
                "%.0f s elapsed, about %.0f s remaining",
                type(model.trainer).__name__,
                model.split_id,
                model.seconds,
                model.n_train,
                model.n_test,
                len(models),
                data.n_splits,
                elapsed_s,
                elapsed_s / n_fitted * (data.n_splits - len(models)),
            )
    return tuple(sorted(models, key=lambda model: model.split_id))


def _fitted_here(
    task: Task,
    data: TrainingData,
    split_ids: Sequence[int],
    execution: ExecutionConfig,
    known_sums: Mapping[int, ColumnSums] | None,
    kept: KeptFolds | None,
) -> Iterator[FoldModel]:
    """Fit splits in this process, as many at once as fit into its memory."""
    n_threads = execution.n_jobs or usable_cores()
    wanted = min(execution.n_jobs or max(1, n_threads // task.n_threads), len(split_ids))
    data, n_jobs = within_memory(task, data, execution, wanted=wanted)
    _say_what_is_fitted(task, data, len(split_ids), f"{n_jobs} at once")
    return fit_splits(
        task.make_trainer,
        data,
        split_ids,
        calibrates=task.calibrates,
        search=ParameterSearch.of(task, kept.study if kept else None),
        resources=FitResources(n_jobs, n_threads, known_sums),
    )


def _fitted_by_workers(
    task: Task, data: TrainingData, split_ids: Sequence[int], tables: Tables, engine: Engine
) -> Iterator[FoldModel]:
    """Fit splits by workers, each on one that reads the tables from their store, or on all."""
    shared = tables.for_workers()
    reason = lack_of_worker_memory(task, data, allowed=engine.task_memory_bytes)
    if not reason:
        _say_what_is_fitted(
            task, data, len(split_ids), f"side by side on {engine.n_workers} workers"
        )
        fit = partial(_fit_on_worker, task, shared)
        for file, content in engine.map(fit, split_ids, ordered=False):
            yield fold_model(file, type(task.unfitted).from_bytes(content))
        return
    _say_what_is_fitted(task, data, len(split_ids), f"each by {engine.n_workers} workers: {reason}")
    yield from fit_splits(
        task.make_trainer,
        data,
        split_ids,
        calibrates=task.calibrates,
        search=ParameterSearch.of(task),
        resources=FitResources(workers=Workers(engine, shared.source.base)),
    )


def lack_of_worker_memory(task: Task, data: TrainingData, *, allowed: int | None) -> str:
    """Say why a fit has to be made by all workers together; empty where it fits one.

    A `TrainingError` refuses one of a trainer that cannot be.
    """
    of_a_value, (n_rows, n_features) = task.fit_bytes_per_value(data.n_rows), data.X.shape
    # The pages of the mapped matrix do not stay.
    needed = estimate_training_bytes((n_rows, 0), 1, 0) + n_rows * n_features * of_a_value
    if allowed is None or needed <= allowed:
        return ""
    reason = f"one needs about {needed / 1e9:.1f} GB, and a worker has {allowed / 1e9:.1f} GB"
    if not task.unfitted.fits_by_workers:
        raise TrainingError(
            f"{type(task.unfitted).__name__} cannot be fitted by several workers together: "
            f"{reason} a thread; give workers more memory, or train on fewer instruments or dates"
        )
    return reason


def _fit_on_worker(task: Task, shared: SharedTables, split_id: int) -> tuple[ModelFile, bytes]:
    """Fit a split as `fit_splits` does in any process, on one thread or those of the trainer."""
    data = task.training_data(shared.load())
    (model,) = fit_splits(
        task.make_trainer,
        data,
        [split_id],
        calibrates=task.calibrates,
        search=ParameterSearch.of(task),
    )
    return model_file(model)


def _say_what_is_fitted(task: Task, data: TrainingData, n_splits: int, how: str) -> None:
    logger.info(
        "%s: fitting %d splits, %s, on %s rows × %d features",
        task.partition.key,
        n_splits,
        how,
        f"{data.n_rows:,}",
        len(data.feature_names),
    )


def within_memory(
    task: Task, data: TrainingData, execution: ExecutionConfig, *, wanted: int = 1
) -> tuple[TrainingData, int]:
    """Return data whose fits keep within memory, and how many may run at once."""
    memory = fits_in_memory(
        wanted,
        data.X.shape,
        task.fit_bytes_per_value(data.n_rows),
        execution.max_rss_gb,
        external_bytes_per_value=task.external_bytes_per_value(data.n_rows),
    )
    return replace(data, is_external=True) if memory.external else data, memory.n_jobs


def shared_sums(
    task: Task, data: TrainingData, tables: Tables, engine: Engine
) -> Mapping[int, ColumnSums] | None:
    """Return the sums that fits of all splits are made from, whatever the parameters, if any."""
    if not uses_sums(task.unfitted, data):
        return None
    return tables.sums(task.partition.horizon, engine, embargo_days=task.embargo_days)


def provenance_of(
    task: Task, data: TrainingData, *, data_versions: dict[str, str], usage: ResourceUsage
) -> Provenance:
    """Return where models come from, as the manifest will state it."""
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
        kept = checkpoints.of_fits(task, tables, data) if checkpoints else None
        models = fit_every_split(task, data, execution, tables=tables, kept=kept)
    provenance = provenance_of(task, data, data_versions=dict(tables.versions), usage=usage)
    return FittedModels(models, provenance)
