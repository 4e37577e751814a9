"""Every room of the package has its place in the rules of imports."""

import pkgutil
import tomllib
from pathlib import Path

import model2_assets

REPOSITORY = Path(__file__).parents[1]
SHELL = {"model2_assets.cli", "model2_assets.defs", "model2_assets.definitions"}


def test_the_import_rules_name_every_room() -> None:
    settings = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))
    core, layers, circles = settings["tool"]["importlinter"]["contracts"]
    there = {
        f"model2_assets.{module.name}" for module in pkgutil.iter_modules(model2_assets.__path__)
    }
    assert set(core["source_modules"]) == there - SHELL
    assert circles["ancestors"] == ["model2_assets"]
    assert {room for layer in layers["layers"] for room in layer.split(" | ")} == there
