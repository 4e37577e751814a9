"""A region that retrains in a second or two, and the command on it."""

import json
import uuid
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import dagster as dg
import yaml
from click.testing import CliRunner, Result
from dagster._cli import cli as dagster_cli

from model2_assets.cli.main import main
from model2_assets_tests.defs.small_region import NO_DRAWINGS, SMALL_REGION, quiet_home

HERE = "model2_assets_tests.defs.plugged_in"

QUICK_CONFIG: dict[str, Any] = {
    "regions": {
        "us": {
            **SMALL_REGION,
            "labels": {"horizons": [5, 10]},
            "features": {"builder": f"{HERE}:momentum_features"},
        }
    },
    "models": {"xgboost": None},
    "checks": {"lookahead_control_dates": 1},
    "reports": NO_DRAWINGS,
}

LOCATION = """
from model2_assets.config import load_config
from model2_assets.defs.build import build_definitions
from model2_assets.storage import default_store

defs = build_definitions(load_config(), default_store())
"""
"""A code location that follows the configuration and the environment of the command."""


@dataclass(frozen=True)
class GateBench:
    """The command on a folder of its own."""

    folder: Path

    @classmethod
    def open(cls, folder: Path) -> "GateBench":
        quiet_home(folder / "home")
        return cls(folder)

    @property
    def environment(self) -> dict[str, str]:
        return {
            "MODEL2_CONFIG": str(self.folder / "config.yaml"),
            "MODEL2_STORAGE": str(self.data),
            "DAGSTER_HOME": str(self.folder / "home"),
        }

    def run(self, *arguments: str, **changes: Any) -> Result:
        """Run the command with other top-level sections of the configuration."""
        self._configure(changes)
        return CliRunner().invoke(main, list(arguments), env=self.environment)

    def _configure(self, changes: dict[str, Any]) -> None:
        text = yaml.safe_dump({**QUICK_CONFIG, **changes})
        (self.folder / "config.yaml").write_text(text, encoding="utf-8")

    def materialize(self, selection: str, partition: str | None = None, **changes: Any) -> Result:
        """Run ``dagster asset materialize`` with other sections of the configuration."""
        self._configure(changes)
        # Dagster imports a file of one name once a process.
        location = self.folder / f"location_{uuid.uuid4().hex}.py"
        location.write_text(LOCATION, encoding="utf-8")
        arguments = ["asset", "materialize", "-f", str(location), "--select", selection]
        arguments += ["--partition", partition] if partition else []
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", dg.SupersessionWarning)
            return CliRunner().invoke(dagster_cli, arguments, env=self.environment)

    def failed_checks(self) -> set[str]:
        """Return the names of the checks that did not pass in the latest run."""
        with dg.DagsterInstance.from_config(self.environment["DAGSTER_HOME"]) as instance:
            (run, *_) = instance.get_runs(limit=1)
            records = instance.get_records_for_run(
                run.run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION
            ).records
        events = [record.event_log_entry.dagster_event for record in records]
        found = [event.asset_check_evaluation_data for event in events if event is not None]
        return {evaluation.check_name for evaluation in found if not evaluation.passed}

    @property
    def data(self) -> Path:
        return self.folder / "data"

    def files(self) -> dict[str, bytes]:
        """Return the content of every result."""
        return {
            str(path.relative_to(self.data)): path.read_bytes()
            for path in sorted(self.data.rglob("*"))
            if path.is_file() and path.relative_to(self.data).parts[0] == "us"
        }

    def document(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.data / "gate" / "gate.json").read_text("utf-8"))
        return found


def problems(result: Result) -> list[str]:
    """Return the lines that name a problem."""
    return [
        line
        for line in result.stderr.splitlines()
        if line.startswith(("FAILED", "MISSING", "SKIPPED", "WARNING"))
    ]


def verdict(result: Result) -> str:
    return result.stderr.splitlines()[-1]


def messages(bench: GateBench, folder: str = "data/gate") -> dict[str, str]:
    """Return the message of each case that did not pass, by name, from gate.xml."""
    cases = ET.parse(bench.folder / folder / "gate.xml").getroot().iter("testcase")
    return {
        str(case.get("name")): str(child.get("message"))
        for case in cases
        for child in case
        if child.tag in ("failure", "skipped")
    }


@dataclass(frozen=True)
class Good:
    """A good retrain, its report, and the bench to go on with."""

    bench: GateBench
    result: Result
    document: dict[str, Any]
    messages: dict[str, str]
