"""One region of the configuration, as the asset builders see it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import dagster as dg

from model2_assets.config import Model2Config, RegionConfig
from model2_assets.config.partition import Partition
from model2_assets.contracts import load_contract
from model2_assets.defs.alerts import alert_hook
from model2_assets.defs.code_versions import code_version
from model2_assets.defs.io_manager import address_of
from model2_assets.defs.nightly import nightly_condition
from model2_assets.defs.partitions import column_schema, model_partitions
from model2_assets.defs.steps import Body, measured, turn_key
from model2_assets.storage import PRODUCTS, Address, Store

if TYPE_CHECKING:
    from model2_assets.training import FoldCheckpoints, Task


OWNERS = ("team:model2",)
IO_MANAGER_KEY = "store"
STORED = "stored"
"""Name of the check that reads an asset again from disk."""


@dataclass(frozen=True)
class CheckText:
    """What a check promises, for the UI, and whether its failure stops what follows."""

    description: str
    blocking: bool = True


@dataclass(frozen=True)
class Region:
    """A region's name, settings and store.

    Attributes
    ----------
    name : str
        The key prefix of its assets.
    config : Model2Config
        The whole configuration.
    store : Store
        Where results are.
    """

    name: str
    config: Model2Config
    store: Store

    @property
    def settings(self) -> RegionConfig:
        """The region's own section of the configuration."""
        return self.config.region(self.name)

    @property
    def models(self) -> tuple[str, ...]:
        """Names of its models."""
        return tuple(self.config.models_of(self.name))

    @cached_property
    def partitions(self) -> dg.MultiPartitionsDefinition:
        """Its horizon × model partitions."""
        return model_partitions(self.settings.labels.horizon_keys, self.models)

    @property
    def partition_keys(self) -> tuple[str, ...]:
        """Keys of its partitions, horizon by horizon."""
        return tuple(
            Partition(horizon, model).key
            for horizon in self.settings.labels.horizon_keys
            for model in self.models
        )

    @cached_property
    def specs(self) -> dict[dg.AssetKey, dg.AssetSpec]:
        """Its assets as declared, in the order of the graph."""
        from model2_assets.defs.assets import region_assets

        specs = [spec for asset in region_assets(self) for spec in asset.specs]
        return {spec.key: spec for spec in specs}

    def key(self, asset: str) -> dg.AssetKey:
        """Return the key of one of its assets."""
        return dg.AssetKey([self.name, asset])

    def stored_check(self, asset: str) -> dg.AssetCheckKey:
        """Return the key of the check that reads one of its assets again from disk."""
        return dg.AssetCheckKey(self.key(asset), STORED)

    def inputs(self, *assets: str) -> dict[str, dg.AssetIn]:
        """Return the inputs of an asset body, by parameter name."""
        return {asset: dg.AssetIn(key=self.key(asset)) for asset in assets}

    def asset(
        self,
        name: str,
        *,
        description: str | None,
        inputs: tuple[str, ...] = (),
        checks: Mapping[str, CheckText],
        partitioned: bool = False,
        kinds: tuple[str, ...] = (),
        pool: str | None = None,
    ) -> Callable[[Body], dg.AssetsDefinition]:
        """Return ``dagster.asset`` with the policy that all assets of a region share.

        Parameters
        ----------
        name : str
            Name of the asset.
        description : str or None
            What it is: the docstring of its module.
        inputs : tuple of str
            Assets that its body takes, by parameter name.
        checks : mapping of str to CheckText
            Checks that its body evaluates before it publishes.
        partitioned : bool, default False
            Whether it has horizon × model partitions.
        kinds : tuple of str
            Kinds shown in the UI, besides that of the file.
        pool : str, optional
            Concurrency pool of the step.

        Returns
        -------
        callable
            Decorator of the asset's body, whose costs are measured.
        """
        partitions = self.partitions if partitioned else None
        decorate: Callable[[Body], dg.AssetsDefinition] = dg.asset(
            key=self.key(name),
            ins=self.inputs(*inputs),
            group_name=self.name,
            description=description,
            owners=list(OWNERS),
            kinds={*kinds, _FILE_KINDS[PRODUCTS[name].format]},
            code_version=code_version(name, self.config, self.name),
            metadata=self._definition_metadata(name),
            io_manager_key=IO_MANAGER_KEY,
            required_resource_keys={turn_key(self.name)},
            automation_condition=nightly_condition(self, first=not inputs),
            partitions_def=partitions,
            pool=pool,
            hooks={alert_hook(self.config.alerts)},
            check_specs=[
                dg.AssetCheckSpec(
                    check,
                    asset=self.key(name),
                    description=text.description,
                    blocking=text.blocking,
                    partitions_def=partitions,
                )
                for check, text in checks.items()
            ],
        )
        return lambda body: decorate(measured(body))

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
            code_version=context.assets_def.code_versions_by_key[context.asset_key] or "",
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
        contract_name = PRODUCTS[asset].contract
        if contract_name is None:
            return {}
        names = self._known_columns(asset)
        return {
            "dagster/column_schema": column_schema(load_contract(contract_name), names),
            "contract": contract_name,
        }

    def _known_columns(self, asset: str) -> tuple[str, ...]:
        """Return columns whose names follow from the configuration."""
        if asset == "labels":
            return tuple(
                f"{column}_{horizon}"
                for horizon in self.settings.labels.horizon_keys
                for column in ("forward_return", "label", "label_end")
            )
        if asset == "stacking_frame":
            horizons = self.settings.labels.horizon_keys
            columns = (f"oof_{h}_{model}" for h in horizons for model in self.models)
            labels = (f"{name}_{h}" for h in horizons for name in ("label", "label_end"))
            return (*columns, *labels)
        if asset == "cv_splits":
            return self.settings.cross_validation.role_column_names(
                self.settings.labels.horizon_keys
            )
        return ()


_FILE_KINDS = {"parquet": "parquet", "json_lines": "json", "fold_models": "file", "html": "html"}
