"""Retrains of the whole region, each in real processes of its own."""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from model2_assets.config import parse_config
from model2_assets.defs.assets import PREPARATION, asset_names
from model2_assets.defs.region import Region
from model2_assets.storage import Store
from model2_assets_tests.defs.daemon import DaemonHome, wait_until
from model2_assets_tests.defs.graphql import launch_backfill
from model2_assets_tests.defs.small_region import NO_DRAWINGS, SMALL_XGBOOST, built_region
from model2_assets_tests.determinism.digests import digests_of
from model2_assets_tests.determinism.factors import THREADS, Factor
from model2_assets_tests.determinism.market import write_market
from model2_assets_tests.ui.server import served

PATIENCE = 1200.0  # seconds
HORIZON = "21d"
MODELS = ("ridge", "xgboost")
SCRUBBED = (*THREADS, "PYTHONHASHSEED", "TZ", "LC_ALL", "LANG", "LANGUAGE")


class MatrixHome(DaemonHome):
    """A Dagster home whose processes differ from the plain ones in one factor."""

    factor: Factor

    def __init__(self, folder: Path, factor: Factor) -> None:
        super().__init__(folder)
        object.__setattr__(self, "factor", factor)

    @property
    def environment(self) -> dict[str, str]:
        plain = {name: text for name, text in super().environment.items() if name not in SCRUBBED}
        return {**plain, **self.factor.environment}


def retrained(folder: Path, factor: Factor) -> dict[str, str]:
    """Retrain everything in a new folder under a factor; return the digest of every asset."""
    folder.mkdir(parents=True)
    home = MatrixHome(folder / "home", factor)
    config = _config(folder, factor)
    home.configure(config)
    region = built_region("us", parse_config(config), Store(str(home.data)))
    _LAUNCHERS[factor.launcher](home, region)
    return digests_of(region.store, [(HORIZON, model) for model in MODELS])


def _config(folder: Path, factor: Factor) -> dict[str, Any]:
    market_data = write_market(folder, factor.market)
    return {
        "regions": {
            "us": {
                "market_data": market_data,
                "labels": {"horizons": [int(HORIZON.removesuffix("d"))]},
            }
        },
        "models": {"xgboost": {"params": SMALL_XGBOOST}},
        "checks": {"lookahead_control_dates": 1},
        "reports": NO_DRAWINGS,
        "execution": dict(factor.execution),
    }


def _retrain(home: MatrixHome, region: Region) -> None:
    _execute(home, "model2_assets.cli.main", "retrain")


def _materialize(home: MatrixHome, region: Region) -> None:
    _materialize_some(home, PREPARATION)
    for key in region.partition_keys:
        _materialize_some(home, asset_names(region, "training"), "--partition", key)
    _materialize_some(home, asset_names(region, "summary"))


def _materialize_some(home: MatrixHome, assets: Sequence[str], *options: str) -> None:
    selection = ",".join(f"us/{asset}" for asset in assets)
    definitions = ("-m", "model2_assets.definitions", "--select", selection)
    _execute(home, "dagster", "asset", "materialize", *definitions, *options)


def _execute(home: MatrixHome, *arguments: str) -> None:
    finished = subprocess.run(
        [sys.executable, "-m", *arguments],
        cwd=home.folder,
        env=home.environment,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
        timeout=PATIENCE,
    )
    if finished.returncode:
        raise AssertionError(f"{' '.join(arguments)}: {finished.stdout}{finished.stderr}")


def _ask_the_server(home: MatrixHome, region: Region) -> None:
    assets = [list(key.path) for key in region.specs]
    with served(home) as url, home.instance() as instance:
        backfill = launch_backfill(url, assets, list(region.partition_keys))

        def status() -> str:
            found = instance.get_backfill(backfill)
            return found.status.value if found else ""

        def is_over() -> bool:
            return status().startswith(("COMPLETED", "FAILED"))

        wait_until(is_over, seconds=PATIENCE, what=f"backfill {backfill} is over")
        if status() != "COMPLETED_SUCCESS":
            raise AssertionError(f"backfill {backfill} ended as {status()}")


_LAUNCHERS = {"retrain": _retrain, "materialize": _materialize, "ui": _ask_the_server}
