"""Dead runs are closed, old ones deleted; whatever an asset's state is read from stays."""

import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest

from model2_assets.defs.maintenance import (
    PROCESS_TAG,
    WORKER_TAG,
    close_dead_runs,
    delete_runs,
    find_prunable,
    this_process,
)
from model2_assets_tests.defs.small_region import Workbench, real_instance

STARTED = dg.DagsterRunStatus.STARTED


@pytest.mark.parametrize("of", [PROCESS_TAG, WORKER_TAG])
@pytest.mark.parametrize(
    ("process", "status"),
    [
        ("gone", dg.DagsterRunStatus.FAILURE),
        ("alive", dg.DagsterRunStatus.STARTED),
        ("elsewhere", dg.DagsterRunStatus.STARTED),
    ],
)
def test_runs_of_killed_processes_are_closed_and_no_others(
    bench: Workbench, of: str, process: str, status: dg.DagsterRunStatus
) -> None:
    tag = {
        "gone": this_process().rpartition(":")[0] + ":1",
        "alive": this_process(),
        "elsewhere": "another-host:1:1",
    }[process]
    job = bench.definitions.resolve_job_def("us_preparation")
    run = bench.instance.create_run_for_job(job, status=dg.DagsterRunStatus.STARTED, tags={of: tag})

    closed = close_dead_runs(bench.instance)

    assert closed == (status == dg.DagsterRunStatus.FAILURE)
    after = bench.instance.get_run_by_id(run.run_id)
    assert after is not None
    assert after.status == status


def test_a_run_that_was_killed_before_it_began_is_closed_too(bench: Workbench) -> None:
    job = bench.definitions.resolve_job_def("us_preparation")
    gone = {PROCESS_TAG: this_process().rpartition(":")[0] + ":1"}
    bench.instance.create_run_for_job(job, status=dg.DagsterRunStatus.NOT_STARTED, tags=gone)
    assert close_dead_runs(bench.instance) == 1
    assert close_dead_runs(bench.instance) == 0


def test_a_run_that_no_process_has_begun_is_left_to_the_daemon(bench: Workbench) -> None:
    job = bench.definitions.resolve_job_def("us_preparation")
    bench.instance.create_run_for_job(job, status=dg.DagsterRunStatus.STARTED)

    assert close_dead_runs(bench.instance) == 0


@pytest.mark.parametrize("tag", [PROCESS_TAG, WORKER_TAG])
def test_a_repeated_run_is_not_taken_for_dead_by_the_tag_of_the_run_it_repeats(
    bench: Workbench, tag: str
) -> None:
    job = bench.definitions.resolve_job_def("us_preparation")
    gone = {tag: this_process().rpartition(":")[0] + ":1"}
    lost = bench.instance.create_run_for_job(job, status=STARTED, tags=gone)
    again = bench.instance.create_run_for_job(
        job,
        status=STARTED,
        tags=gone,
        parent_run_id=lost.run_id,
        root_run_id=lost.run_id,
    )

    assert close_dead_runs(bench.instance) == 1
    assert bench.instance.get_run_by_id(lost.run_id).status == dg.DagsterRunStatus.FAILURE
    assert bench.instance.get_run_by_id(again.run_id).status == STARTED

    # Its own process says so in region_lock; once that is gone too, it is dead.
    other = {WORKER_TAG: this_process().rpartition(":")[0] + ":2"}
    bench.instance.add_run_tags(again.run_id, other)
    assert close_dead_runs(bench.instance) == 1


HOME = "dagster_home"


@dg.asset(check_specs=[dg.AssetCheckSpec("sound", asset="plain")])
def plain() -> Iterator[dg.MaterializeResult]:
    yield dg.MaterializeResult(
        check_results=[dg.AssetCheckResult(check_name="sound", passed=True)], metadata={"n": 1}
    )


@dg.asset(partitions_def=dg.StaticPartitionsDefinition(["a", "b"]))
def split(context: dg.AssetExecutionContext) -> None:
    if "fails" in context.run.tags:
        raise ValueError("planted")


@dg.op
def work() -> None:
    """Make no asset."""


@dg.job
def without_assets() -> None:
    work()


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    with real_instance(tmp_path / HOME) as made:
        yield made


def materialize(
    instance: dg.DagsterInstance,
    asset: dg.AssetsDefinition,
    partition: str | None = None,
    **tags: str,
) -> str:
    result = dg.materialize(
        [asset], instance=instance, partition_key=partition, tags=tags, raise_on_error=False
    )
    return result.run_id


def now() -> datetime:
    return datetime.now(UTC) + timedelta(seconds=1)


