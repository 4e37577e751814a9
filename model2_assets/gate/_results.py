"""What became of a run, its steps and its checks."""

from dataclasses import asdict, dataclass
from typing import Any, Literal

Status = Literal["passed", "failed", "skipped"]


@dataclass(frozen=True)
class StepResult:
    """What became of one step of a run.

    Attributes
    ----------
    step : str
        What it makes, such as ``us/fitted_models``.
    status : {"passed", "failed", "skipped"}
        ``skipped``: it never started, since a step before it failed.
    seconds : float
        Wall time; 0 where it was skipped.
    reason : str
        Why it failed or was skipped; empty where it passed.
    """

    step: str
    status: Status
    seconds: float = 0.0
    reason: str = ""


@dataclass(frozen=True)
class CheckResult:
    """One evaluation of an asset check.

    Attributes
    ----------
    asset : str
        Such as ``us/oof_predictions``.
    name : str
        Name of the check.
    passed : bool
        Whether it holds.
    severity : {"error", "warn"}
        What a failure means: ``error`` fails the gate, ``warn`` is only told.
    description : str
        The finding, with its figures.
    partition : str or None
        Such as ``21d|ridge``.
    """

    asset: str
    name: str
    passed: bool
    severity: Literal["error", "warn"]
    description: str
    partition: str | None = None

    @property
    def is_failure(self) -> bool:
        """Whether it fails the gate."""
        return not self.passed and self.severity == "error"

    @property
    def is_warning(self) -> bool:
        """Whether it does not hold, and is only told."""
        return not self.passed and self.severity == "warn"

    def __str__(self) -> str:
        """Return its name in a message."""
        return f"check {self.name} of {self.asset}{_of_partition(self.partition)}"


@dataclass(frozen=True)
class RunResult:
    """What became of one run, planned or executed.

    Attributes
    ----------
    region : str
        Such as ``us``.
    job : str
        Such as ``us_training``.
    status : {"passed", "failed", "skipped"}
        ``skipped``: it never started.
    partition : str or None
        Such as ``21d|ridge``.
    seconds : float
        Wall time.
    reason : str
        Why it was skipped, or why it failed where no step and no check says so.
    run_id : str
        Its id in the Dagster instance; empty where it was skipped.
    steps : tuple of StepResult
        In the order of the graph.
    checks : tuple of CheckResult
        In the order of their evaluation.
    title : str
        What to call it where the names of partition and job do not say it.
    """

    region: str
    job: str
    status: Status
    partition: str | None = None
    seconds: float = 0.0
    reason: str = ""
    run_id: str = ""
    steps: tuple[StepResult, ...] = ()
    checks: tuple[CheckResult, ...] = ()
    title: str = ""

    @property
    def name(self) -> str:
        """What the run does, such as ``us 21d|ridge`` or ``us preparation``."""
        job = self.job.removeprefix(f"{self.region}_")
        return f"{self.region} {self.title or self.partition or job}"

    def document(self) -> dict[str, Any]:
        """Return everything as JSON can hold it."""
        values = {name: value for name, value in asdict(self).items() if name != "title"}
        return {"name": self.name, **values}

    @property
    def failures(self) -> tuple[str, ...]:
        """One sentence for each failed step, error-level check, or for the run itself."""
        where = _of_partition(self.partition)
        found = [
            f"step {step.step}{where}: {one_line(step.reason)}"
            for step in self.steps
            if step.status == "failed"
        ]
        found += [
            f"{check}: {one_line(check.description)}" for check in self.checks if check.is_failure
        ]
        if self.status == "failed" and not found:
            found.append(f"run {self.name}: {one_line(self.reason) or 'failed'}")
        return tuple(found)

    @property
    def warnings(self) -> tuple[str, ...]:
        """One sentence for each check of level warn that does not hold."""
        return tuple(
            f"{check}: {one_line(check.description)}" for check in self.checks if check.is_warning
        )


def one_line(text: str) -> str:
    """Return a text with every run of white space, line breaks among them, as one blank."""
    return " ".join(text.split())


def _of_partition(partition: str | None) -> str:
    return "" if partition is None else f" {partition}"
