"""What became of a run, from its events."""

import dagster as dg

from model2_assets.gate import CheckResult, RunResult, StepResult


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
