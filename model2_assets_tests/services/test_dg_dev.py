"""``dg dev`` in the checkout serves our location, and ends when it is told to."""

import json
import sys
import urllib.request
from pathlib import Path

import pytest

from model2_assets_tests.defs.daemon import REPOSITORY, DaemonHome
from model2_assets_tests.defs.small_region import SMALL_REGION
from model2_assets_tests.ui.server import served

pytestmark = pytest.mark.services

QUERY = "{repositoriesOrError {... on RepositoryConnection {nodes {location {name}}}}}"


def test_dg_dev_serves_our_location(tmp_path: Path) -> None:
    home = DaemonHome(tmp_path / "home")
    home.configure({"regions": {"us": SMALL_REGION}})
    command = (sys.executable, "-m", "dagster_dg_cli.cli", "dev", "--target-path", str(REPOSITORY))

    with served(home, command) as url:
        asked = urllib.request.Request(
            f"{url}/graphql",
            json.dumps({"query": QUERY}).encode(),
            {"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(asked, timeout=30) as answer:
            (node,) = json.load(answer)["data"]["repositoriesOrError"]["nodes"]

    assert node["location"]["name"] == "model2_assets"
