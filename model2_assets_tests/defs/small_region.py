"""A region small enough to train in seconds, and what it takes to run it for real."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg

from model2_assets.config import Model2Config, parse_config
from model2_assets.defs.assets import region_assets
from model2_assets.defs.build import build_definitions
from model2_assets.defs.region import Region
from model2_assets.defs.retrain import RunResult, execute_plan, plan_region
from model2_assets.storage import Address, Store

SMALL_REGION: dict[str, Any] = {
    "market_data": {
        "source": "synthetic",
        "params": {"n_instruments": 12, "n_dates": 460, "seed": 11, "signal": 0.0},
    },
}
SMALL_XGBOOST = {"n_estimators": 10, "min_child_weight_fraction": 0.02}


NO_DRAWINGS = {"pictures": False, "tear_sheets": False}
"""Reports of tests that do not look at them: drawing takes half the time of a retrain."""


def small_config(**changes: Any) -> Model2Config:
    """Return the small configuration, with other top-level sections where given."""
    values: dict[str, Any] = {
        "regions": {"us": SMALL_REGION},
        "models": {"xgboost": {"params": SMALL_XGBOOST}},
        "reports": NO_DRAWINGS,
        **changes,
    }
    return parse_config(values)


def small_region(**sections: Mapping[str, Any]) -> dict[str, Any]:
    """Return the small region with other sections where given."""
    return {"us": {**SMALL_REGION, **sections}}


@dataclass(frozen=True)
class Workbench:
    """A real Dagster instance and store in a folder of the test's own."""

    config: Model2Config
    store: Store
    instance: dg.DagsterInstance

    @property
    def definitions(self) -> dg.Definitions:
        return build_definitions(self.config, self.store)

    def with_config(self, config: Model2Config) -> "Workbench":
        return Workbench(config, self.store, self.instance)

    def retrain(
        self,
        region: str = "us",
        horizons: tuple[str, ...] | None = None,
        models: tuple[str, ...] | None = None,
    ) -> list[RunResult]:
        chosen = [
            partition
            for partition in self.config.partitions_of(region)
            if partition.horizon in (horizons or (partition.horizon,))
            and partition.model in (models or (partition.model,))
        ]
        runs = execute_plan(self.definitions, self.instance, plan_region(region, chosen))
        return [run for run in runs if run.status != "skipped"]

    def read(self, asset: str, horizon: str | None = None, model: str | None = None) -> Any:
        return self.store.load(Address("us", asset, horizon, model))

    def key(self, asset: str) -> dg.AssetKey:
        return dg.AssetKey(["us", asset])

    def check_records(self, asset: str, check: str) -> list[Any]:
        key = dg.AssetCheckKey(dg.AssetKey(["us", asset]), check)
        storage = self.instance.event_log_storage
        return list(storage.get_asset_check_execution_history(key, limit=20))


def built_region(name: str, config: Model2Config, store: Store) -> Region:
    """Return a region whose assets are built, so that it knows their specs."""
    region = Region(name, config, store)
    region_assets(region)
    return region


def real_instance(home: Path) -> dg.DagsterInstance:
    """Return a real instance (SQLite) in a folder, which may have been one before."""
    home.mkdir(exist_ok=True)
    return dg.DagsterInstance.local_temp(str(home), overrides={"telemetry": {"enabled": False}})


def quiet_home(folder: Path) -> Path:
    """Make a folder that commands take for ``DAGSTER_HOME``."""
    folder.mkdir(parents=True)
    (folder / "dagster.yaml").write_text("telemetry: {enabled: false}\n", encoding="utf-8")
    return folder


def workbench(folder: Path, config: Model2Config) -> Workbench:
    """Return a workbench on a new, real instance in a folder."""
    instance = real_instance(folder / "dagster_home")
    return Workbench(config, Store(str(folder / "data")), instance)
