"""Secrets are planted wherever one can come from; then everything that was written is searched."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result

from model2_assets.cli.main import main
from model2_assets_tests.defs import leaking_parts
from model2_assets_tests.defs.small_region import NO_DRAWINGS, quiet_home

pytestmark = pytest.mark.end_to_end

CANARY = "c4narY-S3cret"
VARIABLES = {
    "SLACK_TOKEN": f"xoxb-{CANARY}-slack",
    "SMTP_PASSWORD": f"{CANARY}-smtp",
    "AWS_SECRET_ACCESS_KEY": f"{CANARY}-aws",
    leaking_parts.VARIABLE: f"{CANARY}-fsspec",
    "DAGSTER_POSTGRES_URL": f"postgresql+psycopg2://dagster:{CANARY}-pg@nohost/dagster",
}
HERE = "model2_assets_tests.defs.leaking_parts"
BARS = {"source": "synthetic", "params": {"n_instruments": 4, "n_dates": 150}}


class Site:
    """A folder with everything that a command writes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def retrain(self, **regions: Any) -> Result:
        config = {
            "regions": regions,
            "models": {"xgboost": None},
            "reports": NO_DRAWINGS,
            "logging": {"level": "DEBUG"},
        }
        (self.folder / "config.yaml").write_text(yaml.safe_dump(config))
        arguments = ["--config", str(self.folder / "config.yaml"), "retrain", "--gate"]
        result = CliRunner().invoke(main, [*arguments, "--report-dir", str(self.folder / "gate")])
        (self.folder / "output").write_text(result.output)
        return result

    def files_with_canary(self) -> list[str]:
        files = [path for path in self.folder.rglob("*") if path.is_file()]
        assert {"output", "gate.xml", "gate.json", "index.db"} <= {path.name for path in files}
        return [path.name for path in files if CANARY.encode() in path.read_bytes()]


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    monkeypatch.setenv("DAGSTER_HOME", str(quiet_home(tmp_path / "home")))
    monkeypatch.setenv("MODEL2_STORAGE", str(tmp_path / "data"))
    monkeypatch.setenv("MODEL2_CONFIG", "")
    for name, value in VARIABLES.items():
        monkeypatch.setenv(name, value)
    leaking_parts.register()
    return Site(tmp_path)


def test_nothing_that_a_failing_retrain_writes_tells_a_secret(site: Site) -> None:
    unreachable = {"source": "csv", "path": "leaking://bucket/prices.csv"}
    result = site.retrain(
        us={"market_data": unreachable},
        eu={"market_data": BARS, "labels": {"horizons": [5], "builder": f"{HERE}:leaking_labels"}},
    )
    assert result.exit_code == 1
    for told in (
        "leaking://bucket/prices.csv: cannot be reached (403 for https://***@",
        "WARNING: connecting to postgresql+psycopg2://***@nohost/dagster",
        f"labels.builder: {HERE}:leaking_labels failed: RuntimeError: no labels today",
    ):
        assert told in result.output
    assert site.files_with_canary() == []
