"""What the checks of all tables and of all predictions have in common."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from model2_assets.checks.catalogue import Finding
from model2_assets.contracts import load_contract
from model2_assets.errors import ContractError
from model2_assets.storage.conformity import require_conformity


@dataclass(frozen=True, eq=False)
class TableChecks:
    """A table, a candidate or as it is stored, with a method for each of its checks."""

    table: pd.DataFrame

    def contract(self, name: str) -> Finding:
        """Look at names, types, ranges, key and order, as the contract of a name has them."""
        problem = ""
        try:
            require_conformity(self.table, load_contract(name), origin="candidate")
        except ContractError as error:
            problem = str(error)
        n_rows, n_columns = self.table.shape
        return Finding(
            passed=not problem,
            description=problem or f"{n_rows:,} rows keep {name}",
            values={"contract": name, "rows": n_rows, "columns": n_columns},
        )


@dataclass(frozen=True, eq=False)
class PredictionChecks(TableChecks):
    """Predictions in bps, with instrument and datetime as index levels or columns."""

    limit_bps: float

    def finite(self) -> Finding:
        """Look for what is no number."""
        bad = ~np.isfinite(self.table["prediction"].to_numpy())
        return Finding(
            passed=not bad.any(),
            description=f"{bad.sum():,} predictions are not finite, first {self._first(bad)}"
            if bad.any()
            else f"all {len(bad):,} predictions are finite",
            values={"not_finite_rows": int(bad.sum())},
        )

    def range(self) -> Finding:
        """Look for what is too large; predictions are never clipped."""
        size = self.table["prediction"].abs().to_numpy()
        beyond, largest = size > self.limit_bps, float(np.nanmax(size, initial=0.0))
        text = f"largest absolute prediction {largest:,.1f} bps, limit {self.limit_bps:,.0f} bps"
        if beyond.any():
            text += (
                f"; {beyond.sum():,} rows beyond it, first {self._first(beyond)}: regularize the "
                f"model more strongly or winsorize the labels harder"
            )
        return Finding(
            passed=not beyond.any(),
            description=text,
            values={
                "largest_bps": largest,
                "limit_bps": self.limit_bps,
                "rows_beyond": int(beyond.sum()),
            },
        )

    def _first(self, rows: NDArray[np.bool_]) -> str:
        index, position = self.table.index, int(np.argmax(rows))
        if not isinstance(index, pd.MultiIndex):
            keys = self.table.iloc[[position]][["instrument", "datetime"]]
            index, position = pd.MultiIndex.from_frame(keys), 0
        return row_name(index, position)


def row_name(rows: pd.Index, position: int = 0) -> str:
    """Return a row as messages name it: instrument and date."""
    instrument, date = rows[position]
    return f"{instrument} {date:%Y-%m-%d}"


def each_once(
    found: pd.Index, expected: pd.MultiIndex, surplus: str
) -> tuple[list[str], dict[str, int]]:
    """Say which of the expected rows are not found once, and which others are found; count them."""
    faults: Mapping[str, tuple[str, pd.Index]] = {
        "missing_rows": ("rows lack a prediction", expected[~expected.isin(found)]),
        "extra_rows": (surplus, found[~found.isin(expected)]),
        "repeated_rows": ("rows repeat an earlier one", found[found.duplicated()]),
    }
    problems = [
        f"{len(rows):,} {text}, first {row_name(rows)}"
        for text, rows in faults.values()
        if len(rows)
    ]
    return problems, {name: len(rows) for name, (_, rows) in faults.items()}
