import json
from pathlib import Path
from xml.etree import ElementTree as ET

import jsonschema
import pytest

from model2_assets.cli.gate import (
    GateSummary,
    gate_folder,
    junit_xml,
    look_at_partitions,
    write_report,
)
from model2_assets.config.partition import Partition
from model2_assets.contracts import load_schema
from model2_assets.defs.retrain import RunResult
from model2_assets.errors import ConfigError
from model2_assets.storage import Address, Store
from model2_assets_tests.cli.summaries import (
    CRASHED,
    MISSING,
    PREPARATION,
    PRESENT,
    SKIPPED,
    TRAINING,
    summary,
)
from model2_assets_tests.sample_models import fitted
from model2_assets_tests.sample_tables import cv_scores, oof_predictions

EVERYTHING = summary(PREPARATION, TRAINING, CRASHED, SKIPPED, partitions=(PRESENT, MISSING))


def test_every_failure_is_one_line_and_the_verdict_is_last() -> None:
    assert EVERYTHING.lines == (
        "WARNING check rank_ic of us/oof_predictions 21d|ridge: 0.2 > 0.1",
        "SKIPPED run eu summary: the preparation of eu failed",
        "FAILED step us/oof_predictions 21d|ridge: not published. check range: too large",
        "FAILED check range of us/oof_predictions 21d|ridge: 1,200 bps\x1b[0m",
        "FAILED run eu preparation: no such resource",
        "MISSING partition us 63d|xgboost: oof_paths: not there; missing or damaged too: "
        "cv_scores, tear_sheet",
        "gate FAILED, exit status 1: 4 runs (2 failed, 1 skipped), 5 steps (1 failed, 1 skipped), "
        "4 checks (1 failed, 1 warnings), 2 partitions (1 missing)",
    )


@pytest.mark.parametrize(
    ("found", "status"),
    [
        (summary(PREPARATION, partitions=(PRESENT,)), 0),
        (summary(PREPARATION), 0),
        (summary(PREPARATION, TRAINING), 1),
        (summary(PREPARATION, SKIPPED), 1),
        (summary(PREPARATION, CRASHED), 1),
        (summary(PREPARATION, partitions=(PRESENT, MISSING)), 1),
    ],
)
def test_exit_status_is_one_where_anything_failed_is_skipped_or_missing(
    found: GateSummary, status: int
) -> None:
    assert found.exit_status == status
    assert found.passed == (status == 0)


def test_warnings_do_not_fail_the_gate() -> None:
    check = TRAINING.checks[2]
    warned = summary(RunResult("us", "us_training", "21d|ridge", status="passed", checks=(check,)))

    assert warned.exit_status == 0
    assert warned.counts["warnings"] == 1
    assert warned.lines[0].startswith("WARNING check rank_ic")


def test_document_keeps_its_contract_and_holds_what_the_lines_say() -> None:
    document = json.loads(json.dumps(EVERYTHING.document()))

    jsonschema.Draft202012Validator(load_schema("GateSummary")).validate(document)
    assert document["lines"] == list(EVERYTHING.lines)
    assert document["counts"]["failed_checks"] == 1
    assert [run["name"] for run in document["runs"]] == [
        "us preparation",
        "us 21d|ridge",
        "eu preparation",
        "eu summary",
    ]
    assert document["partitions"][1]["is_missing"] is True


def test_contract_notices_a_document_of_another_shape() -> None:
    document = EVERYTHING.document()
    document["runs"][0]["steps"][0]["status"] = "succeeded"

    with pytest.raises(jsonschema.ValidationError, match="succeeded"):
        jsonschema.Draft202012Validator(load_schema("GateSummary")).validate(
            json.loads(json.dumps(document))
        )


def suites() -> dict[str, ET.Element]:
    found = summary(PREPARATION, TRAINING, CRASHED, SKIPPED, partitions=(PRESENT, MISSING))
    root = ET.fromstring(junit_xml(found))
    assert root.tag == "testsuites"
    assert (root.get("name"), root.get("time")) == ("model2 retrain", "6.5")
    assert (root.get("tests"), root.get("failures"), root.get("skipped")) == ("13", "4", "2")
    return {str(suite.get("name")): suite for suite in root}


def outcomes(suite: ET.Element) -> dict[str, tuple[str, str]]:
    """Return verdict and message of each case by name."""
    found = {}
    for case in suite.iter("testcase"):
        children = [child for child in case if child.tag in ("failure", "skipped")]
        verdict = children[0].tag if children else "passed"
        found[str(case.get("name"))] = (verdict, children[0].get("message", "") if children else "")
    return found


def test_a_suite_for_each_run_and_one_for_the_partitions() -> None:
    found = suites()

    assert list(found) == [
        "us preparation",
        "us 21d|ridge",
        "eu preparation",
        "eu summary",
        "partitions",
    ]
    assert found["us preparation"].get("time") == "1.25"
    assert outcomes(found["us preparation"]) == {
        "step us/market_data": ("passed", ""),
        "step us/labels": ("passed", ""),
        "check contract of us/labels": ("passed", ""),
    }


