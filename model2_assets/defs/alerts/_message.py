"""What an alert says, from the events of a step."""

import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import dagster as dg

from model2_assets.defs.run_result import failure_reason

_LEVELS = {
    dg.AssetCheckSeverity.ERROR: logging.ERROR,
    dg.AssetCheckSeverity.WARN: logging.WARNING,
}


@dataclass(frozen=True)
class Alert:
    """One thing that failed.

    Attributes
    ----------
    level : int
        ``logging.ERROR`` or ``logging.WARNING``.
    text : str
        One sentence that names the asset, the partition and the figures.
    """

    level: int
    text: str


def alerts_of(events: Iterable[dg.DagsterEvent]) -> Iterator[Alert]:
    """Return what failed in a step.

    Parameters
    ----------
    events : iterable of DagsterEvent
        The events of the step.

    Yields
    ------
    Alert
        One per failed check, and one if the step failed for another reason.
    """
    rejected = False
    for event in events:
        if event.event_type == dg.DagsterEventType.ASSET_CHECK_EVALUATION:
            check = event.asset_check_evaluation_data
            if not check.passed:
                rejected |= check.severity == dg.AssetCheckSeverity.ERROR
                yield Alert(_LEVELS[check.severity], _check_text(check))
        elif event.is_step_failure and not rejected:
            yield Alert(logging.ERROR, f"step {event.step_key} failed: {failure_reason(event)}")


def subject_of(alerts: Sequence[Alert]) -> str:
    """Return one line over several alerts."""
    failed = sum(alert.level >= logging.ERROR for alert in alerts)
    word = "failed" if failed else "warning"
    return f"model2 {word}: {alerts[0].text}"[:150]


def _check_text(check: dg.AssetCheckEvaluation) -> str:
    where = f" of {check.partition}" if check.partition else ""
    asset = check.asset_key.to_user_string()
    return f"check {check.check_name} of {asset}{where} failed: {check.description}"
