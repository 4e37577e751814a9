"""A small region read from a file to which every night adds a day."""

import shutil
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from model2_assets.market_data import synthetic_panel
from model2_assets_tests.long_run.figures import Folders

REPOSITORY = Path(__file__).parents[2]
FIRST_NIGHT_DATES = 300
INSTRUMENTS = 6
MOST_NIGHTS = 400


@dataclass(frozen=True)
class GrowingRegion:
    """The region and its Dagster instance, in one folder."""

    folder: Path

    @property
    def folders(self) -> Folders:
        return Folders(self.folder / "data", self.folder / "home", self.folder / "temporary")

    @property
    def environment(self) -> dict[str, str]:
        return {
            "DAGSTER_HOME": str(self.folders.home),
            "MODEL2_CONFIG": str(self.folders.home / "config.yaml"),
            "MODEL2_STORAGE": str(self.folders.store),
            "TMPDIR": str(self.folders.temporary),
        }

    def prepare(self, *, cron: str, pictures: bool, keep_versions: int = 5) -> None:
        """Make the folders, the instance's settings and the configuration."""
        for folder in (self.folders.store, self.folders.home, self.folders.temporary):
            folder.mkdir(parents=True)
        shutil.copy(REPOSITORY / "dagster.yaml", self.folders.home)
        config = {
            **self._config(cron=cron, pictures=pictures),
            "storage": {"keep_versions": keep_versions},
        }
        (self.folders.home / "config.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")

    def add_a_day(self, night: int) -> None:
        """Write the market data as they are at a night, in place of those before."""
        days = _all_bars()["datetime"].unique()[: FIRST_NIGHT_DATES + night]
        bars = _all_bars()
        temporary = self.folder / "bars.tmp"
        bars[bars["datetime"] <= days[-1]].to_parquet(temporary)
        temporary.replace(self.folder / "bars.parquet")

    def _config(self, *, cron: str, pictures: bool) -> dict[str, Any]:
        features = "model2_assets_tests.defs.plugged_in:momentum_features"
        return {
            "regions": {
                "us": {
                    "market_data": {"source": "parquet", "path": str(self.folder / "bars.parquet")},
                    "labels": {"horizons": [5]},
                    "features": {"builder": features},
                }
            },
            "models": {"xgboost": None},
            "checks": {"lookahead_control_dates": 1},
            "schedule": {"cron": cron, "timezone": "UTC", "look_every_seconds": 1},
            "reports": {"pictures": pictures, "tear_sheets": pictures},
            "logging": {"level": "WARNING"},
        }


@cache
def _all_bars() -> pd.DataFrame:
    return synthetic_panel(
        n_instruments=INSTRUMENTS, n_dates=FIRST_NIGHT_DATES + MOST_NIGHTS, seed=11, signal=0.0
    )
