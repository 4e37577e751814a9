"""What determines a fit: the tables of a region, and the settings of one of its partitions."""

import logging
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache, partial
from typing import Any

import numpy as np
import pandas as pd

from model2_assets.config import CrossValidationConfig, RegionConfig
from model2_assets.config.partition import Partition
from model2_assets.config.sections import SearchConfig
from model2_assets.engines import Engine, give_pages_back
from model2_assets.errors import EngineError, StoreError
from model2_assets.panel import to_canonical
from model2_assets.storage import Address, Store
from model2_assets.storage.cache import working_files_of
from model2_assets.storage.data_version import (
    INPUTS,
    data_versions_of,
    facts_of,
    require_made_from,
    stamped,
)
from model2_assets.storage.models import Manifest
from model2_assets.storage.record import document_digest
from model2_assets.training.base_models import BaseModelTrainer
from model2_assets.training.data import (
    FeatureMatrix,
    RowBlocks,
    TrainingData,
    assemble_training_data,
    blocks_of_tables,
    inner_folds_of,
    label_columns,
    panel_rows,
    positions_of,
    take_rows,
)
from model2_assets.training.model_registry import ModelRegistry
from model2_assets.training.resources import blas_kernel
from model2_assets.training.sums import (
    ColumnSums,
    Floats,
    add_in_order,
    add_up_blocks,
    count_spans,
    read_sums,
    write_sums,
)
from model2_assets.training.weights import label_spans

logger = logging.getLogger(__name__)

_SUMS_FORMAT = 4
"""Version of the files of sums, and of the way in which sums are made."""


@dataclass(frozen=True)
class TableSource:
    """Where tables are stored: what tasks in other processes are handed in their place.

    Attributes
    ----------
    base : str
        Folder or URL of the store.
    region : str
        Such as ``us``.
    working_dir : str, optional
        Folder of its working files, see `Store`.
    """

    base: str
    region: str
    working_dir: str | None = None

    def load(self) -> "Tables":
        """Read the tables; features are mapped."""
        store = Store(self.base, working_dir=self.working_dir)
        names = ("features", "labels", "cv_splits")
        return Tables(*(store.read(Address(self.region, name)) for name in names), source=self)


@dataclass(frozen=True, eq=False)
class Tables:
    """Stored features, labels and splits of a region.

    Attributes
    ----------
    features, labels, cv_splits : DataFrame
        Panel frames, with their provenance.
    source : TableSource, optional
        Where they are stored. None: they cannot be used by an engine of other processes.
    """

    features: pd.DataFrame
    labels: pd.DataFrame
    cv_splits: pd.DataFrame
    source: TableSource | None = field(default=None, kw_only=True)

    @cached_property
    def versions(self) -> Mapping[str, str]:
        """Data version of every table, by its name."""
        return data_versions_of(
            features=self.features, labels=self.labels, cv_splits=self.cv_splits
        )

    def of_horizon(self, horizon: str, *, embargo_days: int = 5) -> TrainingData:
        """Bring the tables together; splits of other features or labels are refused.

        The embargo is that of inner folds.
        """
        require_made_from("cv_splits", facts_of(self.cv_splits).get(INPUTS, {}), self.versions)
        return assemble_training_data(
            self.features, self.labels, self.cv_splits, horizon=horizon, embargo_days=embargo_days
        )

    def sums(
        self, horizon: str, engine: Engine, *, embargo_days: int = 5
    ) -> Mapping[int, ColumnSums]:
        """Read the sums of a horizon by block, or add up those of all, and keep them if possible.

        The bits are those of the rows of that horizon alone.
        """
        add_up = partial(self.add_up, engine, embargo_days=embargo_days)
        identity = {
            "format": _SUMS_FORMAT,
            "blas_kernel": blas_kernel(),
            "tables": dict(self.versions),
            "embargo_days": embargo_days,
        }
        everything = working_files_of(self.features).get(
            "ridge_sums",
            f"{document_digest(identity)}.npz",
            write=lambda path: write_sums(path, add_up()),
            read=read_sums,
        )
        label = label_columns(self.labels).index(f"label_{horizon}")
        return {block: sums.of_label(label) for block, sums in (everything or add_up()).items()}

    def add_up(self, engine: Engine, *, embargo_days: int = 5) -> Mapping[int, ColumnSums]:
        """Add up products of features with the labels of every horizon, block by block."""
        logger.info("adding up the rows of all horizons, once for all of them")
        X, labels, blocks = self.rows_to_add_up(embargo_days)
        if engine.is_local:
            return add_up_blocks(X, labels, blocks, n_threads=engine.n_at_once)
        task = partial(_add_up_span, self.for_workers(), embargo_days)
        return add_in_order(engine.map(task, range(count_spans(blocks))))

    def rows_to_add_up(self, embargo_days: int) -> tuple[FeatureMatrix, Floats, RowBlocks]:
        """Return features, labels of every horizon, and blocks of the rows of the splits."""
        cv_splits = to_canonical(self.cv_splits)
        index = panel_rows(cv_splits)
        label_rows = positions_of(self.labels, index, "labels")
        labels = self.labels[label_columns(self.labels)].to_numpy(dtype=np.float64)
        # The blocks are those of any horizon.
        inner = inner_folds_of(
            self.labels, cv_splits, label_rows, embargo_days=embargo_days, horizon="1d"
        )
        return (
            take_rows(self.features, positions_of(self.features, index, "features")),
            labels[label_rows],
            blocks_of_tables(self.labels, cv_splits, label_rows, inner),
        )

    def for_workers(self) -> "SharedTables":
        """Return what tasks in other processes are handed in their place."""
        if self.source is None:
            raise EngineError(
                "execution.engine: workers read tables from a store, and these are none of one; "
                "use engine local"
            )
        return SharedTables(self.source, tuple(sorted(self.versions.items())))

    def roles(self, horizon: str, *, embargo_days: int = 5) -> TrainingData:
        """Do as `of_horizon` does, but for the values of the features, which take the space."""
        return assemble_training_data(
            self.features[[]],
            self.labels,
            self.cv_splits,
            horizon=horizon,
            embargo_days=embargo_days,
        )


