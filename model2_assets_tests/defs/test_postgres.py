"""An instance whose runs and events are in PostgreSQL, as for several people."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec

import pytest

from model2_assets_tests.defs.postgres import Server, temporary_server, why_no_server
from model2_assets_tests.long_run.region import REPOSITORY, GrowingRegion

PASSWORD = "c4narY-S3cret"


def _missing() -> str:
    if find_spec("dagster_postgres") is None:
        return "the extra postgres is not installed"
    return why_no_server()


pytestmark = [
    pytest.mark.end_to_end,
    pytest.mark.skipif(bool(_missing()), reason=_missing()),
]


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with temporary_server(PASSWORD) as server:
        yield server


@pytest.fixture(scope="module")
def region(tmp_path_factory: pytest.TempPathFactory) -> GrowingRegion:
    region = GrowingRegion(tmp_path_factory.mktemp("shared") / "region")
    region.prepare(cron="0 3 * * *", pictures=False)
    region.add_a_day(0)
    shutil.copy(REPOSITORY / "deploy" / "dagster.yaml", region.folders.home)
    return region


def command(region: GrowingRegion, url: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, **region.environment, "DAGSTER_POSTGRES_URL": url}
    return subprocess.run(
        [sys.executable, "-m", "model2_assets.cli.main", *arguments],
        env={name: value for name, value in environment.items() if value},
        check=False,
        capture_output=True,
        text=True,
        timeout=300,
    )


def test_commands_work_and_nothing_that_they_write_tells_the_password(
    region: GrowingRegion, server: Server
) -> None:
    retrain = ["retrain", "--model", "ridge"]
    for arguments in (retrain, ["check"], ["scores"], ["prune-runs"], ["close-runs"]):
        ended = command(region, server.url(), *arguments)
        (region.folder / f"output-{arguments[0]}").write_text(ended.stdout + ended.stderr)
        assert ended.returncode == 0, ended.stderr
    files = [path for path in region.folder.rglob("*") if path.is_file()]
    assert [path for path in files if PASSWORD.encode() in path.read_bytes()] == []
    assert not (region.folders.home / "history").exists()


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        (lambda server: server.url("w" + PASSWORD), "password authentication failed"),
        (lambda server: server.url(port=1), "Connection refused"),
    ],
    ids=["wrong password", "no server"],
)
def test_a_server_that_refuses_is_one_sentence(
    region: GrowingRegion, server: Server, url, reason: str
) -> None:
    ended = command(region, url(server), "close-runs")

    assert ended.returncode == 1
    sentence = ended.stderr.splitlines()[-1]
    assert sentence.startswith("error: Dagster's database cannot be used: ")
    assert reason in sentence
    assert f"the server that dagster.yaml in {region.folders.home} names has to run" in sentence
    assert PASSWORD not in ended.stdout + ended.stderr


def test_an_address_that_is_not_set_is_named(region: GrowingRegion) -> None:
    ended = command(region, "", "close-runs")

    assert ended.returncode == 2
    assert "DAGSTER_POSTGRES_URL" in ended.stderr
    assert ended.stderr.count("\n") == 1
