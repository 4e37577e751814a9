"""The services of ``deploy/compose.yaml``, their commands run as processes on loopback."""

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

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


@pytest.fixture
def compose(tmp_path: Path) -> Iterator[Compose]:
    with composed(tmp_path / "server", "code-location", "webserver", "daemon") as compose:
        yield compose


def test_a_full_retrain_through_the_services_with_a_restart_of_the_code_server(
    compose: Compose,
) -> None:
    with compose.instance() as instance:
        prepared = last_try(instance, compose.launch("preparation"))
        trained = [compose.launch("training", each) for each in PARTITIONS]
        wait_until(
            lambda: any(run.partition and run.status == STARTED for run in runs_of(instance)),
            seconds=PATIENCE,
            what="a partition is trained",
        )
        compose.stop("code-location")
        lost = [run.run_id for run in runs_of(instance) if run.status == STARTED]
        compose.start("code-location")
        compose.until_healthy("code-location")
        tries = [last_try(instance, run_id) for run_id in trained]
        summary = last_try(instance, compose.launch("summary"))

        assert [run.status for run in (prepared, *tries, summary)] == [SUCCESS] * 6
        assert len(lost) >= 1
        for run_id in lost:
            run = instance.get_run_by_id(run_id)
            assert run is not None
            assert run.status == dg.DagsterRunStatus.FAILURE
            assert last_try(instance, run_id).root_run_id == run_id
    compose.check()
