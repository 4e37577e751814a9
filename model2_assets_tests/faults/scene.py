"""A folder of one's own with a store and a Dagster instance, to kill processes in."""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg
import yaml

from model2_assets.config.partition import horizon_days
from model2_assets.storage import Store

REPOSITORY = Path(__file__).parents[2]
REGION = "us"
PARTITIONS = ("21d|ridge", "21d|xgboost", "63d|ridge", "63d|xgboost")
OLD, NEW = "old", "new"

_PARAMS: dict[str, dict[str, Any]] = {
    "ridge": {"alpha": 100_000.0},
    "xgboost": {"n_estimators": 4},
}

_DATES = {OLD: 380, NEW: 386}
"""The new data have six dates more, so every result of theirs differs from the old one's."""


def configuration(
    which: str, *, partitions: Sequence[str] = PARTITIONS, tear_sheets: bool = False
) -> dict[str, Any]:
    """Return the configuration of the old or the new data, small enough for seconds."""
    market = {"n_instruments": 8, "n_dates": _DATES[which], "seed": 11, "signal": 0.0}
    horizons, models = zip(*(key.split("|") for key in partitions), strict=True)
    return {
        "regions": {
            REGION: {
                "market_data": {"source": "synthetic", "params": market},
                "labels": {
                    "winsorize": 0.25,
                    "horizons": sorted({horizon_days(horizon) for horizon in horizons}),
                },
                "cross_validation": {"n_groups": 3, "min_samples": 50},
            }
        },
        "models": {
            name: {"params": params} if name in models else None for name, params in _PARAMS.items()
        },
        "checks": {"lookahead_control_dates": 1},
        "reports": {"pictures": False, "tear_sheets": tear_sheets},
    }


@dataclass(frozen=True)
class Scene:
    """Where a retrain works: its results, its Dagster instance, its temporary files."""

    folder: Path

    @classmethod
    def create(cls, folder: Path, **changes: Any) -> "Scene":
        scene = cls(folder)
        for path in (scene.data, scene.home, scene.scratch):
            path.mkdir(parents=True)
        shutil.copy(REPOSITORY / "dagster.yaml", scene.home)
        for which in (OLD, NEW):
            scene.configure(which, configuration(which, **changes))
        return scene

    def copy_to(self, folder: Path) -> "Scene":
        shutil.copytree(self.folder, folder)
        return Scene(folder)

    def configure(self, name: str, config: Mapping[str, Any]) -> None:
        self.config(name).write_text(yaml.safe_dump(dict(config)))

    def config(self, name: str) -> Path:
        return self.folder / f"{name}.yaml"

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def home(self) -> Path:
        return self.folder / "home"

    @property
    def scratch(self) -> Path:
        """The folder of temporary files of its processes."""
        return self.folder / "scratch"

    @property
    def log(self) -> Path:
        return self.folder / "log.txt"

    @property
    def store(self) -> Store:
        return Store(str(self.data), keep_versions=5)

    def instance(self) -> dg.DagsterInstance:
        return dg.DagsterInstance.from_config(str(self.home))

    def environment(self, config: str) -> dict[str, str]:
        return {
            "DAGSTER_HOME": str(self.home),
            "MODEL2_STORAGE": str(self.data),
            "MODEL2_CONFIG": str(self.config(config)),
            "TMPDIR": str(self.scratch),
        }
