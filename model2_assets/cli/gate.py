"""A command that is judged: what it is to do, the verdict in words and files, its exit status."""

import io
import json
import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

import click
from junitparser import Failure, JUnitXml, Skipped, TestCase, TestSuite
from upath import UPath

from model2_assets.cli.context import (
    chosen_partitions,
    dagster_home,
    read_config,
    validate_imports,
)
from model2_assets.config import Model2Config, Partition
from model2_assets.config.sections import expand_home
from model2_assets.defs.checks import stored_assets
from model2_assets.defs.region import Region
from model2_assets.defs.retrain import RunResult, StepResult
from model2_assets.errors import ConfigError, Model2Error, one_line
from model2_assets.storage import Address, Store, default_store
from model2_assets.storage.files import is_local, write_atomically
from model2_assets.training.resources import require_address_space

FORMAT_VERSION = 1
FOLDER = "gate"
JUNIT_FILE, JSON_FILE = "gate.xml", "gate.json"

_NOT_XML = re.compile(r"[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML 1.0 forbids, section 2.2, such as a terminal's colours in an error message."""

_VERDICT = (
    "{runs} runs ({failed_runs} failed, {skipped_runs} skipped), "
    "{steps} steps ({failed_steps} failed, {skipped_steps} skipped), "
    "{checks} checks ({failed_checks} failed, {warnings} warnings), "
    "{partitions} partitions ({missing_partitions} missing)"
)


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

    @property
    def reason(self) -> str:
        """What is wrong with the first product, and which others are; empty where none is."""
        first, *others = self.problems or ("",)
        names = ", ".join(problem.partition(":")[0] for problem in others)
        return one_line(f"{first}; missing or damaged too: {names}" if others else first)

    def __str__(self) -> str:
        """Return its name in a message."""
        return f"partition {self.region} {self.partition}"


def look_at_partitions(
    store: Store, region: str, partitions: Iterable[Partition], *, assets: Collection[str]
) -> list[StoredPartition]:
    """Read every product of every partition of a region, in the order given."""
    found = []
    for partition in partitions:
        problems = []
        for asset in assets:
            try:
                store.verify(Address(region, asset, *partition))
            except (Model2Error, OSError) as error:
                problems.append(f"{asset}: {error}")
        found.append(StoredPartition(region, partition.key, tuple(problems)))
    return found


@dataclass(frozen=True)
class GateSummary:
    """What a command, such as ``retrain``, did, and whether all is well."""

    command: str
    started: datetime  # with time zone
    seconds: float  # wall time
    runs: Sequence[RunResult]  # every planned run
    partitions: Sequence[StoredPartition] = ()  # of the chosen regions, as on disk at the end

    @property
    def passed(self) -> bool:
        """Whether every run passed and no partition is missing."""
        return all(run.success for run in self.runs) and not self._missing

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
    def problems(self) -> tuple[str, ...]:
        """One line for each warning, then each skipped run, each failure, what is missing."""
        return (
            *(f"WARNING {text}" for run in self.runs for text in run.warnings),
            *(
                f"SKIPPED run {run.name}: {one_line(run.reason)}"
                for run in self.runs
                if run.status == "skipped"
            ),
            *(f"FAILED {text}" for run in self.runs for text in run.failures),
            *(f"MISSING {found}: {found.reason}" for found in self._missing),
        )

    @property
    def lines(self) -> tuple[str, ...]:
        """The problems, and the verdict: the counts and the exit status in one line."""
        passed = "passed" if self.passed else "FAILED"
        counts = _VERDICT.format_map(self.counts)
        return (*self.problems, f"gate {passed}, exit status {self.exit_status}: {counts}")

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


@dataclass(frozen=True)
class JudgedCommand:
    """A command that is judged in the end; `report` is the folder, if one is wanted."""

    name: str
    started: datetime
    config: Model2Config
    chosen: dict[str, list[Partition]]  # by region
    store: Store
    report: UPath | None

    @classmethod
    def begin(
        cls, name: str, *, gate: bool, report_dir: str | None, **only: str | None
    ) -> "JudgedCommand":
        """Refuse what is wrong before any work is spent; `only`: the chosen partitions."""
        started, fits_models = datetime.now(UTC), name == "retrain"
        if fits_models:
            require_address_space()
        config = read_config()
        chosen = chosen_partitions(config, **only)
        if fits_models:
            validate_imports(config, chosen)
        home, store = dagster_home(), default_store()
        report = gate_folder(report_dir, store) if gate or report_dir else None
        click.echo(f"results: {store.base}\nDagster: {home}", err=True)
        return cls(name, started, config, chosen, store, report)

    def judge(self, results: Sequence[RunResult]) -> int:
        """Say what is wrong, with a report if one is wanted; return the exit status.

        Without a report, partitions on disk are not looked at.
        """
        partitions: list[StoredPartition] = []
        for name in self.chosen if self.report else ():
            assets = stored_assets(Region(name, self.config, self.store), partitioned=True)
            every = self.config.partitions_of(name)
            partitions += look_at_partitions(self.store, name, every, assets=assets)
        seconds = (datetime.now(UTC) - self.started).total_seconds()
        summary = GateSummary(self.name, self.started, seconds, results, partitions)
        lines = summary.problems
        if self.report:
            write_report(self.report, summary)
            lines = (f"report: {self.report}", *summary.lines)
        for line in lines:
            click.echo(line, err=True)
        return summary.exit_status


def gate_folder(folder: str | None, store: Store) -> UPath:
    """Make sure that there is a folder for the report, before any work is spent.

    Where none is given, it is ``gate`` below the base path of results where that is a local
    disk, else ``gate`` in the working directory.
    """
    path = UPath(expand_home(folder or FOLDER))
    if folder is None and is_local(store.base):
        path = store.base / FOLDER
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
        for found in summary.partitions:
            status = "failed" if found.is_missing else "passed"
            suite.add_testcase(_case(str(found), suite.name, status, f"missing: {found.reason}"))
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
    for step in run.steps:
        case = _case(f"step {step.step}", run.name, step.status, step.reason)
        case.time = round(step.seconds, 3)
        suite.add_testcase(case)
    for check in run.checks:
        status = "failed" if check.is_failure else "passed"
        case = _case(f"check {check.name} of {check.asset}", run.name, status, check.description)
        if check.is_warning:
            case.system_out = _legal(f"WARNING {check.description}")
        suite.add_testcase(case)
    says_why = any(isinstance(result, Failure) for case in suite for result in case.result)
    if not (run.success or says_why):
        suite.add_testcase(_case("run", run.name, run.status, run.reason))
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
