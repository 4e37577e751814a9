"""A changed file of features of one's own makes what follows stale, and the control names it."""

from pathlib import Path

import numpy as np
import pytest

from model2_assets.checks.stored import StoredFiles, evaluate_stored
from model2_assets.defs.assets import asset_names
from model2_assets.defs.recorded import outdated
from model2_assets.market_data import synthetic_panel
from model2_assets_tests.defs.small_region import (
    SMALL_REGION,
    Workbench,
    built_region,
    small_config,
    small_region,
    workbench,
)

pytestmark = pytest.mark.end_to_end


def materialize(bench: Workbench, *assets: str) -> None:
    everything = bench.definitions.resolve_implicit_global_asset_job_def()
    job = everything.get_subset(asset_selection=set(map(bench.key, assets)))
    assert job.execute_in_process(instance=bench.instance).success


def what_is_outdated(bench: Workbench) -> dict[str, str]:
    region = built_region("us", bench.config, bench.store)
    assets = [region.key(name) for name in asset_names(region, "preparation")]
    due = outdated(region.results(bench.instance), assets, None)
    return {key.path[-1]: problem for key, problem in due.items()}


def test_a_changed_file_is_seen_by_check_and_makes_splits_stale(tmp_path: Path) -> None:
    own = synthetic_panel(**SMALL_REGION["market_data"]["params"])[["instrument", "datetime"]]
    own["quality"] = np.random.default_rng(0).normal(size=len(own))
    own.to_csv(tmp_path / "own.csv", index=False)
    features = {"extra": [{"path": str(tmp_path / "own.csv"), "columns": ["quality"]}]}
    bench = workbench(tmp_path, small_config(regions=small_region(features=features)))
    with bench.instance:
        materialize(bench, "market_data", "labels", "features", "cv_splits")
        assert bench.read("features")["quality"].between(-0.5, 0.5).all()
        materialize(bench, "features")
        assert what_is_outdated(bench) == {}

        own.loc[4000, "quality"] = 99.0
        own.to_csv(tmp_path / "own.csv", index=False)

        stored = StoredFiles(bench.config, "us", store=bench.store)
        failed = [found for found in evaluate_stored(stored, "features") if not found.passed]
        assert [(found.name, found.description) for found in failed] == [
            (
                "lookahead_control",
                "files of features.extra have changed since; materialize features again",
            )
        ]
        materialize(bench, "features")
        assert what_is_outdated(bench) == {
            "cv_splits": "cv_splits was made from another version of features"
        }
