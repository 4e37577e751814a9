"""The pages: their commands are accepted, and the reference has every key, column and metric."""

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner
from dagster._cli import cli as dagster_cli
from dagster_dg_cli.cli import cli as dg_cli
from pydantic import BaseModel

import model2_assets
from model2_assets.checks import CATALOGUE
from model2_assets.cli.main import main
from model2_assets.config import Model2Config, parse_config
from model2_assets.contracts import FOLDER, load_contract
from model2_assets.evaluation import METRICS
from model2_assets.training import RidgeTrainer, XGBoostTrainer

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "docs" / "_ext"))

import reference_pages  # noqa: E402 -- an extension of the site, not a module of the package

README = ROOT / "README.md"
PAGES = [README, ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
PARSERS = {"model2": main, "dg": dg_cli, "dagster": dagster_cli}
BLOCK = re.compile(r"^```.*?^```", re.DOTALL | re.MULTILINE)
NAMED = re.compile(r"`((?:model2|dg|dagster|make) [^`…]+)`")
"""A command within a sentence."""


def blocks(page: Path, language: str) -> Iterator[tuple[str, str]]:
    """Yield what a page's blocks of a language need, where they say so, and their text."""
    text = page.read_text(encoding="utf-8")
    yield from re.findall(rf"^```{language}(?: needs (.+))?\n(.*?)^```", text, re.DOTALL | re.M)


def commands(text: str) -> Iterator[tuple[str, ...]]:
    """Yield the words of every command in a shell block."""
    for line in text.replace("\\\n", " ").splitlines():
        words = shlex.split(line, comments=True)
        while words and re.fullmatch(r"[A-Z0-9_]+=.*", words[0]):
            words.pop(0)
        if words:
            yield (words[0].removeprefix(".venv/bin/"), *words[1:])


def named(page: Path) -> Iterator[tuple[str, ...]]:
    """Yield the words of every command that a page's sentences name."""
    for text in NAMED.findall(BLOCK.sub("", page.read_text(encoding="utf-8"))):
        yield tuple(shlex.split(text))


SHELL = [block for page in PAGES for block in blocks(page, "sh")]
COMMANDS = sorted(
    {words for _, text in SHELL for words in commands(text)}
    | {words for page in PAGES for words in named(page)}
)
RUN = list(dict.fromkeys(words for need, text in SHELL if not need for words in commands(text)))
"""Those of the shell blocks that do not say what they need besides a checkout."""

RUN_ELSEWHERE = {
    "make ui": "signals/stages.py",  # model2 ui
    "python docs/stacking.py": "defs/test_stacking_example.py",
    "export DAGSTER_HOME=$PWD": "cli/test_page_commands.py",  # in a home of its own
}


def test_every_command_of_the_pages_is_run_or_says_what_it_needs() -> None:
    by_ci = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    left = {" ".join(words) for words in RUN if words[0] not in ("model2", "dg")}

    assert {text for text in left if f" {text}\n" not in by_ci} - {".ci/run"} == set(RUN_ELSEWHERE)
    assert all((ROOT / "model2_assets_tests" / file).exists() for file in RUN_ELSEWHERE.values())


@pytest.mark.parametrize("words", [each for each in COMMANDS if each[0] in PARSERS], ids=" ".join)
def test_commands_of_the_pages_are_accepted(words: tuple[str, ...]) -> None:
    asked = CliRunner().invoke(PARSERS[words[0]], [*words[1:], "--help"])

    assert asked.exit_code == 0, asked.output


def test_make_targets_of_the_pages_are_there() -> None:
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    wanted = {words[1] for words in COMMANDS if words[0] == "make"}

    assert {"train", "test", "ui"} <= wanted <= targets


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_configuration_of_the_pages_is_valid(page: Path) -> None:
    for _, text in blocks(page, "yaml"):
        parse_config(yaml.safe_load(text), origin=text)


def test_all_kinds_of_tests_are_run() -> None:
    planned = subprocess.run(
        ["make", "-n", "-o", "environment", "test"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )

    assert planned.stderr == ""
    for kind in ("not end_to_end and not ui", "end_to_end and not services", "-m ui"):
        assert kind in planned.stdout


@pytest.mark.parametrize(
    "name", ["checks", "configuration", "contracts", "extras", "metrics", "parameters"]
)
def test_the_reference_is_that_of_the_code(name: str) -> None:
    page = ROOT / "docs" / "reference" / f"{name}.md"

    assert page.read_text(encoding="utf-8") == getattr(reference_pages, f"{name}_page")(), (
        "make docs writes it anew"
    )


def test_the_readme_can_be_read_in_five_minutes() -> None:
    assert len(README.read_text(encoding="utf-8").splitlines()) <= 150


def test_the_api_page_has_what_the_package_hands_out() -> None:
    page = (ROOT / "docs" / "reference" / "api.md").read_text(encoding="utf-8")

    assert len(model2_assets.__all__) == 20
    assert sorted(re.findall(r"auto(?:function|class):: (\w+)", page)) == model2_assets.__all__
    assert all(getattr(model2_assets, name).__doc__ for name in model2_assets.__all__)


def keys(section: type[BaseModel]) -> Iterator[str]:
    for name, field in section.model_fields.items():
        inner, _ = reference_pages._model_within(field.annotation)
        yield from [name] if inner is None else keys(inner)


def test_the_reference_has_every_configuration_key() -> None:
    page = reference_pages.configuration_page()

    assert {"embargo_days", "token_variable", "low"} < set(keys(Model2Config))
    for key in set(keys(Model2Config)):
        (row, *_) = re.findall(rf"^\| `{key}` \| .+ \| .+ \| .+ \|$", page, re.MULTILINE)
        assert not row.endswith("|  |"), key


def test_the_reference_has_every_parameter() -> None:
    page = reference_pages.parameters_page()

    assert all(
        f"`{name}`" in page
        for name in {**RidgeTrainer.DEFAULT_PARAMS, **XGBoostTrainer.DEFAULT_PARAMS}
    )


def test_readme_and_expectations_say_the_same_of_the_scores() -> None:
    expected = (ROOT / "docs" / "expectations.md").read_text(encoding="utf-8")
    said = [
        re.findall(r"[+−]0\.\d+.*? bps", text) for text in (expected, README.read_text("utf-8"))
    ]

    assert said[0] == said[1]
    assert len(said[0]) == 8


def test_the_reference_has_every_column_and_metric() -> None:
    page = reference_pages.contracts_page()
    for path in FOLDER.glob("*.schema.json"):
        name = path.name.split(".")[0]
        if name == "GateSummary":  # a document
            continue
        for column in load_contract(name).columns:
            assert f"| `{column.name}` | {column.arrow_type}" in page
    assert all(f"| `{name}` |" in reference_pages.metrics_page() for name in METRICS)


def test_the_reference_has_every_check() -> None:
    page = reference_pages.checks_page()
    for asset, checks in CATALOGUE.items():
        (section,) = re.findall(rf"^## `{asset}`\n(.*?)(?=^## |\Z)", page, re.DOTALL | re.MULTILINE)
        for check in checks:
            assert check.when == "stored" or f"| `{check.name}` | {check.level}" in section
