"""The result of a check, before Dagster hears of it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

import pandas as pd

from model2_assets.contracts import load_contract
from model2_assets.errors import ContractError
from model2_assets.storage.conformity import require_conformity

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
        ``error``: a fault, which a gate does not let pass. ``warn``: a warning.
    rejects : bool
        Whether a failure of severity ``error`` keeps the candidate from being published.
    values : mapping of str to bool, int, float or str
        The figures behind the verdict; units are in their names.
    """

    name: str
    passed: bool
    description: str
    severity: Severity = "error"
    rejects: bool = True
    values: Mapping[str, bool | int | float | str] = field(default_factory=dict)


def failed_errors(outcomes: Iterable[CheckOutcome]) -> tuple[CheckOutcome, ...]:
    """Return the failed outcomes of severity ``error``."""
    return tuple(
        outcome for outcome in outcomes if not outcome.passed and outcome.severity == "error"
    )


def rejections(outcomes: Iterable[CheckOutcome]) -> tuple[CheckOutcome, ...]:
    """Return the failed outcomes that forbid publication."""
    return tuple(outcome for outcome in failed_errors(outcomes) if outcome.rejects)


def check_contract(frame: pd.DataFrame, contract_name: str) -> CheckOutcome:
    """Check a table's names, types, ranges, key and order against its contract.

    Parameters
    ----------
    frame : DataFrame of shape (n_rows, n_columns)
        The candidate.
    contract_name : str
        Such as ``OOFPredictions``.

    Returns
    -------
    CheckOutcome
        Named ``contract``; a failure names the column and the first offending row.
    """
    values: dict[str, int | str] = {
        "contract": contract_name,
        "rows": len(frame),
        "columns": frame.shape[1],
    }
    try:
        require_conformity(frame, load_contract(contract_name), origin="candidate")
    except ContractError as error:
        return CheckOutcome("contract", passed=False, description=str(error), values=values)
    description = f"{len(frame):,} rows keep {contract_name}"
    return CheckOutcome("contract", passed=True, description=description, values=values)