@dataclass(frozen=True)
class SharedTables:
    """Stored tables of certain data versions, of which a worker keeps the last that it read."""

    source: TableSource
    versions: tuple[tuple[str, str], ...]

    def load(self) -> Tables:
        """Return the tables, read once by a process; those of other versions are refused."""
        with _one_reads:
            return _read_tables(self)


_one_reads = threading.Lock()


@lru_cache(maxsize=1)
def _read_tables(shared: SharedTables) -> Tables:
    tables = shared.source.load()
    give_pages_back(tables.features.to_numpy())
    for name, version in shared.versions:
        if tables.versions[name] != version:
            raise EngineError(
                f"{shared.source.base}: a worker finds {name} of version "
                f"{tables.versions[name][:12]} there, the step was given {version[:12]}; let "
                f"workers see the same store, and run again"
            )
    return tables


def _add_up_span(shared: SharedTables, embargo_days: int, span: int) -> dict[int, ColumnSums]:
    return add_up_blocks(*_rows_of_shared(shared, embargo_days), span=span)


@lru_cache(maxsize=1)
def _rows_of_shared(
    shared: SharedTables, embargo_days: int
) -> tuple[FeatureMatrix, Floats, RowBlocks]:
    return shared.load().rows_to_add_up(embargo_days)


