"""Several runs at once on PostgreSQL, in which order, and what is left when the server dies."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from model2_assets.defs.nightly import NIGHT
from model2_assets_tests.defs.daemon import runs_of, wait_until
from model2_assets_tests.defs.postgres import why_no_server
from model2_assets_tests.services.compose import (
    PARTITIONS,
    PATIENCE,
    STARTED,
    SUCCESS,
    Compose,
    composed,
    last_try,
)

pytestmark = [
    pytest.mark.services,
    pytest.mark.timeout(3600),
    pytest.mark.skipif(bool(why_no_server()), reason=why_no_server()),
]

SERVER = ("code-location", "webserver", "daemon")
Interval = tuple[float, float]


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Compose]:
    with (
        composed(tmp_path_factory.mktemp("shared") / "server", *SERVER) as compose,
        compose.instance() as instance,
    ):
        assert last_try(instance, compose.launch("preparation")).status == SUCCESS
        yield compose


def at_once(intervals: list[Interval]) -> int:
    """Return how many of some intervals hold at the same moment, at most."""
    return max(sum(b <= begin < e for b, e in intervals) for begin, _ in intervals)


def training_steps(instance: dg.DagsterInstance, run_ids: list[str]) -> list[Interval]:
    """Return when the steps of the pool ``training`` ran that fit every fold."""
    steps = [step for run_id in run_ids for step in instance.get_run_step_stats(run_id)]
    return [
        (step.start_time, step.end_time)
        for step in steps
        if step.step_key == "us__fitted_models" and step.start_time and step.end_time
    ]


@pytest.mark.parametrize(("runs", "pool"), [(1, 1), (2, 1), (2, 2), (4, 1), (4, 4)])
def test_as_many_runs_and_training_steps_at_once_as_the_limits_say(
    prepared: Compose, runs: int, pool: int
) -> None:
    prepared.limit(runs={"max_concurrent_runs": runs})
    prepared.restart("daemon")
    with prepared.instance() as instance:
        instance.event_log_storage.set_concurrency_slots("training", pool)
        launched = [prepared.launch("training", partition) for partition in PARTITIONS]
        ended = [last_try(instance, run_id) for run_id in launched]
        mine = [run for run in runs_of(instance) if run.run_id in launched]
        steps = training_steps(instance, launched)

    assert [run.status for run in ended] == [SUCCESS] * 4
    assert len(steps) == 4
    seconds = max(run.ended for run in mine) - min(run.started for run in mine)
    most = at_once([(run.started, run.ended) for run in mine])
    print(f"runs {runs}, pool {pool}: {seconds:.0f} s, {most} runs, {at_once(steps)} steps at once")
    # The queue may hold a run back whose first step would wait for the pool.
    assert most == runs if pool == runs else most <= runs
    assert at_once(steps) <= pool


def test_what_has_a_higher_priority_is_launched_first(prepared: Compose) -> None:
    prepared.limit(runs={"max_concurrent_runs": 1})
    prepared.stop("daemon")
    priorities = {"21d|ridge": "-1", "63d|ridge": "0", "21d|xgboost": "2", "63d|xgboost": "7"}
    with prepared.instance() as instance:
        launched = [
            prepared.launch("training", partition, {"dagster/priority": priority})
            for partition, priority in priorities.items()
        ]
        prepared.start("daemon")
        assert [last_try(instance, run_id).status for run_id in launched] == [SUCCESS] * 4
        mine = [run for run in runs_of(instance) if run.run_id in launched]

    in_time = sorted(mine, key=lambda run: run.started)
    assert [run.partition for run in in_time] == list(reversed(priorities))


def test_a_night_ends_though_the_database_dies_in_the_middle_of_a_run(
    tmp_path: Path,
) -> None:
    nightly = {"cron": "* * * * *", "timezone": "UTC", "look_every_seconds": 5}
    everything = {"runs": {"max_concurrent_runs": 4}, "pools": {"default_limit": 4}}
    with (
        composed(
            tmp_path / "server", *SERVER, config={"schedule": nightly}, concurrency=everything
        ) as compose,
        compose.instance() as instance,
    ):

        def switch(to: str) -> None:
            workspace = str(compose.home / "workspace.yaml")
            subprocess.run(
                [sys.executable, "-m", "dagster", "schedule", to, "us_nightly", "-w", workspace],
                env=compose.environment("daemon"),
                cwd=compose.folder,
                check=True,
                timeout=300,
            )

        switch("start")
        wait_until(
            lambda: any(run.partition and run.status == STARTED for run in runs_of(instance)),
            seconds=PATIENCE,
            what="a partition of a night is trained",
        )
        switch("stop")
        compose.postgres.stop()
        compose.postgres.start()
        revived: list[str] = []

        def is_over() -> bool:
            revived.extend(compose.revive())
            runs = runs_of(instance)
            made = any("leaderboard" in run.assets and run.status == SUCCESS for run in runs)
            return made and all(run.is_over for run in runs)

        wait_until(is_over, seconds=2 * PATIENCE, what="the night has ended")
        runs = runs_of(instance)
        compose.check()
    night = runs[0].tags[NIGHT]
    of_night = [run for run in runs if run.tags[NIGHT] == night]
    trained = {run.partition for run in of_night if run.partition and run.status == SUCCESS}
    assert trained == set(PARTITIONS)
    print(f"{sum(run.status != SUCCESS for run in runs)} runs were lost; started again: {revived}")
