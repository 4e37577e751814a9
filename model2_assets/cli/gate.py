"""The verdict on a whole command, in words and files, and its exit status."""

import io
import json
import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from junitparser import Failure, JUnitXml, Skipped, TestCase, TestSuite
from upath import UPath

from model2_assets.config.partition import Partition
from model2_assets.defs.retrain import CheckResult, RunResult, StepResult, one_line
from model2_assets.errors import ConfigError, Model2Error
from model2_assets.storage import Address, Store
from model2_assets.storage.files import is_local, write_atomically

FORMAT_VERSION = 1
FOLDER = "gate"
JUNIT_FILE, JSON_FILE = "gate.xml", "gate.json"

_NOT_XML = re.compile(r"[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML 1.0 forbids, section 2.2, such as a terminal's colours in an error message."""


@dataclass(frozen=True)
class StoredPartition:
    """One partition of a region, such as ``21d|ridge``, as it is on disk.

    For each product that is not there or cannot be read, `problems` has its name, a colon and
    why.
    """

    region: str
    partition: str
    problems: tuple[str, ...] = ()

    @property
    def is_missing(self) -> bool:
        """Whether any of its products is not there or cannot be read."""
        return bool(self.problems)

    def __str__(self) -> str:
        """Return its name in a message."""
        return f"partition {self.region} {self.partition}"

    @property
    def reason(self) -> str:
        """What is wrong with the first product, and which others are; empty where none is."""
        if not self.problems:
            return ""
        first, *others = self.problems
        names = ", ".join(problem.partition(":")[0] for problem in others)
        return one_line(f"{first}; missing or damaged too: {names}" if others else first)


def look_at_partitions(
    store: Store, region: str, partitions: Iterable[Partition], *, assets: Collection[str]
) -> tuple[StoredPartition, ...]:
    """Read every product of every partition of a region, in the order given."""

    def problems(partition: Partition) -> Iterable[str]:
        for asset in assets:
            try:
                store.verify(Address(region, asset, *partition))
            except (Model2Error, OSError) as error:
                yield f"{asset}: {error}"

    return tuple(StoredPartition(region, found.key, (*problems(found),)) for found in partitions)


@dataclass(frozen=True)
class GateSummary:
    """What a command did, and whether all is well.

    Attributes
    ----------
    command : str
        Such as ``retrain``.
    started : datetime
        When it started, with time zone.
    seconds : float
        Wall time.
    runs : tuple of RunResult
        Every planned run.
    partitions : tuple of StoredPartition
        Every partition of the chosen regions, as it was on disk at the end.
    """

    command: str
    started: datetime
    seconds: float
    runs: tuple[RunResult, ...]
    partitions: tuple[StoredPartition, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether every run passed and no partition is missing."""
        return all(run.status == "passed" for run in self.runs) and not self._missing

    @property
    def exit_status(self) -> int:
        """0 where all is well, else 1."""
        return 0 if self.passed else 1

    @property
    def counts(self) -> dict[str, int]:
        """How many of what; ``warnings`` are failed checks of level warn."""
        checks = [check for run in self.runs for check in run.checks]
        return {
            **_by_status("runs", self.runs),
            **_by_status("steps", [step for run in self.runs for step in run.steps]),
            "checks": len(checks),
            "failed_checks": sum(check.is_failure for check in checks),
            "warnings": sum(check.is_warning for check in checks),
            "partitions": len(self.partitions),
            "missing_partitions": len(self._missing),
        }

    @property
    def lines(self) -> tuple[str, ...]:
        """One line for each thing to know, failures last but for the verdict."""
        missing = (f"MISSING {found}: {found.reason}" for found in self._missing)
        return (*problem_lines(self.runs), *missing, self.verdict)

    @property
    def verdict(self) -> str:
        """The counts and the exit status, in one line."""
        counts = self.counts
        return (
            f"gate {'passed' if self.passed else 'FAILED'}, exit status {self.exit_status}: "
            f"{counts['runs']} runs ({counts['failed_runs']} failed, "
            f"{counts['skipped_runs']} skipped), {counts['steps']} steps "
            f"({counts['failed_steps']} failed, {counts['skipped_steps']} skipped), "
            f"{counts['checks']} checks ({counts['failed_checks']} failed, "
            f"{counts['warnings']} warnings), {counts['partitions']} partitions "
            f"({counts['missing_partitions']} missing)"
        )

    def document(self) -> dict[str, Any]:
        """Return everything as JSON can hold it; its shape is the contract GateSummary."""
        return {
            "format_version": FORMAT_VERSION,
            "command": self.command,
            "started": self.started.isoformat(),
            "seconds": self.seconds,
            "passed": self.passed,
            "exit_status": self.exit_status,
            "counts": self.counts,
            "lines": list(self.lines),
            "runs": [run.document() for run in self.runs],
            "partitions": [
                {**asdict(found), "is_missing": found.is_missing} for found in self.partitions
            ],
        }

    @property
    def _missing(self) -> list[StoredPartition]:
        return [found for found in self.partitions if found.is_missing]


def _by_status(kind: str, found: Sequence[RunResult | StepResult]) -> dict[str, int]:
    statuses = [one.status for one in found]
    counts = {f"{status}_{kind}": statuses.count(status) for status in ("failed", "skipped")}
    return {kind: len(found), **counts}


def problem_lines(runs: Sequence[RunResult]) -> tuple[str, ...]:
    """Return one line for each warning, then each skipped run, then each failure."""
    warnings = [f"WARNING {text}" for run in runs for text in run.warnings]
    skipped = [
        f"SKIPPED run {run.name}: {one_line(run.reason)}" for run in runs if run.status == "skipped"
    ]
    failed = [f"FAILED {text}" for run in runs for text in run.failures]
    return (*warnings, *skipped, *failed)


def gate_folder(folder: str | None, store: Store) -> UPath:
    """Make sure that there is a folder for the report, before any work is spent.

    Where none is given, it is ``gate`` below the base path of results where that is a local
    disk, else ``gate`` in the working directory.
    """
    if folder is not None:
        path = UPath(folder)
    else:
        path = store.base / FOLDER if is_local(store.base) else UPath(FOLDER)
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(
            f"report folder {path}: cannot be made ({error.strerror}); correct --report-dir"
        ) from error
    return path


def write_report(folder: UPath, summary: GateSummary) -> None:
    """Write the verdict as JUnit XML and as JSON, each in one step."""
    text = json.dumps(summary.document(), indent=2, ensure_ascii=False, allow_nan=False)
    try:
        write_atomically(folder / JUNIT_FILE, junit_xml(summary))
        write_atomically(folder / JSON_FILE, f"{text}\n".encode())
    except OSError as error:
        problem = f"report folder {folder}: cannot be written ({error.strerror})"
        raise ConfigError("\n".join([problem, *summary.lines])) from error


def junit_xml(summary: GateSummary) -> bytes:
    """Return the verdict as JUnit XML, UTF-8.

    There is a suite for each run, with a case for each of its steps and checks, and a suite
    ``partitions`` with a case for each. A failure's message is its sentence; a check of level
    warn that does not hold passes, with the sentence in ``system-out``.
    """
    document = JUnitXml(f"model2 {summary.command}")
    for run in summary.runs:
        document.add_testsuite(_run_suite(run))
    if summary.partitions:
        suite = TestSuite("partitions")
        suite.add_testcases([_partition_case(found) for found in summary.partitions])
        document.add_testsuite(suite)
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
    cases = [_step_case(step, run) for step in run.steps]
    cases += [_check_case(check, run) for check in run.checks]
    says_why = any(isinstance(result, Failure) for case in cases for result in case.result)
    if run.status != "passed" and not says_why:
        cases.append(_case("run", run.name, run.status, run.reason))
    suite.add_testcases(cases)
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


def _partition_case(found: StoredPartition) -> TestCase:
    status = "failed" if found.is_missing else "passed"
    return _case(str(found), "partitions", status, f"missing: {found.reason}")


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
