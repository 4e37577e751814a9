"""Every module of the package is of the core, which never imports dagster, or of the shell."""

import pkgutil
import tomllib
from pathlib import Path

import model2_assets

REPOSITORY = Path(__file__).parents[1]


def test_the_import_rule_names_every_module() -> None:
    settings = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))
    (rule,) = settings["tool"]["importlinter"]["contracts"]
    there = {
        f"model2_assets.{module.name}" for module in pkgutil.iter_modules(model2_assets.__path__)
    }
    shell = {name for name in rule["forbidden_modules"] if name.startswith("model2_assets.")}
    assert set(rule["source_modules"]) == there - shell
