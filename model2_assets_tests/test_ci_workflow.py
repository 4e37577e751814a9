"""The example workflow: its commands are accepted, and make everything that there is."""

import shlex
import tomllib
from pathlib import Path
from string import Template
from typing import Any

import pytest
import yaml
from click.testing import CliRunner
from dagster_dg_cli.cli import cli as dg_cli

from model2_assets.cli.main import main
from model2_assets.config import parse_config
from model2_assets.defs.assets import PREPARATION, asset_names
from model2_assets.defs.region import Region
from model2_assets.storage import Store

ROOT = Path(__file__).parents[1]
WORKFLOW = ROOT / "docs" / "ci_workflow.yml"
JOBS: dict[str, Any] = yaml.safe_load(WORKFLOW.read_text(encoding="utf-8"))["jobs"]
COMMANDS = {"model2": main, "dg": dg_cli}


def command_lines(job: str) -> list[list[str]]:
    """Return the words of every command line of a job, its variables filled in."""
    lines = [line for step in JOBS[job]["steps"] for line in step.get("run", "").splitlines()]
    variables = JOBS[job].get("env", {})
    return [shlex.split(Template(line).safe_substitute(variables)) for line in lines]


def option(words: list[str], name: str) -> str | None:
    return words[words.index(name) + 1] if name in words else None


def ours(job: str) -> list[list[str]]:
    return [words for words in command_lines(job) if words[0].startswith(".venv/bin/")]


@pytest.mark.parametrize("words", ours("gate") + ours("dagster"), ids=" ".join)
def test_command_line_is_accepted(words: list[str]) -> None:
    command = COMMANDS[words[0].removeprefix(".venv/bin/")]

    assert CliRunner().invoke(command, [*words[1:], "--help"]).exit_code == 0


def test_a_misspelt_option_would_be_noticed() -> None:
    (words, *_) = (line for line in ours("gate") if "retrain" in line)

    assert CliRunner().invoke(main, [*words[1:], "--gaet", "--help"]).exit_code == 2


@pytest.mark.parametrize("job", JOBS)
def test_jobs_install_as_the_readme_does(job: str) -> None:
    assert command_lines(job)[0] == ["make", "environment"]
    uses = [step["uses"] for step in JOBS[job]["steps"] if "uses" in step]
    assert all(name.startswith("actions/") for name in uses)


def test_the_gate_is_passed_and_its_report_kept_whatever_happens() -> None:
    lines = [" ".join(words) for words in ours("gate")]
    upload = JOBS["gate"]["steps"][-1]

    assert ".venv/bin/model2 retrain --gate --report-dir reports/retrain" in lines
    assert upload["if"] == "always()"
    assert upload["with"]["path"].split() == ["reports/*/gate.xml", "reports/*/gate.json"]


def test_dagster_makes_every_asset_of_every_partition() -> None:
    region = Region("us", parse_config({}), Store("memory://workflow"))
    made = {
        (asset.removeprefix("us/"), option(words, "--partition"))
        for words in ours("dagster")
        for asset in str(option(words, "--assets")).split(",")
    }

    assert made == {
        *((asset, None) for asset in (*PREPARATION, *asset_names(region, "summary"))),
        *(
            (asset, key)
            for asset in asset_names(region, "training")
            for key in region.partition_keys
        ),
    }


def test_dg_and_dagster_find_one_code_location() -> None:
    tools = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]
    workspace = yaml.safe_load((ROOT / "workspace.yaml").read_text(encoding="utf-8"))
    (location,) = (each["python_module"] for each in workspace["load_from"])
    project = tools["dg"]["project"]

    assert tools["dg"]["directory_type"] == "project"
    assert (
        (tools["dagster"]["module_name"], tools["dagster"]["code_location_name"])
        == (project["code_location_target_module"], project["code_location_name"])
        == (location["module_name"], location["location_name"])
    )
