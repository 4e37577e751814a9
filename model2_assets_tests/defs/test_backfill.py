"""All partitions from the UI, one of which fails, on a real server with a real daemon."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from model2_assets.config import parse_config
from model2_assets.defs.assets import asset_names
from model2_assets.defs.build import build_definitions
from model2_assets.defs.recorded import partition_problems
from model2_assets.storage import Address, Store
from model2_assets_tests.defs.daemon import DaemonHome, DaemonRun, runs_of, wait_until
from model2_assets_tests.defs.gate_bench import HERE, QUICK_CONFIG
from model2_assets_tests.defs.graphql import launch_backfill, reexecute_failed
from model2_assets_tests.defs.small_region import built_region
from model2_assets_tests.ui.server import served

pytestmark = pytest.mark.end_to_end

PARTITIONS = ["5d|ridge", "10d|ridge"]
SUCCESS, FAILURE = dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE


@dataclass(frozen=True)
class Backfilled:
    """A backfill of the whole region with a partition that fails, and what came of it."""

    first: list[DaemonRun]
    second: list[DaemonRun]
    problems: dict[str, str]
    warnings: list[str]
    board: list[str]
    untouched: bool
    problems_after: dict[str, str]
    board_after: list[str]
    limit: int
    summary: tuple[str, ...]


def config(broken_while: Path) -> dict[str, Any]:
    """Return a configuration of which a partition fails while a file is there."""
    ridge = {
        "trainer": f"{HERE}:MendableTrainer",
        "overrides": {"10d": {"broken_while": str(broken_while)}},
    }
    return {**QUICK_CONFIG, "models": {"ridge": ridge, "xgboost": None}}


@pytest.fixture(scope="module")
def backfilled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Backfilled]:
    folder = tmp_path_factory.mktemp("backfill")
    broken = folder / "broken"
    broken.touch()
    home = DaemonHome(folder / "home")
    home.configure(config(broken))
    parsed, store = parse_config(config(broken)), Store(str(home.data))
    definitions = build_definitions(parsed, store)
    region = built_region("us", parsed, store)
    assets = [key.path for key in region.specs]

    with served(home) as url, home.instance() as instance:

        def finish(backfill: str) -> list[DaemonRun]:
            def is_over() -> bool:
                found = instance.get_backfill(backfill)
                return found is not None and found.status.value.startswith(("COMPLETED", "FAILED"))

            wait_until(is_over, seconds=400, what=f"backfill {backfill} is over")
            return [r for r in runs_of(instance) if r.tags.get("dagster/backfill") == backfill]

        first_id = launch_backfill(url, [list(path) for path in assets], PARTITIONS)
        first = finish(first_id)
        problems = partition_problems(region.results(instance))
        good = store.path(Address("us", "oof_predictions", "5d", "ridge"))
        before = good.stat()
        summary = definitions.resolve_job_def("us_summary").execute_in_process(instance=instance)
        warnings = [
            f"{check.check_name}: {check.description}"
            for check in summary.get_asset_check_evaluations()
            if not check.passed
        ]
        board = board_of(store)
        broken.unlink()
        second = finish(reexecute_failed(url, first_id))
        yield Backfilled(
            first=first,
            second=second,
            problems=problems,
            warnings=warnings,
            board=board,
            untouched=good.stat() == before,
            problems_after=partition_problems(region.results(instance)),
            board_after=board_of(store),
            limit=instance.get_concurrency_config().run_queue_config.max_concurrent_runs,
            summary=asset_names(region, "summary"),
        )


def board_of(store: Store) -> list[str]:
    board = store.read(Address("us", "leaderboard"))
    return sorted(f"{row.horizon}|{row.model}" for row in board.itertuples())


def test_materialize_all_runs_the_shared_assets_once_then_each_partition_in_a_run_of_its_own(
    backfilled: Backfilled,
) -> None:
    shared, *partitions = backfilled.first

    assert shared.assets == ("cv_splits", "features", "labels", "market_data")
    assert shared.partition is None
    assert sorted(run.partition or "" for run in partitions) == sorted(PARTITIONS)
    assert all("fitted_models" in run.assets for run in partitions)


def test_runs_of_a_backfill_keep_to_the_limit_of_the_queue(backfilled: Backfilled) -> None:
    assert backfilled.limit == 1
    for runs in (backfilled.first, backfilled.second):
        in_time = sorted(runs, key=lambda run: run.started)
        for before, after in pairwise(in_time):
            assert before.ended <= after.started


def test_a_failed_partition_does_not_harm_the_others(backfilled: Backfilled) -> None:
    status = {run.partition: run.status for run in backfilled.first}

    assert status == {None: SUCCESS, "10d|ridge": FAILURE, "5d|ridge": SUCCESS}
    assert backfilled.problems == {"10d|ridge": "fitted_models is missing"}


def test_leaderboard_names_the_partition_that_failed(backfilled: Backfilled) -> None:
    assert backfilled.board == ["5d|ridge"]
    (warning,) = (text for text in backfilled.warnings if text.startswith("partitions_current"))
    assert "1 of 2 partitions are missing or outdated: 10d|ridge: fitted_models" in warning


def test_one_click_runs_what_failed_and_what_waited_for_it_and_nothing_else(
    backfilled: Backfilled,
) -> None:
    partition, *summaries = backfilled.second

    assert (partition.partition, partition.status) == ("10d|ridge", SUCCESS)
    assert {(run.partition, run.status) for run in summaries} == {(None, SUCCESS)}
    assert {asset for run in summaries for asset in run.assets} == set(backfilled.summary)
    assert backfilled.untouched
    assert backfilled.problems_after == {}
    assert backfilled.board_after == sorted(PARTITIONS)
