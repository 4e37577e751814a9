"""The commands of the README, as processes of their own."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pandas as pd
import pytest
import yaml

from model2_assets_tests.defs.small_region import NO_DRAWINGS, SMALL_REGION, SMALL_XGBOOST

pytestmark = pytest.mark.end_to_end

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    config = {
        "regions": {"us": SMALL_REGION},
        "models": {"xgboost": {"params": SMALL_XGBOOST}},
        "reports": NO_DRAWINGS,
    }
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump(config), encoding="utf-8")
    home = tmp_path / "home"
    home.mkdir()
    return {
        **os.environ,
        "MODEL2_CONFIG": str(path),
        "MODEL2_STORAGE": str(tmp_path / "data"),
        "DAGSTER_HOME": str(home),
    }


def execute(
    *arguments: str, environment: Mapping[str, str], status: int = 0
) -> subprocess.CompletedProcess[str]:
    finished = subprocess.run(
        [sys.executable, "-m", *arguments],
        cwd=REPOSITORY,
        env=dict(environment),
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert finished.returncode == status, finished.stdout + finished.stderr
    return finished


def oof(environment: Mapping[str, str], partition: str) -> pd.DataFrame:
    horizon, model = partition.split("|")
    base = Path(environment["MODEL2_STORAGE"])
    return pd.read_parquet(base / "us" / "oof_predictions" / horizon / f"{model}.parquet")


def test_retrain_tells_every_fold_and_ends_with_the_scores(environment: dict[str, str]) -> None:
    retrain = ("model2_assets.cli.main", "retrain", "--horizon", "63d")
    first = execute(*retrain, environment=environment)
    scores = execute("model2_assets.cli.main", "scores", environment=environment)

    assert len(oof(environment, "63d|xgboost"))
    assert "4 of 4 runs succeeded" in first.stdout
    assert "split 4 fitted in" in first.stderr
    assert "remaining" in first.stderr
    headings = ("rank", "ICIR", "R²", "MSE", "coverage", "refit", "models", "time", "RSS")
    for text in (*headings, "xgboost", "100.00"):
        assert text in first.stdout
        assert text in scores.stdout


def test_retrain_exits_with_one_where_a_check_failed(
    environment: dict[str, str], tmp_path: Path
) -> None:
    config = yaml.safe_load((tmp_path / "config.yaml").read_text(encoding="utf-8"))
    config["checks"] = {"prediction_bps": 0.001}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")

    finished = execute(
        *("model2_assets.cli.main", "retrain", "--horizon", "21d", "--model", "ridge"),
        environment=environment,
        status=1,
    )

    assert "FAILED step us/oof_predictions 21d|ridge: not published" in finished.stderr
    assert "FAILED check range of us/oof_predictions 21d|ridge: largest" in finished.stderr
    assert "Traceback" not in finished.stderr


def materialize(environment: Mapping[str, str], selection: str, *arguments: str) -> None:
    execute(
        *("dagster", "asset", "materialize", "-m", "model2_assets.definitions"),
        *("--select", selection, *arguments),
        environment=environment,
    )


def test_dagster_materializes_a_partition_and_what_compares_them(
    environment: dict[str, str],
) -> None:
    training = (
        "us/fitted_models,us/oof_predictions,us/oof_paths,us/feature_importance,us/cv_scores,"
        "us/final_models,us/live_predictions"
    )

    materialize(environment, "us/market_data,us/labels,us/features,us/cv_splits")
    materialize(environment, training, "--partition", "21d|xgboost")
    materialize(environment, "us/leaderboard")

    board = pd.read_parquet(Path(environment["MODEL2_STORAGE"]) / "us" / "leaderboard.parquet")
    assert {f"{row.horizon}|{row.model}" for row in board.itertuples()} == {"21d|xgboost"}


@pytest.mark.parametrize(
    "source", [(), ("-w", "workspace.yaml"), ("-m", "model2_assets.definitions")]
)
def test_every_way_to_load_the_code_location_is_valid_and_quiet(
    environment: dict[str, str], source: tuple[str, ...]
) -> None:
    finished = execute("dagster", "definitions", "validate", *source, environment=environment)

    output = finished.stdout + finished.stderr
    assert "Validation successful for code location model2_assets" in output
    ours = [
        line
        for line in output.splitlines()
        if "Warning" in line and "definitions_validate_command" not in line
    ]
    assert ours == []


def test_dg_lists_the_definitions_and_finds_them_valid(environment: dict[str, str]) -> None:
    checked = execute("dagster_dg_cli.cli", "check", "defs", environment=environment)
    listed = execute("dagster_dg_cli.cli", "list", "defs", "--json", environment=environment)

    assert "All definitions loaded successfully" in checked.stdout + checked.stderr
    assets = {asset["asset_key"] for asset in json.loads(listed.stdout)["assets"]}
    assert {"us/market_data", "us/fitted_models", "us/leaderboard"} < assets
