"""The verdict as JUnit XML, which build servers show."""

import io
import re

from junitparser import Failure, JUnitXml, Skipped, TestCase, TestSuite

from model2_assets.gate._partitions import StoredPartition
from model2_assets.gate._results import CheckResult, RunResult, StepResult, one_line
from model2_assets.gate._summary import GateSummary

_NOT_XML = re.compile(r"[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML 1.0 forbids, section 2.2, such as a terminal's colours in an error message."""


def junit_xml(summary: GateSummary) -> bytes:
    """Return the verdict as JUnit XML.

    Parameters
    ----------
    summary : GateSummary
        The verdict.

    Returns
    -------
    bytes
        UTF-8. A suite for each run, a case for each of its steps and checks, and a suite
        ``partitions`` with a case for each. A failure's message is its sentence; a check
        of level warn that does not hold passes, with the sentence in ``system-out``.
    """
    document = JUnitXml(f"model2 {summary.command}")
    for run in summary.runs:
        document.add_testsuite(_run_suite(run))
    if summary.partitions:
        document.add_testsuite(_partition_suite(summary.partitions))
    document.update_statistics()
    # Afterwards: updating makes the time of a suite the sum of its cases.
    for suite, run in zip(document, summary.runs, strict=False):
        suite.time = round(run.seconds, 3)
    document.time = round(summary.seconds, 3)
    buffer = io.BytesIO()
    document.write(buffer, pretty=True)
    return buffer.getvalue()


def _run_suite(run: RunResult) -> TestSuite:
    suite = TestSuite(_legal(run.name))
    suite.add_property("job", run.job)
    if run.run_id:
        suite.add_property("run_id", run.run_id)
    suite.add_testcases(
        [
            *(_step_case(step, run) for step in run.steps),
            *(_check_case(check, run) for check in run.checks),
        ]
    )
    says_why = any(step.status == "failed" for step in run.steps) or any(
        check.is_failure for check in run.checks
    )
    if run.status != "passed" and not says_why:
        suite.add_testcase(_case("run", run.name, run.status, run.reason))
    return suite


def _step_case(step: StepResult, run: RunResult) -> TestCase:
    case = _case(f"step {step.step}", run.name, step.status, step.reason)
    case.time = round(step.seconds, 3)
    return case


def _check_case(check: CheckResult, run: RunResult) -> TestCase:
    status = "failed" if check.is_failure else "passed"
    case = _case(f"check {check.name} of {check.asset}", run.name, status, check.description)
    if check.is_warning:
        case.system_out = _legal(f"WARNING {check.description}")
    return case


def _partition_suite(partitions: tuple[StoredPartition, ...]) -> TestSuite:
    suite = TestSuite("partitions")
    suite.add_testcases(
        [
            _case(
                str(found),
                "partitions",
                "failed" if found.is_missing else "passed",
                f"missing: {found.reason}",
            )
            for found in partitions
        ]
    )
    return suite


def _case(name: str, class_name: str, status: str, reason: str) -> TestCase:
    case = TestCase(_legal(name), classname=_legal(class_name))
    message = _legal(one_line(reason)) or status
    if status == "failed":
        case.result = [Failure(message)]
    elif status == "skipped":
        case.result = [Skipped(message)]
    return case


def _legal(text: str) -> str:
    return _NOT_XML.sub("\N{REPLACEMENT CHARACTER}", text)
