"""The result of a check, before Dagster hears of it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

Severity = Literal["error", "warn"]


@dataclass(frozen=True)
class CheckOutcome:
    """What a check found.

    Attributes
    ----------
    name : str
        Name of the check.
    passed : bool
        Whether it holds.
    description : str
        One sentence with the figures; names the culprit where it failed.
    severity : {"error", "warn"}
        ``error``: the candidate is not published. ``warn``: it is, with a warning.
    values : mapping of str to bool, int, float or str
        The figures behind the verdict; units are in their names.
    """

    name: str
    passed: bool
    description: str
    severity: Severity = "error"
    values: Mapping[str, bool | int | float | str] = field(default_factory=dict)


def failed_errors(outcomes: Iterable[CheckOutcome]) -> tuple[CheckOutcome, ...]:
    """Return the failed outcomes that forbid publication."""
    return tuple(
        outcome for outcome in outcomes if not outcome.passed and outcome.severity == "error"
    )
