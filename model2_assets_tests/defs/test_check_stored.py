"""``model2 check``: the checks of what is on disk, as Dagster's, and nothing made again."""

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import jsonschema
import pandas as pd
import pytest

from model2_assets.contracts import load_schema
from model2_assets.storage import Address, Store
from model2_assets_tests.defs.gate_bench import GateBench, messages, problems, verdict
from model2_assets_tests.sample_tables import OF_PARTITIONS, SHARED

pytestmark = pytest.mark.end_to_end


@pytest.fixture
def restored(gate: GateBench) -> Iterator[GateBench]:
    """Yield the bench, whose files a test may spoil."""
    before = gate.files()
    yield gate
    for name, content in before.items():
        (gate.data / name).write_bytes(content)


def evaluations(bench: GateBench, asset: str, check: str = "stored") -> dict[str | None, str]:
    """Return the status of the latest evaluation by partition."""
    with dg.DagsterInstance.from_config(bench.environment["DAGSTER_HOME"]) as instance:
        key = dg.AssetCheckKey(dg.AssetKey(["us", asset]), check)
        found = instance.event_log_storage.get_asset_check_execution_history(key, limit=20)
    return {record.partition: record.status.value for record in reversed(found)}


def test_what_is_on_disk_is_checked_recorded_and_left_alone(gate: GateBench) -> None:
    before = gate.files()

    result = gate.run("check", "--gate")

    assert result.exit_code == 0, result.output
    assert problems(result) == []
    assert verdict(result).startswith("gate passed, exit status 0: 3 runs (0 failed, 0 skipped)")
    for asset in SHARED[:-1]:
        assert evaluations(gate, asset) == {None: "SUCCEEDED"}, asset
    for asset in OF_PARTITIONS:
        both = {"5d|ridge": "SUCCEEDED", "10d|ridge": "SUCCEEDED"}
        assert evaluations(gate, asset) == both, asset
    assert gate.files() == before
    document = gate.document()
    jsonschema.Draft202012Validator(load_schema("GateSummary")).validate(document)
    assert document["command"] == "check"
    assert [run["name"] for run in document["runs"]] == [
        "us shared assets",
        "us 5d|ridge",
        "us 10d|ridge",
    ]
    reproduced = [
        check
        for check in document["runs"][1]["checks"]
        if check["name"] == "stored_models_reproduce_oof"
    ]
    assert [check["description"] for check in reproduced] == ["largest difference 0 bps"]


def unlink(path: Path) -> None:
    path.unlink()


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0xFF
    path.write_bytes(bytes(data))


def test_every_missing_or_damaged_file_is_a_failure_that_names_it(restored: GateBench) -> None:
    us = restored.data / "us"
    (model, *_) = (us / "fitted_models" / "5d" / "ridge").glob("fold_*")
    flip(model)
    cut(us / "oof_predictions" / "5d" / "ridge.parquet")
    unlink(us / "oof_paths" / "5d" / "ridge.parquet")
    unlink(us / "labels.parquet")

    result = restored.run("check", "--horizon", "5d")

    assert result.exit_code == 1
    assert "Traceback" not in result.output
    unreadable = [line for line in problems(result) if ": readable: " in line]
    assert len(unreadable) == 4
    for asset, message in (
        ("labels", f"{us}/labels.parquet: not there; materialize labels first"),
        ("fitted_models 5d|ridge", f"{model}: is damaged: sha256"),
        ("oof_predictions 5d|ridge", f"{us}/oof_predictions/5d/ridge.parquet: "),
        ("oof_paths 5d|ridge", f"{us}/oof_paths/5d/ridge.parquet: not there; materialize"),
    ):
        start = f"FAILED check stored of us/{asset}: readable: {message}"
        assert any(line.startswith(start) for line in unreadable), asset
    assert evaluations(restored, "labels")[None] == "FAILED"
    assert evaluations(restored, "oof_paths")["5d|ridge"] == "FAILED"
    assert any(
        line.startswith("FAILED check stored of us/cv_splits: evaluated: cannot be evaluated: ")
        for line in problems(result)
    )


def altered(frame: pd.DataFrame) -> pd.DataFrame:
    """Return a table with one other value, that states the version it had before."""
    other = frame.copy()
    other.iloc[7, other.columns.get_loc("prediction")] += 0.5
    other.attrs = frame.attrs
    return other


def test_an_altered_prediction_is_found_by_every_check_that_it_concerns(
    restored: GateBench,
) -> None:
    store, address = Store(str(restored.data)), Address("us", "oof_predictions", "5d", "ridge")
    store.write(address, altered(store.read(address)))

    result = restored.run("check", "--gate")

    checks = [line for line in problems(result) if line.startswith("FAILED check stored of ")]
    found = dict(line.removeprefix("FAILED check ").split(": ", 1) for line in checks)
    assert set(found) == {
        "stored of us/oof_predictions 5d|ridge",
        "stored of us/oof_paths 5d|ridge",
        "stored of us/cv_scores 5d|ridge",
        "stored of us/stacking_frame",
    }
    assert found["stored of us/oof_predictions 5d|ridge"].startswith("unaltered: the values have")
    assert (
        "mean_is_oof: largest difference from oof_predictions 0.5 bps"
        in (found["stored of us/oof_paths 5d|ridge"])
    )
    assert (
        "scores are not those of the stored predictions"
        in (found["stored of us/cv_scores 5d|ridge"])
    )
    reproduced = "check stored_models_reproduce_oof of us/oof_predictions"
    assert messages(restored)[reproduced].startswith("largest difference 0.5 bps")


def test_limits_are_those_of_today_and_missing_partitions_are_named_if_not_checked(
    restored: GateBench,
) -> None:
    unlink(restored.data / "us" / "cv_scores" / "5d" / "ridge.jsonl")

    result = restored.run("check", "--gate", "--horizon", "10d", checks={"prediction_bps": 0.001})

    assert result.exit_code == 1
    assert [line.split(": ")[:2] for line in problems(result) if " 10d|ridge: " in line] == [
        ["FAILED check stored of us/oof_predictions 10d|ridge", "range"],
        ["FAILED check stored of us/oof_paths 10d|ridge", "range"],
        ["FAILED check stored of us/live_predictions 10d|ridge", "range"],
    ]
    assert [line for line in problems(result) if line.startswith("MISSING")] == [
        f"MISSING partition us 5d|ridge: cv_scores: {restored.data}/us/cv_scores/5d/"
        "ridge.jsonl: not there; materialize cv_scores first"
    ]