def test_runs_with_the_latest_materializations_stay(instance: dg.DagsterInstance) -> None:
    old = [materialize(instance, split, "a"), materialize(instance, plain)]
    only_of_b = materialize(instance, split, "b")
    failed = materialize(instance, split, "b", fails="yes")
    latest = [materialize(instance, split, "a"), materialize(instance, plain)]

    found = find_prunable(instance, before=now(), keep=1)

    assert set(found.runs) == {*old, failed}
    assert set(found.needed) == {only_of_b, *latest}


def test_as_many_materializations_stay_as_are_asked_for(instance: dg.DagsterInstance) -> None:
    runs = [materialize(instance, plain) for _ in range(4)]

    assert find_prunable(instance, before=now(), keep=3).runs == tuple(runs[:1])


def test_young_and_unfinished_runs_stay(instance: dg.DagsterInstance) -> None:
    running = instance.create_run_for_job(
        dg.Definitions([plain]).resolve_implicit_global_asset_job_def()
    )
    instance.report_run_canceling(running)
    for _ in range(3):
        materialize(instance, plain)

    assert len(find_prunable(instance, before=now(), keep=1).runs) == 2
    assert find_prunable(instance, before=now() - timedelta(hours=1), keep=1).runs == ()
    assert instance.has_run(running.run_id)


def test_last_run_stays_so_that_its_numbers_are_not_given_again(
    instance: dg.DagsterInstance,
) -> None:
    materialize(instance, plain)
    ended = without_assets.execute_in_process(instance=instance).run_id
    last = instance.event_log_storage.get_maximum_record_id()

    found = find_prunable(instance, before=now(), keep=1)
    delete_runs(instance, found.runs)
    materialize(instance, plain)

    assert found.needed[-1] == ended
    (made,) = instance.fetch_materializations(plain.key, limit=1).records
    assert last is not None
    assert made.storage_id > last


def test_nothing_is_left_of_a_deleted_run_but_its_evaluations(
    instance: dg.DagsterInstance, tmp_path: Path
) -> None:
    first, second = (materialize(instance, plain) for _ in range(2))
    before = instance.fetch_materializations(plain.key, limit=5).records
    captured = tmp_path / HOME / "storage" / first / "compute_logs"
    captured.mkdir(parents=True, exist_ok=True)
    (captured / "plain.out").write_text("printed")

    delete_runs(instance, [first])

    assert [run.run_id for run in instance.get_runs()] == [second]
    assert instance.fetch_materializations(plain.key, limit=5).records == before[:1]
    assert not [path for path in tmp_path.rglob("*") if first in path.name]
    checks = instance.event_log_storage.get_asset_check_execution_history(
        dg.AssetCheckKey(plain.key, "sound"), limit=5
    )
    assert [record.run_id for record in checks] == [second, first]
    assert all(record.event is not None for record in checks)


REPOSITORY = Path(__file__).parents[2]
POOL = "training"


@pytest.fixture
def repository_instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    shutil.copy(REPOSITORY / "dagster.yaml", tmp_path)
    with dg.DagsterInstance.from_config(str(tmp_path)) as instance:
        yield instance


def test_training_steps_of_all_runs_take_turns(
    repository_instance: dg.DagsterInstance, bench: Workbench
) -> None:
    graph = bench.definitions.resolve_asset_graph()
    pooled = {
        key.path[-1] for key in graph.materializable_asset_keys if POOL in graph.get(key).pools
    }
    assert {"fitted_models", "oof_predictions", "final_models"} <= pooled
    storage = repository_instance.event_log_storage
    assert storage.initialize_concurrency_limit_to_default(POOL)
    assert storage.claim_concurrency_slot(POOL, "one", "step").is_claimed
    assert not storage.claim_concurrency_slot(POOL, "two", "step").is_claimed
    storage.free_concurrency_slots_for_run("one")
    assert storage.claim_concurrency_slot(POOL, "two", "step").is_claimed


def test_a_killed_command_gives_its_place_back(
    repository_instance: dg.DagsterInstance, bench: Workbench
) -> None:
    job = bench.definitions.resolve_job_def("us_preparation")
    gone = {PROCESS_TAG: this_process().rpartition(":")[0] + ":1"}
    run = repository_instance.create_run_for_job(job, status=dg.DagsterRunStatus.STARTED, tags=gone)
    storage = repository_instance.event_log_storage
    storage.initialize_concurrency_limit_to_default(POOL)
    assert storage.claim_concurrency_slot(POOL, run.run_id, "step").is_claimed
    assert close_dead_runs(repository_instance) == 1
    assert storage.claim_concurrency_slot(POOL, "next", "step").is_claimed
