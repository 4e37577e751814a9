"""One region of the configuration: its partitions, and the policy that all its assets share."""

import inspect
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import dagster as dg

from model2_assets.checks.catalogue import STORED, checks_of
from model2_assets.config import Model2Config, RegionConfig
from model2_assets.config.partition import Partition
from model2_assets.contracts import load_contract
from model2_assets.defs.alerts import alert_hooks
from model2_assets.defs.code_versions import code_version
from model2_assets.defs.io_manager import address_of
from model2_assets.defs.recorded import Results
from model2_assets.defs.steps import Body, lock_key, measured
from model2_assets.storage import PRODUCTS, Address, Store

if TYPE_CHECKING:
    from model2_assets.training import FoldCheckpoints, Task

HORIZON, MODEL = "horizon", "model"
"""Dimensions of the partitions; Dagster orders them by name, so keys read ``21d|ridge``."""

OWNERS = ("team:model2",)
IO_MANAGER_KEY = "store"
ACCEPTED_PREVIEWS = {
    "Specifying a partitions_def on an AssetCheckSpec is currently in preview": dg.PreviewWarning,
    "Parameter `execution_type` of function `AssetsDefinition.__init__`": dg.BetaWarning,
}
"""Starts of the warnings' messages, and their kinds.

Check results per partition need the first: without, the result of the last partition
overwrites the others'. The second is Dagster's own doing where a check is given a hook.
"""

_FILE_KINDS = {"parquet": "parquet", "json_lines": "json", "fold_models": "file", "html": "html"}


@contextmanager
def accepted_previews() -> Iterator[None]:
    """Silence the warnings of the accepted previews, and no others."""
    with warnings.catch_warnings():
        for message, category in ACCEPTED_PREVIEWS.items():
            warnings.filterwarnings("ignore", message=message, category=category)
        yield


@dataclass(frozen=True)
class JobNames:
    """Names of a region's jobs."""

    preparation: str
    training: str
    summary: str


def job_names(region: str) -> JobNames:
    """Return the names of a region's jobs."""
    return JobNames(f"{region}_preparation", f"{region}_training", f"{region}_summary")