def test_failures_carry_their_sentence() -> None:
    assert outcomes(suites()["us 21d|ridge"]) == {
        "step us/fitted_models": ("passed", ""),
        "step us/oof_predictions": ("failure", "not published. check range: too large"),
        "step us/cv_scores": ("skipped", "a step before it failed"),
        "check complete of us/fitted_models": ("passed", ""),
        "check range of us/oof_predictions": ("failure", "1,200 bps\N{REPLACEMENT CHARACTER}[0m"),
        "check rank_ic of us/oof_predictions": ("passed", ""),
    }


def test_a_warning_passes_and_can_be_read() -> None:
    suite = suites()["us 21d|ridge"]
    (case,) = (case for case in suite.iter("testcase") if "rank_ic" in str(case.get("name")))

    assert case.findtext("system-out") == "WARNING 0.2 > 0.1"


@pytest.mark.parametrize(
    ("suite", "name", "outcome"),
    [
        ("eu preparation", "run", ("failure", "no such resource")),
        ("eu summary", "run", ("skipped", "the preparation of eu failed")),
        ("partitions", "partition us 21d|ridge", ("passed", "")),
        (
            "partitions",
            "partition us 63d|xgboost",
            (
                "failure",
                "missing: oof_paths: not there; missing or damaged too: cv_scores, tear_sheet",
            ),
        ),
    ],
)
def test_skipped_runs_crashed_runs_and_missing_partitions_have_a_case(
    suite: str, name: str, outcome: tuple[str, str]
) -> None:
    assert outcomes(suites()[suite])[name] == outcome


def test_steps_have_their_seconds() -> None:
    times = {case.get("name"): case.get("time") for case in suites()["us 21d|ridge"].iter()}

    assert times["step us/fitted_models"] == "1.5"


def test_report_is_below_the_base_path_of_a_local_store(tmp_path: Path) -> None:
    report = gate_folder(None, Store(tmp_path / "data"))

    write_report(report, summary(TRAINING))
    write_report(report, summary(PREPARATION))

    folder = tmp_path / "data" / "gate"
    assert sorted(path.name for path in folder.iterdir()) == ["gate.json", "gate.xml"]
    assert json.loads((folder / "gate.json").read_text(encoding="utf-8"))["exit_status"] == 0
    assert ET.parse(folder / "gate.xml").getroot().get("tests") == "3"


def test_report_of_an_object_store_is_in_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    write_report(gate_folder(None, Store("memory://gate")), summary(PREPARATION))

    assert (tmp_path / "gate" / "gate.json").is_file()


def test_report_goes_where_it_is_told_to(tmp_path: Path) -> None:
    folder = gate_folder(str(tmp_path / "a" / "b"), Store("memory://gate"))
    write_report(folder, summary(PREPARATION))

    assert (tmp_path / "a" / "b" / "gate.xml").is_file()


def test_a_folder_that_cannot_be_made_is_refused_before_any_work(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")

    with pytest.raises(ConfigError, match=r"file/report: cannot be made .* correct --report-dir"):
        gate_folder(str(tmp_path / "file" / "report"), Store("memory://gate"))


PARTITIONS = (Partition("21d", "ridge"), Partition("63d", "ridge"))
ASSETS = ("fitted_models", "oof_predictions", "cv_scores")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = Store(tmp_path)
    for horizon, model in PARTITIONS:
        store.write(Address("us", "fitted_models", horizon, model), fitted(horizon=horizon))
        store.write(Address("us", "oof_predictions", horizon, model), oof_predictions())
        store.write(Address("us", "cv_scores", horizon, model), cv_scores())
    return store


def problems(store: Store) -> list[tuple[str, ...]]:
    found = look_at_partitions(store, "us", PARTITIONS, assets=ASSETS)
    assert [partition.partition for partition in found] == ["21d|ridge", "63d|ridge"]
    assert [partition.is_missing for partition in found] == [bool(p.problems) for p in found]
    return [partition.problems for partition in found]


def test_partitions_that_can_be_read_have_no_problem(store: Store) -> None:
    assert problems(store) == [(), ()]


def test_every_missing_product_is_named(store: Store) -> None:
    store.path(Address("us", "oof_predictions", "63d", "ridge")).unlink()
    (store.path(Address("us", "fitted_models", "63d", "ridge")) / "manifest.json").unlink()

    present, (models, oof) = problems(store)

    assert present == ()
    assert models.startswith("fitted_models: ")
    assert "manifest.json: not there; materialize fitted_models first" in models
    assert oof.startswith("oof_predictions: ")
    assert "ridge.parquet: not there; materialize oof_predictions first" in oof


@pytest.mark.parametrize("asset", ASSETS)
def test_a_damaged_product_counts_as_missing(store: Store, asset: str) -> None:
    path = store.path(Address("us", asset, "21d", "ridge"))
    if path.is_dir():
        path = next(file for file in path.iterdir() if file.name.startswith("fold_"))
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0xFF
    path.write_bytes(bytes(data[:-3]) if asset == "oof_predictions" else bytes(data))

    (problem,), present = problems(store)

    assert present == ()
    assert problem.startswith(f"{asset}: ")
    assert path.name in problem
