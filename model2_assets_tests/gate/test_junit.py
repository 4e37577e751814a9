from xml.etree import ElementTree as ET

import pytest

from model2_assets.cli.gate import junit_xml
from model2_assets_tests.gate.summaries import (
    CRASHED,
    MISSING,
    PREPARATION,
    PRESENT,
    SKIPPED,
    TRAINING,
    summary,
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
