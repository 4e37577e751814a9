"""The verdict, with everything that it rests on."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from model2_assets.gate._partitions import StoredPartition
from model2_assets.gate._results import CheckResult, RunResult, StepResult, one_line

FORMAT_VERSION = 1


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
        steps, checks = self._steps, self._checks
        return {
            "runs": len(self.runs),
            "failed_runs": sum(run.status == "failed" for run in self.runs),
            "skipped_runs": sum(run.status == "skipped" for run in self.runs),
            "steps": len(steps),
            "failed_steps": sum(step.status == "failed" for step in steps),
            "skipped_steps": sum(step.status == "skipped" for step in steps),
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
    def _steps(self) -> list[StepResult]:
        return [step for run in self.runs for step in run.steps]

    @property
    def _checks(self) -> list[CheckResult]:
        return [check for run in self.runs for check in run.checks]

    @property
    def _missing(self) -> list[StoredPartition]:
        return [found for found in self.partitions if found.is_missing]


def problem_lines(runs: Sequence[RunResult]) -> tuple[str, ...]:
    """Return one line for each warning, then each skipped run, then each failure."""
    warnings = [f"WARNING {text}" for run in runs for text in run.warnings]
    skipped = [
        f"SKIPPED run {run.name}: {one_line(run.reason)}" for run in runs if run.status == "skipped"
    ]
    failed = [f"FAILED {text}" for run in runs for text in run.failures]
    return (*warnings, *skipped, *failed)