@dataclass(frozen=True)
class Region:
    """A region's name, which prefixes the keys of its assets, the whole configuration, the store.

    `specs` are its assets as declared, in the order of the graph; they come in as they are built.
    """

    name: str
    config: Model2Config
    store: Store
    specs: dict[dg.AssetKey, dg.AssetSpec] = field(default_factory=dict, repr=False, compare=False)

    @property
    def settings(self) -> RegionConfig:
        """The region's own section of the configuration."""
        return self.config.region(self.name)

    @property
    def models(self) -> tuple[str, ...]:
        """Names of its models."""
        return tuple(self.config.models_of(self.name))

    @property
    def horizons(self) -> tuple[str, ...]:
        """Its horizons, such as ``21d``."""
        return tuple(self.settings.labels.horizon_keys)

    @cached_property
    def partitions(self) -> dg.MultiPartitionsDefinition:
        """Its horizon × model partitions."""
        return dg.MultiPartitionsDefinition(
            {
                HORIZON: dg.StaticPartitionsDefinition(list(self.horizons)),
                MODEL: dg.StaticPartitionsDefinition(list(self.models)),
            }
        )

    @property
    def partition_keys(self) -> tuple[str, ...]:
        """Keys of its partitions, horizon by horizon."""
        return tuple(each.key for each in self.config.partitions_of(self.name))

    def key(self, asset: str) -> dg.AssetKey:
        """Return the key of one of its assets."""
        return dg.AssetKey([self.name, asset])

    def stored_check(self, asset: str) -> dg.AssetCheckKey:
        """Return the key of the check that reads one of its assets again from disk."""
        return dg.AssetCheckKey(self.key(asset), STORED.name)

    def results(self, instance: dg.DagsterInstance) -> Results:
        """Return what an instance recorded of its assets, which have to be built."""
        return Results(instance, self.specs, self.partition_keys)

    def asset(
        self, *, partitioned: bool = False, kinds: tuple[str, ...] = (), pool: str | None = None
    ) -> Callable[[Body], dg.AssetsDefinition]:
        """Return ``dagster.asset`` with the policy that all assets of a region share.

        The body's name is that of the asset, its parameters after the context are the assets that
        it reads, and its docstring describes it. Its costs are measured, and it evaluates the
        checks of the catalogue before it publishes. `kinds` are shown in the UI besides that of
        the file; `pool` is the step's concurrency pool.
        """
        partitions = self.partitions if partitioned else None

        def decorate(body: Body) -> dg.AssetsDefinition:
            name, (_, *sources) = body.__name__, inspect.signature(body).parameters
            asset: dg.AssetsDefinition = dg.asset(
                key=self.key(name),
                ins={source: dg.AssetIn(key=self.key(source)) for source in sources},
                group_name=self.name,
                description=inspect.getdoc(body),
                owners=list(OWNERS),
                kinds={*kinds, _FILE_KINDS[PRODUCTS[name].format]},
                code_version=code_version(name, self.config, self.name),
                metadata=self._definition_metadata(name),
                io_manager_key=IO_MANAGER_KEY,
                required_resource_keys={lock_key(self.name)},
                partitions_def=partitions,
                pool=pool,
                hooks=alert_hooks(self.config.alerts),
                check_specs=[
                    dg.AssetCheckSpec(
                        check.name,
                        asset=self.key(name),
                        description=check.promise,
                        blocking=check.blocking,
                        partitions_def=partitions,
                    )
                    for check in checks_of(name, self.config, self.name)
                ],
            )(measured(body))
            self.specs[self.key(name)] = asset.get_asset_spec(self.key(name))
            return asset

        return decorate

    def address(self, context: dg.AssetExecutionContext) -> Address:
        """Return where the result of the running step belongs."""
        key = context.partition_key if context.has_partition_key else None
        return address_of(context.asset_key, key)

    def checkpoints(self, context: dg.AssetExecutionContext) -> "FoldCheckpoints":
        """Return where finished folds of the running step stay until all are."""
        from model2_assets.training import FoldCheckpoints

        working = self.store.working_files(self.name).folder
        return FoldCheckpoints(
            root=working / "fold_checkpoints" if working else None,
            partition=self.address(context).parts[1:],
            code_version=self.specs[context.asset_key].code_version or "",
        )

    def task(self, context: dg.AssetExecutionContext) -> "Task":
        """Return what determines the models of the partition that is made."""
        from model2_assets.training import ModelRegistry, Task

        return Task.of(
            ModelRegistry.from_config(self.config, self.name),
            Partition.parse(context.partition_key),
            region=self.name,
            execution_lag_days=self.settings.labels.execution_lag_days,
        )

    def _definition_metadata(self, asset: str) -> dict[str, Any]:
        contract = PRODUCTS[asset].contract
        if contract is None:
            return {}
        columns = column_schema(contract, self._known_columns(asset))
        return {"dagster/column_schema": columns, "contract": contract}

    def _known_columns(self, asset: str) -> tuple[str, ...]:
        """Return columns whose names follow from the configuration."""
        if asset == "labels":
            return _columns(("forward_return", "label", "label_end"), self.horizons)
        if asset == "stacking_frame":
            predictions = (f"oof_{h}_{model}" for h in self.horizons for model in self.models)
            return (*predictions, *_columns(("label", "label_end"), self.horizons))
        if asset == "cv_splits":
            return self.settings.cross_validation.role_column_names(self.horizons)
        return ()


def _columns(names: tuple[str, ...], horizons: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(f"{name}_{horizon}" for horizon in horizons for name in names)


def column_schema(contract_name: str, names: tuple[str, ...] = ()) -> dg.TableSchema:
    """Return a contract's fixed columns, and those of some names, as Dagster shows them."""
    contract = load_contract(contract_name)
    return dg.TableSchema(
        columns=[
            dg.TableColumn(
                name=name,
                type=column.arrow_type,
                description=f"{column.description} Unit: {column.unit}.",
                constraints=dg.TableColumnConstraints(nullable=column.nullable),
            )
            for name, column in contract.described(names)
            if column.required or column.name in contract.schema["properties"] or name in names
        ],
    )