@dataclass(frozen=True, eq=False)
class Task:
    """Everything besides the tables that determines the models of one partition.

    How many cores and how much memory the fits may use is not part of it: results do not
    depend on these.

    Attributes
    ----------
    region : str
        Such as ``us``.
    partition : Partition
        Horizon and model.
    trainer : str
        Import path of the trainer, ``package.module:Class``.
    unfitted : BaseModelTrainer
        A trainer of that class with the parameters and the seed of every fit.
    sample_weights : {"none", "uniqueness"}
        What weighs the train rows.
    calibration : {"inner_slope", "none"}
        Whether predictions are made as large as what was learnt, see `calibrate`.
    execution_lag_days : int
        Own bars from a row to its entry, which weights of rows depend on.
    cross_validation : CrossValidationConfig
        How the splits were made: inner folds have their embargo.
    search : SearchConfig, optional
        How every split chooses hyper-parameters, see `ParameterSearch`.
    """

    region: str
    partition: Partition
    trainer: str
    unfitted: BaseModelTrainer
    sample_weights: str = "none"
    calibration: str = "none"
    execution_lag_days: int = 1
    cross_validation: CrossValidationConfig = field(default_factory=CrossValidationConfig)
    search: SearchConfig | None = None

    @classmethod
    def of(
        cls,
        registry: ModelRegistry,
        partition: Partition,
        *,
        region: str,
        settings: RegionConfig | None = None,
    ) -> "Task":
        """Look up a partition among the models of a region, whose own settings have defaults."""
        model, settings = registry.model(partition.model), settings or RegionConfig()
        return cls(
            region=region,
            partition=partition,
            trainer=model.trainer,
            unfitted=registry.trainer(partition.model, partition.horizon),
            sample_weights=model.sample_weights,
            calibration=registry.calibration(partition.model),
            execution_lag_days=settings.labels.execution_lag_days,
            cross_validation=settings.cross_validation,
            search=model.search,
        )

    @property
    def bars(self) -> int:
        """Own bars of an instrument from a row to its exit."""
        return self.execution_lag_days + self.partition.days

    @property
    def settings(self) -> dict[str, Any]:
        """What a stored result says of the settings that it was made with."""
        return {
            "trainer": self.trainer,
            "params": dict(self.unfitted.params),
            "seed": self.unfitted.seed,
            "sample_weights": self.sample_weights,
            "calibration": self.calibration,
            "search": {} if self.search is None else self.search.model_dump(mode="json"),
        }

    def mark(self, frame: pd.DataFrame, inputs: Mapping[str, str], **facts: Any) -> pd.DataFrame:
        """Return a table of the partition with its provenance, for the store."""
        return stamped(
            frame,
            inputs=inputs,
            region=self.region,
            horizon=self.partition.horizon,
            model=self.partition.model,
            **facts,
        )

    @property
    def embargo_days(self) -> int:
        """Panel dates that are left out after what inner folds hold out, besides the purged."""
        return self.cross_validation.embargo_days

    @property
    def calibrates(self) -> bool:
        """Whether predictions are made as large as what was learnt."""
        return self.calibration == "inner_slope"

    @property
    def n_threads(self) -> int:
        """Threads that one fit keeps busy, whatever else there are."""
        return int(self.unfitted.params.get("n_threads", 1))

    def fit_bytes_per_value(self, n_rows: int) -> float:
        """Return the memory of a fit on `n_rows` rows, for each value of their matrix, in bytes."""
        return self.unfitted.fit_bytes_per_value / self.unfitted.date_stride(n_rows)

    def external_bytes_per_value(self, n_rows: int) -> float | None:
        """Return the same of a fit in external memory; None where the trainer knows none."""
        of_a_row = self.unfitted.external_bytes_per_value
        return None if of_a_row is None else of_a_row / self.unfitted.date_stride(n_rows)

    def make_trainer(self, chosen: Mapping[str, Any] | None = None) -> BaseModelTrainer:
        """Return a new, unfitted trainer, with the searched ones of the parameters chosen."""
        space = self.search.space if self.search is not None else ()
        searched = {name: value for name, value in (chosen or {}).items() if name in space}
        return self.unfitted.with_params(searched)

    def training_data(self, tables: Tables) -> TrainingData:
        """Return what the fits are made from; see `Tables.of_horizon`."""
        data = tables.of_horizon(self.partition.horizon, embargo_days=self.embargo_days)
        return self.weighted(data, tables.labels)

    def weighted(self, data: TrainingData, labels: pd.DataFrame) -> TrainingData:
        """Return the data with weights of its rows, if rows do not all count alike.

        It is the average uniqueness of a row's label among the labels of the train rows.
        """
        if self.sample_weights == "none":
            return data
        spans = label_spans(
            data.index,
            labels,
            horizon=self.partition.horizon,
            execution_lag_days=self.execution_lag_days,
        )
        return replace(data, row_weights=spans.weights)

    def require_same_settings(self, asset: str, manifest: Manifest) -> None:
        """Refuse stored models of other settings, by name: a fit with these is another model."""
        stored = {name: getattr(manifest, name) for name in self.settings}
        # Each parameter by its own name, for the message.
        fitted, configured = (
            {**given, **given["params"], "params": None} for given in (stored, self.settings)
        )
        changed = sorted(
            name
            for name in {*fitted, *configured}
            if document_digest({name: fitted.get(name)})
            != document_digest({name: configured.get(name)})
        )
        if changed:
            raise StoreError(
                f"{asset} of {self.partition.key} was trained with another "
                f"{', '.join(changed)} than the configuration now gives; materialize {asset} again"
            )
