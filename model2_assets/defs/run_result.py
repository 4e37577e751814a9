"""What became of a run, its steps and its checks."""

from dataclasses import asdict, dataclass
from typing import Any, Literal

import dagster as dg

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


def run_result(
    result: dg.ExecuteInProcessResult,
    instance: dg.DagsterInstance,
    *,
    region: str,
    partition: str | None,
    seconds: float,
    title: str = "",
) -> RunResult:
    """Return what became of a run.

    Parameters
    ----------
    result : ExecuteInProcessResult
        Its events.
    instance : DagsterInstance
        Where they were recorded, with their times.
    region : str
        The region that it belongs to.
    partition : str or None
        Such as ``21d|ridge``.
    seconds : float
        Wall time.
    title : str, optional
        What to call it where the names of partition and job do not say it.

    Returns
    -------
    RunResult
        It passed if the run is a success and no error-level check failed, blocking or not.
    """
    checks = tuple(_check(found) for found in result.get_asset_check_evaluations())
    failed = not result.success or any(check.is_failure for check in checks)
    event = next((event for event in result.all_events if event.is_job_failure), None)
    return RunResult(
        region=region,
        job=result.job_def.name,
        partition=partition,
        status="failed" if failed else "passed",
        seconds=seconds,
        reason=(event.message or "") if event is not None else "",
        run_id=result.run_id,
        steps=tuple(_steps(region, result, instance)),
        checks=checks,
        title=title,
    )


def _check(found: dg.AssetCheckEvaluation) -> CheckResult:
    is_error = found.severity == dg.AssetCheckSeverity.ERROR
    return CheckResult(
        asset=found.asset_key.to_user_string(),
        name=found.check_name,
        passed=found.passed,
        severity="error" if is_error else "warn",
        description=found.description or "",
        partition=found.partition,
    )


def _steps(
    region: str, result: dg.ExecuteInProcessResult, instance: dg.DagsterInstance
) -> list[StepResult]:
    """Return every step of the job; Dagster has no event of one whose inputs failed."""
    ended = {event.step_key: event for event in result.all_events if _ends_a_step(event)}
    seconds = {
        stats.step_key: stats.end_time - stats.start_time
        for stats in instance.get_run_step_stats(result.run_id)
        if stats.start_time is not None and stats.end_time is not None
    }
    order = [node.name for node in result.job_def.nodes_in_topological_order]
    return [_step(region, key, ended.get(key), seconds.get(key, 0.0)) for key in order]


def _ends_a_step(event: dg.DagsterEvent) -> bool:
    return event.is_step_success or event.is_step_failure


def _step(region: str, key: str, event: dg.DagsterEvent | None, seconds: float) -> StepResult:
    name = key.replace(f"{region}__", f"{region}/", 1)
    if event is None:
        return StepResult(name, "skipped", reason="not executed, since a step before it failed")
    if event.is_step_failure:
        return StepResult(name, "failed", seconds, failure_reason(event))
    return StepResult(name, "passed", seconds)


def failure_reason(event: dg.DagsterEvent) -> str:
    """Return what a person needs to know: the failure's own sentence, or the innermost error."""
    data = event.step_failure_data
    if data.user_failure_data and data.user_failure_data.description:
        return data.user_failure_data.description
    error = data.error
    while error is not None and error.cause is not None:
        error = error.cause
    return str(error.message).strip() if error is not None else "failed"
