"""The services of ``deploy/compose.yaml``, their commands run as processes on loopback."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from model2_assets.config import parse_config
from model2_assets.defs.assets import asset_names
from model2_assets.defs.region import Region
from model2_assets.storage import Store
from model2_assets_tests.defs.daemon import runs_of, wait_until
from model2_assets_tests.defs.graphql import launch_run
from model2_assets_tests.defs.postgres import why_no_server
from model2_assets_tests.defs.small_region import NO_DRAWINGS, SMALL_REGION, SMALL_XGBOOST
from model2_assets_tests.services.compose import Compose, composed

pytestmark = [
    pytest.mark.services,
    pytest.mark.skipif(bool(why_no_server()), reason=why_no_server()),
]

SERVER = ("code-location", "webserver", "daemon")
PATIENCE = 600.0  # seconds, for a machine that is busy

CONFIG: dict[str, Any] = {
    "regions": {
        "us": {
            **SMALL_REGION,
            "features": {"builder": "model2_assets_tests.defs.plugged_in:momentum_features"},
        }
    },
    "models": {"xgboost": {"params": SMALL_XGBOOST}},
    "checks": {"lookahead_control_dates": 1},
    "reports": NO_DRAWINGS,
}
SUCCESS = dg.DagsterRunStatus.SUCCESS


@pytest.fixture
def compose(tmp_path: Path) -> Iterator[Compose]:
    with composed(tmp_path / "server", CONFIG, *SERVER) as compose:
        yield compose


def launch(compose: Compose, stage: Any, partition: str | None = None) -> str:
    """Launch a stage as "Materialize selected" does."""
    region = Region("us", parse_config(CONFIG), Store(str(compose.data)))
    assets = [["us", name] for name in asset_names(region, stage)]
    return launch_run(compose.url, "model2_assets", assets, partition)


def ended(instance: dg.DagsterInstance, run_id: str) -> dg.DagsterRun:
    """Return a run that has ended, or the retry of one that was lost."""
    last = [run_id]

    def is_over() -> bool:
        run = instance.get_run_by_id(last[0])
        assert run is not None
        last[0] = run.tags.get("dagster/auto_retry_run_id", run.run_id)
        return (
            run.is_finished
            and last[0] == run.run_id
            and run.tags.get("dagster/will_retry") != "true"
        )

    wait_until(is_over, seconds=PATIENCE, what=f"run {run_id} is over")
    run = instance.get_run_by_id(last[0])
    assert run is not None
    return run


def test_a_full_retrain_through_the_services_with_a_restart_of_the_code_server(
    compose: Compose,
) -> None:
    with compose.instance() as instance:
        prepared = ended(instance, launch(compose, "preparation"))
        assert prepared.status == SUCCESS
        partitions = ["21d|ridge", "21d|xgboost", "63d|ridge", "63d|xgboost"]
        trained = [launch(compose, "training", each) for each in partitions]
        wait_until(
            lambda: any(run.status == dg.DagsterRunStatus.STARTED for run in runs_of(instance)),
            seconds=PATIENCE,
            what="a partition is trained",
        )
        compose.stop("code-location")
        compose.start("code-location")
        compose.all_healthy("code-location")
        assert [ended(instance, run).status for run in trained] == [SUCCESS] * 4
        assert ended(instance, launch(compose, "summary")).status == SUCCESS
        for run in runs_of(instance):
            print(
                run.run_id[:8],
                run.partition,
                run.status,
                run.tags,
                run.started - run.created,
                run.ended - run.started,
            )
