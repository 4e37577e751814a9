"""The controls as blocking checks: they run in every retrain and stop a leak."""

from pathlib import Path

import dagster as dg
import pytest

from model2_assets.defs.build import build_definitions
from model2_assets.defs.retrain import execute_plan, plan_region
from model2_assets.storage import Store
from model2_assets_tests.defs.conftest import Trained
from model2_assets_tests.defs.small_region import Workbench, small_config, small_region

pytestmark = pytest.mark.end_to_end

HERE = "model2_assets_tests.defs.plugged_in"


def test_lookahead_control_passes_and_names_the_dates(trained: Trained) -> None:
    (record,) = trained.bench.check_records("features", "lookahead_control")

    assert record.status.value == "SUCCEEDED"
    metadata = record.evaluation.metadata
    assert len(metadata["dates"].value.split(", ")) == 3
    assert metadata["values"].value > 0
    assert metadata["different_values"].value == 0


def test_controls_block_what_follows() -> None:
    definitions = build_definitions(small_config(), Store("memory://controls"))
    graph = definitions.resolve_asset_graph()

    node = graph.get(dg.AssetCheckKey(dg.AssetKey(["us", "features"]), "lookahead_control"))
    assert node.blocking
    assert len(node.description) > 60


def test_a_builder_that_looks_ahead_stops_the_retrain_before_the_splits(bench: Workbench) -> None:
    config = small_config(
        regions=small_region(features={"builder": f"{HERE}:leaking_features"}),
        models={"xgboost": None},
    )

    runs = bench.with_config(config).retrain(horizons=("21d",))

    assert [run.name for run in runs] == ["us preparation"]
    assert not runs[0].success
    failure = runs[0].failures[-1]
    assert "check lookahead_control of us/features: feature 'leak' of S000 on 20" in failure
    assert "but nan when history ends on 20" in failure
    assert not (Path(str(bench.store.base)) / "us" / "features.parquet").exists()


def test_controls_follow_the_configuration(bench: Workbench) -> None:
    checks = {"lookahead_control_dates": 1, "controls_seed": 3}
    configured = bench.with_config(small_config(checks=checks, models={"xgboost": None}))
    preparation = plan_region("us", [])[:1]

    (run,) = execute_plan(configured.definitions, bench.instance, preparation)

    assert run.success
    (lookahead,) = bench.check_records("features", "lookahead_control")
    assert lookahead.evaluation.metadata["seed"].value == 3
    assert "," not in lookahead.evaluation.metadata["dates"].value
