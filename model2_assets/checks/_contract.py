"""Check that a candidate keeps its contract."""

import pandas as pd

from model2_assets.checks._outcome import CheckOutcome
from model2_assets.conformity import require_conformity
from model2_assets.contracts import load_contract
from model2_assets.errors import ContractError


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
