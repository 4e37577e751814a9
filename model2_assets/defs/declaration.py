"""How an asset is declared, and what Dagster is told of it.

An asset's code version digests the sources of the core that compute it, the settings that it is
given, the limits that its checks hold it to, and the modules of a team's own code that these
name. An edit of any of them makes the asset stale. All partitions share a version, so the
settings of a model are an asset of their own.
"""

import inspect
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import dagster as dg
from pydantic import TypeAdapter

from model2_assets.checks.catalogue import checks_of, limits_of
from model2_assets.contracts import load_contract
from model2_assets.defs.alerts import alert_hooks
from model2_assets.defs.code_version import code_version
from model2_assets.defs.io_manager import ALL_PARTITIONS
from model2_assets.defs.publication import Body, Step, make_and_publish
from model2_assets.defs.region import IO_MANAGER_KEY, Region, Stage
from model2_assets.defs.steps import lock_key
from model2_assets.storage import PRODUCTS

OWNERS = ("team:model2",)

_FILE_KINDS = {"parquet": "parquet", "json_lines": "json", "fold_models": "file", "html": "html"}
_AS_JSON = TypeAdapter(object)
_SCORES = ("oof_predictions", "oof_paths", "cv_scores")
"""Made before what could be made beside them: scores are what a run is waited for."""


@dataclass(frozen=True)
class Asset:
    """An asset as declared.

    Its name is that of its body, which takes the step and the assets that it reads, by name, and
    whose docstring describes it. `kinds` are shown in the UI besides that of the file; `pool` is
    the step's concurrency pool. `sources` are the files and folders of this package that compute
    it, `settings` returns what it is given of a region's, `follows` are assets that it depends on
    without reading them, `is_wanted` tells whether a region has it.
    """

    body: Body
    stage: Stage
    sources: tuple[str, ...]
    settings: Callable[[Region], object]
    follows: tuple[str, ...]
    kinds: tuple[str, ...]
    pool: str | None
    is_wanted: Callable[[Region], bool]

    @property
    def name(self) -> str:
        """Its name, such as ``labels``."""
        return self.body.__name__

    def build(self, region: Region) -> dg.AssetsDefinition:
        """Return the asset of a region, with the policy that all of them share."""
        key = region.key(self.name)
        _, *inputs = inspect.signature(self.body).parameters
        partitions = region.partitions if self.stage == "training" else None
        of_all = {ALL_PARTITIONS: partitions is None}

        @dg.asset(
            key=key,
            ins={name: dg.AssetIn(key=region.key(name), metadata=of_all) for name in inputs},
            deps=[region.key(name) for name in self.follows],
            group_name=region.name,
            description=inspect.getdoc(self.body),
            owners=list(OWNERS),
            kinds={*self.kinds, _FILE_KINDS[PRODUCTS[self.name].format]},
            code_version=self.code_version(region),
            metadata=self._metadata(region),
            io_manager_key=IO_MANAGER_KEY,
            required_resource_keys={lock_key(region.name)},
            partitions_def=partitions,
            pool=self.pool,
            op_tags={"dagster/priority": str(int(self.name in _SCORES))},
            hooks=alert_hooks(region.config.alerts),
            check_specs=[
                dg.AssetCheckSpec(
                    check.name,
                    asset=key,
                    description=check.promise,
                    blocking=check.blocking,
                    partitions_def=partitions,
                )
                for check in checks_of(self.name, region.config, region.name)
            ],
        )
        def made(context: dg.AssetExecutionContext, **inputs: Any) -> Iterator[Any]:
            yield from make_and_publish(self.body, Step(region, context, inputs))

        region.specs[key] = made.get_asset_spec(key)
        return made

    def code_version(self, region: Region) -> str:
        """Return the code version of the asset of a region: 12 hexadecimal digits."""
        settings = [self.settings(region), limits_of(self.name, region.config)]
        return code_version(self.sources, _AS_JSON.dump_python(settings, mode="json"))

    def _metadata(self, region: Region) -> dict[str, Any]:
        contract = PRODUCTS[self.name].contract
        if contract is None:
            return {}
        columns = _column_schema(contract, _known_columns(region).get(self.name, ()))
        return {"dagster/column_schema": columns, "contract": contract}


def asset(
    stage: Stage,
    *,
    sources: tuple[str, ...],
    settings: Callable[[Region], object] = lambda _region: None,
    follows: tuple[str, ...] = (),
    kinds: tuple[str, ...] = ("pandas",),
    pool: str | None = None,
    is_wanted: Callable[[Region], bool] = lambda _region: True,
) -> Callable[[Body], Asset]:
    """Declare a body to be an asset: see `Asset`."""
    return lambda body: Asset(body, stage, sources, settings, follows, kinds, pool, is_wanted)


def split_settings(region: Region) -> object:
    """Return what splits depend on; whether nested predictions are made changes none."""
    return region.settings.cross_validation.model_dump(exclude={"nested"})


def report_settings(region: Region) -> object:
    """Return what reports show of a region's settings."""
    return [region.settings.labels, region.settings.features, split_settings(region)]


def _known_columns(region: Region) -> dict[str, tuple[str, ...]]:
    """Return the columns whose names follow from the configuration, by asset."""

    def of_horizons(*names: str) -> tuple[str, ...]:
        return tuple(f"{name}_{horizon}" for horizon in region.horizons for name in names)

    predictions = (f"oof_{h}_{model}" for h in region.horizons for model in region.models)
    return {
        "labels": of_horizons("forward_return", "label", "label_end"),
        "cv_splits": region.settings.cross_validation.role_column_names(region.horizons),
        "stacking_frame": (*predictions, *of_horizons("label", "realized", "label_end")),
    }


def _column_schema(contract_name: str, names: Sequence[str]) -> dg.TableSchema:
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
