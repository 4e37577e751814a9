"""``model2 retrain --gate``: exit status, one line a problem, and the report."""

from typing import Any

import jsonschema
import pytest

from model2_assets.contracts import load_schema
from model2_assets_tests.defs.gate_bench import (
    HERE,
    QUICK_CONFIG,
    GateBench,
    Good,
    messages,
    problems,
    verdict,
)

pytestmark = pytest.mark.end_to_end

BROKEN = {"ridge": {"trainer": f"{HERE}:BrokenTrainer"}, "xgboost": None}
ONE_PARTITION = ("--horizon", "5d", "--model", "ridge")


def test_a_good_retrain_exits_with_zero_and_says_so(good: Good) -> None:
    assert good.result.exit_code == 0, good.result.output
    assert problems(good.result) == []
    assert verdict(good.result).startswith(
        "gate passed, exit status 0: 4 runs (0 failed, 0 skipped), "
    )
    assert verdict(good.result).endswith("2 partitions (0 missing)")


def test_report_of_a_good_retrain_names_every_step_and_check(good: Good) -> None:
    document = good.document
    jsonschema.Draft202012Validator(load_schema("GateSummary")).validate(document)
    assert document["passed"]
    assert [run["name"] for run in document["runs"]] == [
        "us preparation",
        "us 5d|ridge",
        "us 10d|ridge",
        "us summary",
    ]
    training = document["runs"][1]
    assert {step["step"] for step in training["steps"]} >= {"us/fitted_models", "us/cv_scores"}
    assert all(step["seconds"] > 0 for step in training["steps"])
    assert {(check["partition"], check["passed"]) for check in training["checks"]} == {
        ("5d|ridge", True)
    }
    assert {"range", "coverage", "determinism"} <= {check["name"] for check in training["checks"]}
    assert [found["partition"] for found in document["partitions"]] == ["5d|ridge", "10d|ridge"]
    assert good.messages == {}


def test_a_failed_check_exits_with_one_and_is_named(gate: GateBench) -> None:
    before = gate.files()

    result = gate.run("retrain", "--gate", *ONE_PARTITION, checks={"prediction_bps": 0.001})

    assert result.exit_code == 1
    (check,) = (line for line in problems(result) if line.startswith("FAILED check"))
    assert check.startswith("FAILED check range of us/oof_predictions 5d|ridge: largest absolute")
    assert "checks (1 failed, " in verdict(result)
    assert "2 partitions (0 missing)" in verdict(result)
    assert verdict(result).startswith("gate FAILED, exit status 1: ")
    found = messages(gate)
    assert found["check range of us/oof_predictions"].startswith("largest absolute prediction")
    assert found["step us/oof_paths"].startswith("not executed")
    assert gate.document()["counts"]["failed_checks"] == 1
    oof = "us/oof_predictions/5d/ridge.parquet"
    assert gate.files()[oof] == before[oof]


def test_a_failed_step_exits_with_one_and_is_named(gate: GateBench) -> None:
    result = gate.run("retrain", "--gate", *ONE_PARTITION, models=BROKEN)

    assert result.exit_code == 1
    (step,) = (line for line in problems(result) if line.startswith("FAILED"))
    assert step.startswith("FAILED step us/fitted_models 5d|ridge: ")
    assert "no fit today" in step
    assert gate.document()["counts"]["failed_steps"] == 1
    assert "no fit today" in messages(gate)["step us/fitted_models"]


def test_a_missing_partition_exits_with_one_though_it_was_not_retrained(gate: GateBench) -> None:
    path = gate.data / "us" / "oof_paths" / "10d" / "ridge.parquet"
    content = path.read_bytes()
    path.unlink()

    result = gate.run("retrain", "--gate", *ONE_PARTITION)

    path.write_bytes(content)
    assert result.exit_code == 1
    (missing,) = (line for line in problems(result) if not line.startswith("WARNING"))
    assert missing.startswith("MISSING partition us 10d|ridge: oof_paths: ")
    assert missing.endswith("10d/ridge.parquet: not there; materialize oof_paths first")
    assert [found["is_missing"] for found in gate.document()["partitions"]] == [False, True]
    assert list(messages(gate)) == ["partition us 10d|ridge"]


def test_runs_skipped_after_a_failed_preparation_are_in_the_report_wherever_it_goes(
    gate: GateBench,
) -> None:
    region = {**QUICK_CONFIG["regions"]["us"], "cross_validation": {"min_samples": 100_000}}
    folder = gate.folder / "artifacts"

    result = gate.run("retrain", "--report-dir", str(folder), regions={"us": region})

    assert result.exit_code == 1
    skipped = [line for line in problems(result) if line.startswith("SKIPPED")]
    assert skipped == [
        f"SKIPPED run us {name}: the preparation of us failed"
        for name in ("5d|ridge", "10d|ridge", "summary")
    ]
    assert any(line.startswith("FAILED step us/cv_splits: ") for line in problems(result))
    assert sorted(path.name for path in folder.iterdir()) == ["gate.json", "gate.xml"]
    assert messages(gate, "artifacts")["run"] == "the preparation of us failed"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--gate", "--region", "mars"), "unknown region 'mars'"),
        (("--report-dir", "config.yaml/report"), "correct --report-dir"),
    ],
)
def test_a_wrong_option_exits_with_two_before_any_work(
    gate: GateBench, arguments: tuple[str, str], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(gate.folder)
    before = gate.files()

    result = gate.run("retrain", *arguments)

    assert result.exit_code == 2
    assert message in result.stderr
    assert gate.files() == before


@pytest.mark.parametrize(
    ("asset", "partition", "changes", "status"),
    [
        ("feature_importance", "5d|ridge", {}, 0),
        ("oof_predictions", "5d|ridge", {"checks": {"prediction_bps": 0.001}}, 1),
        ("fitted_models", "5d|ridge", {"models": BROKEN}, 1),
    ],
    ids=["good", "failed blocking check", "failed step"],
)
def test_exit_status_of_plain_dagster(
    gate: GateBench, asset: str, partition: str, changes: dict[str, Any], status: int
) -> None:
    result = gate.materialize(f"us/{asset}", partition, **changes)

    assert result.exit_code == status, result.output


def test_exit_status_of_plain_dagster_is_zero_after_a_failed_check_of_level_warn(
    gate: GateBench,
) -> None:
    other = {"ridge": {"params": {"alpha": 5.0}}, "xgboost": None}

    result = gate.materialize("us/leaderboard", models=other)

    assert result.exit_code == 0, result.output
    assert gate.failed_checks() == {"partitions_current"}
