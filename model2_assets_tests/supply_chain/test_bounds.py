"""What is pinned, as lowest and as tested, is what the project allows."""

import re
import tomllib
from itertools import chain
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.version import Version

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
EXTRAS = PROJECT["optional-dependencies"].values()
WANTED = [Requirement(text) for text in (*PROJECT["dependencies"], *chain(*EXTRAS))]
DIRECT = [wanted for wanted in WANTED if wanted.name != PROJECT["name"]]


def pinned(name: str) -> dict[str, Version]:
    """Return the lowest version that a file pins of every package."""
    lines = (ROOT / name).read_text("utf-8").splitlines()
    found: dict[str, Version] = {}
    for requirement in (Requirement(line) for line in lines if line and line[0] not in "#"):
        (pin,) = requirement.specifier
        assert pin.operator == "==", requirement
        version, key = Version(pin.version), requirement.name.lower()
        found[key] = min(version, found.get(key, version))
    return found


@pytest.mark.parametrize("wanted", DIRECT, ids=lambda wanted: wanted.name)
def test_every_dependency_has_a_lower_bound_which_is_what_test_lowest_installs(
    wanted: Requirement,
) -> None:
    (bound,) = (Version(s.version) for s in wanted.specifier if s.operator == ">=")
    lowest = pinned("constraints-lowest.txt")[wanted.name.lower()]

    assert lowest >= bound
    assert lowest.release[: len(bound.release)] == bound.release, "make lock"


@pytest.mark.parametrize("wanted", DIRECT, ids=lambda wanted: wanted.name)
def test_every_dependency_is_pinned_within_its_bounds(wanted: Requirement) -> None:
    assert wanted.specifier.contains(pinned("constraints.txt")[wanted.name.lower()])


def test_the_weekly_workflow_runs_what_the_makefile_has() -> None:
    jobs = yaml.safe_load((ROOT / "docs" / "versions_workflow.yml").read_text("utf-8"))["jobs"]
    targets = re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)
    run = [step["run"] for job in jobs.values() for step in job["steps"] if "run" in step]

    assert run == ["make ${{ matrix.target }}"]
    assert jobs["versions"]["strategy"]["matrix"]["target"] == [
        "audit",
        "test-lowest",
        "test-latest",
    ]
    assert set(jobs["versions"]["strategy"]["matrix"]["target"]) <= set(targets)
