import shutil
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from model2_assets.defs.maintenance import PROCESS_TAG, close_dead_runs, this_process
from model2_assets_tests.defs.small_region import Workbench

REPOSITORY = Path(__file__).parents[2]
POOL = "training"


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    shutil.copy(REPOSITORY / "dagster.yaml", tmp_path)
    with dg.DagsterInstance.from_config(str(tmp_path)) as instance:
        yield instance


def test_training_steps_of_all_runs_take_turns(
    instance: dg.DagsterInstance, bench: Workbench
) -> None:
    graph = bench.definitions.resolve_asset_graph()
    pooled = {
        key.path[-1] for key in graph.materializable_asset_keys if POOL in graph.get(key).pools
    }
    assert {"fitted_models", "oof_predictions", "final_models"} <= pooled
    storage = instance.event_log_storage
    assert storage.initialize_concurrency_limit_to_default(POOL)
    assert storage.claim_concurrency_slot(POOL, "one", "step").is_claimed
    assert not storage.claim_concurrency_slot(POOL, "two", "step").is_claimed
    storage.free_concurrency_slots_for_run("one")
    assert storage.claim_concurrency_slot(POOL, "two", "step").is_claimed


def test_a_killed_command_gives_its_place_back(
    instance: dg.DagsterInstance, bench: Workbench
) -> None:
    job = bench.definitions.resolve_job_def("us_preparation")
    gone = {PROCESS_TAG: this_process().rpartition(":")[0] + ":1"}
    run = instance.create_run_for_job(job, status=dg.DagsterRunStatus.STARTED, tags=gone)
    storage = instance.event_log_storage
    storage.initialize_concurrency_limit_to_default(POOL)
    assert storage.claim_concurrency_slot(POOL, run.run_id, "step").is_claimed
    assert close_dead_runs(instance) == 1
    assert storage.claim_concurrency_slot(POOL, "next", "step").is_claimed
