from pathlib import Path

import dagster as dg
import pytest
from upath import UPath

from model2_assets.cli.context import dagster_home
from model2_assets.config import MarketDataConfig, load_config
from model2_assets.config.sections import SlackConfig, expand_home
from model2_assets.storage import address, default_base
from model2_assets_tests.defs.small_region import quiet_home


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make a home folder, and another variable that must not be read."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("DATA", "a-secret")
    return tmp_path


@pytest.mark.parametrize("begin", ["~", "$HOME", "${HOME}"])
def test_every_local_path_may_begin_with_the_home_folder(
    home: Path, monkeypatch: pytest.MonkeyPatch, begin: str
) -> None:
    config = home / "config.yaml"
    files = f"source: csv, path: '{begin}/prices/*.csv', universe: '{begin}/members.csv'"
    config.write_text(f"regions: {{eu: {{market_data: {{{files}}}}}}}")
    monkeypatch.setenv("MODEL2_CONFIG", f"{begin}/config.yaml")
    monkeypatch.setenv("MODEL2_STORAGE", f"{begin}/results")

    market_data = load_config().region("eu").market_data

    assert market_data.path == f"{home}/prices/*.csv"
    assert market_data.universe == f"{home}/members.csv"
    assert default_base() == UPath(home / "results")
    working = address.working_root(UPath("memory://bucket"), f"{begin}/fast")
    assert working is not None
    assert working.parent == home / "fast"


@pytest.mark.parametrize(
    "path",
    [
        *("$DATA/a.csv", "${DATA}/a.csv", "$HOMES/a.csv", "${HOME", "prices/$HOME/a.csv"),
        *("prices/~/a.csv", "s3://bucket/$HOME/a.csv", "s3://~/a.csv", "file://$HOME/a.csv"),
        *("zip://a.csv::~/a.zip://", "~no-such-user/a.csv", "$(HOME)/a.csv", "%HOME%/a.csv"),
    ],
)
def test_nothing_else_is_expanded(home: Path, path: str) -> None:
    assert expand_home(path) == path
    assert MarketDataConfig(source="csv", path=path).path == path


def test_urls_of_services_stay(home: Path) -> None:
    assert SlackConfig(channel="#a", base_url="https://a.b/~/$HOME/").base_url.endswith("/~/$HOME/")


def test_the_home_of_dagster_is_the_same_for_dagster(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(address, "repository_root", lambda: None)
    monkeypatch.delenv("MODEL2_STORAGE", raising=False)
    quiet_home(home / "instance")
    monkeypatch.chdir(home)
    monkeypatch.setenv("DAGSTER_HOME", "~/instance")
    with dg.DagsterInstance.get() as instance:
        of_dagster = Path(instance.root_directory)

    assert default_base() == UPath(of_dagster / "data")
    working = address.working_root(UPath("memory://results"), None)
    assert working is not None
    assert working.parents[1] == of_dagster
    assert dagster_home() == of_dagster == home / "instance"
    assert not (home / "~").exists()
