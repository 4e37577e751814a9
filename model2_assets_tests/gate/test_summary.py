import json

import jsonschema
import pytest

from model2_assets.cli.gate import GateSummary
from model2_assets.contracts import document_schema
from model2_assets.defs.run_result import RunResult
from model2_assets_tests.gate.summaries import (
    CRASHED,
    MISSING,
    PREPARATION,
    PRESENT,
    SKIPPED,
    TRAINING,
    summary,
)

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
    warned = summary(RunResult("us", "us_training", "passed", "21d|ridge", checks=(check,)))

    assert warned.exit_status == 0
    assert warned.counts["warnings"] == 1
    assert warned.lines[0].startswith("WARNING check rank_ic")


def test_document_keeps_its_contract_and_holds_what_the_lines_say() -> None:
    document = json.loads(json.dumps(EVERYTHING.document()))

    jsonschema.Draft202012Validator(document_schema("GateSummary")).validate(document)
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
        jsonschema.Draft202012Validator(document_schema("GateSummary")).validate(
            json.loads(json.dumps(document))
        )
