import sqlite3
from pathlib import Path
from typing import Any

import click
import pytest
import yaml
from click.testing import CliRunner, Result
from sqlalchemy.exc import OperationalError

from model2_assets.cli.main import _Command, main
from model2_assets_tests.defs.small_region import SMALL_REGION


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, list(arguments))


def config_file(folder: Path, values: Any) -> str:
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump(values), encoding="utf-8")
    return str(path)


@pytest.fixture(autouse=True)
def own_storage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODEL2_STORAGE", str(tmp_path / "data"))
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("MODEL2_CONFIG", raising=False)


def test_default_configuration_is_valid() -> None:
    result = run("validate-config", "--no-data")

    assert result.exit_code == 0, result.output
    assert "region us: horizons 21d, 63d; models ridge, xgboost" in result.output


def test_validation_reads_the_market_data(tmp_path: Path) -> None:
    path = config_file(tmp_path, {"regions": {"us": SMALL_REGION}})

    result = run("--config", path, "validate-config")

    assert result.exit_code == 0, result.output
    assert "5,520 rows" in result.output


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"regions": {"us": {"labls": {}}}}, "regions.us.labls: unknown key"),
        (
            {"regions": {"us": {"cross_validation": {"n_groups": 3, "n_test_groups": 3}}}},
            "regions.us.cross_validation: n_test_groups (3) must be below n_groups (3)",
        ),
        ({"regions": {"us": {"models": ["lasso"]}}}, "unknown model 'lasso'; known: ridge"),
        (
            {"models": {"ridge": {"trainer": "no_such_package:Trainer"}}},
            "models.ridge.trainer: cannot import module 'no_such_package'",
        ),
        (
            {"models": {"ridge": {"params": {"alhpa": 1}}}},
            "models.ridge.params.alhpa",
        ),
        (
            {"regions": {"us": {"features": {"builder": "math:no_such_function"}}}},
            "regions.us.features.builder: module 'math' has no attribute 'no_such_function'",
        ),
        (
            {
                "regions": {
                    "us": {
                        "market_data": {"source": "synthetic", "params": {"n_dates": 50}},
                        "labels": {"horizons": [63]},
                    }
                }
            },
            "labels.horizons",
        ),
    ],
)
def test_mistakes_in_the_configuration_are_named(tmp_path: Path, values: Any, message: str) -> None:
    result = run("--config", config_file(tmp_path, values), "validate-config")

    assert result.exit_code == 2
    assert message in result.output
    assert "Traceback" not in result.output


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("--region", "mars", "unknown region 'mars'; known: us"),
        ("--horizon", "5d", "unknown horizon '5d'; known: 21d, 63d"),
        ("--model", "lasso", "unknown model 'lasso'; known: ridge, xgboost"),
    ],
)
def test_retrain_refuses_unknown_names_before_any_work(
    tmp_path: Path, option: str, value: str, message: str
) -> None:
    result = run("retrain", option, value)

    assert result.exit_code == 2
    assert message in result.output
    assert not (tmp_path / "data").exists()


def test_missing_configuration_file_is_named(tmp_path: Path) -> None:
    result = run("--config", str(tmp_path / "nowhere.yaml"), "scores")

    assert result.exit_code == 2
    assert "nowhere.yaml: cannot be read" in result.output


def test_scores_without_results_say_what_to_run() -> None:
    result = run("scores")

    assert result.exit_code == 2
    assert "run: model2 retrain" in result.output


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ("local_artifact_storage: {module: dagster, class: {env: NO_SUCH}}", "NO_SUCH"),
        ("storage: {sqlite: {base_dir: {env: NO_SUCH}}}", "NO_SUCH"),
        ("storrage: 1", "storrage"),
        ("storage: [", "line 1, column 11"),
    ],
)
def test_an_instance_that_cannot_be_understood_is_one_sentence(
    settings: str, reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    (tmp_path / "dagster.yaml").write_text(settings)

    result = run("close-runs")

    assert result.exit_code == 2
    assert result.stderr.startswith(f"error: {tmp_path}/dagster.yaml: ")
    assert reason in result.stderr
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (MemoryError(), "error: out of memory; give the process more"),
        (OSError(28, "No space left on device"), "error: the system refuses: [Errno 28] No space"),
        (
            OperationalError("INSERT", {}, sqlite3.OperationalError("disk I/O error")),
            "error: Dagster's database cannot be used: disk I/O error; it needs space",
        ),
        (
            OperationalError("SELECT 1", {}, Exception("no server\n\tat port 5432?\n")),
            "error: Dagster's database cannot be used: no server at port 5432?; the server that",
        ),
    ],
)
def test_what_the_system_refuses_a_command_is_one_sentence(error: Exception, text: str) -> None:
    @click.group(cls=_Command)
    def group() -> None: ...

    @group.command()
    def work() -> None:
        raise RuntimeError("in a run") from error

    result = CliRunner().invoke(group, ["work"])
    assert result.exit_code == 1
    assert result.stderr.startswith(text)
    assert result.stderr.count("\n") == 1
