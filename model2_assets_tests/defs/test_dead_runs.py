import dagster as dg
import pytest

from model2_assets.defs.maintenance import PROCESS_TAG, close_dead_runs, this_process
from model2_assets_tests.defs.small_region import Workbench


@pytest.mark.parametrize(
    ("process", "status"),
    [
        ("gone", dg.DagsterRunStatus.FAILURE),
        ("alive", dg.DagsterRunStatus.STARTED),
        ("elsewhere", dg.DagsterRunStatus.STARTED),
    ],
)
def test_runs_of_killed_processes_are_closed_and_no_others(
    bench: Workbench, process: str, status: dg.DagsterRunStatus
) -> None:
    tag = {
        "gone": this_process().rpartition(":")[0] + ":1",
        "alive": this_process(),
        "elsewhere": "another-host:1:1",
    }[process]
    job = bench.definitions.resolve_job_def("us_preparation")
    run = bench.instance.create_run_for_job(
        job, status=dg.DagsterRunStatus.STARTED, tags={PROCESS_TAG: tag}
    )

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


def test_runs_of_the_daemon_are_left_to_the_daemon(bench: Workbench) -> None:
    job = bench.definitions.resolve_job_def("us_preparation")
    bench.instance.create_run_for_job(job, status=dg.DagsterRunStatus.STARTED)

    assert close_dead_runs(bench.instance) == 0
