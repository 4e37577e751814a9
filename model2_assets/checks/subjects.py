"""What checks look at: a result, a candidate or as it is stored, and what it is held against."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from model2_assets.checks.catalogue import Finding, Values
from model2_assets.checks.label_scale import LabelScale, widest_labels
from model2_assets.config import ChecksConfig, Model2Config, RegionConfig
from model2_assets.config.partition import Partition
from model2_assets.contracts import load_contract
from model2_assets.errors import ContractError
from model2_assets.panel import positions_in
from model2_assets.storage.conformity import require_conformity
from model2_assets.storage.models import StoredFoldModels


@dataclass(frozen=True, eq=False)
class Evidence:
    """What a result is held against: the configuration, and the results that it was made from.

    `results` are these by asset, as a run has them; where all partitions of an asset count, by
    partition key below that. `StoredFiles` reads them when they are asked for.
    """

    config: Model2Config
    region: str
    partition: Partition | None = None
    results: dict[str, Any] = field(default_factory=dict)

    @property
    def settings(self) -> RegionConfig:
        """The region's own section of the configuration."""
        return self.config.region(self.region)

    @property
    def limits(self) -> ChecksConfig:
        """The limits of the checks."""
        return self.config.checks

    @property
    def horizon(self) -> str:
        """Horizon of the partition, such as ``21d``."""
        return self.partition.horizon if self.partition else ""

    @property
    def partition_keys(self) -> tuple[str, ...]:
        """Keys of all partitions that the region has to have."""
        return tuple(partition.key for partition in self.config.partitions_of(self.region))

    def load(self, asset: str) -> Any:
        """Return a result: of the partition, or shared by all of the region."""
        return self.results[asset]

    def table(self, asset: str) -> pd.DataFrame:
        """Return a table."""
        found: pd.DataFrame = self.load(asset)
        return found

    def models(self, asset: str = "fitted_models") -> StoredFoldModels:
        """Return models; their files are read when asked for."""
        found: StoredFoldModels = self.load(asset)
        return found

    def every(self, asset: str) -> dict[str, Any]:
        """Return an asset of every partition that has it, by partition key."""
        found: dict[str, Any] = self.results[asset]
        return found


@dataclass(frozen=True, eq=False)
class TableChecks:
    """A table, with a method for each of its checks, and what they hold it against."""

    table: pd.DataFrame
    evidence: Evidence

    def contract(self, name: str) -> Finding:
        """Look at names, types, ranges, key and order, as the contract of a name has them."""
        problems = []
        try:
            require_conformity(self.table, load_contract(name), origin="candidate")
        except ContractError as error:
            problems = [str(error)]
        n_rows, n_columns = self.table.shape
        values: Values = {"contract": name, "rows": n_rows, "columns": n_columns}
        return Finding.of(problems, f"{n_rows:,} rows keep {name}", values)


@dataclass(frozen=True, eq=False)
class PredictionChecks(TableChecks):
    """Predictions in bps, with instrument and datetime as index levels or columns."""

    def finite(self) -> Finding:
        """Look for what is no number."""
        bad = ~np.isfinite(self.table["prediction"].to_numpy())
        count = int(bad.sum())
        text = f"all {len(bad):,} predictions are finite"
        if count:
            text = f"{count:,} predictions are not finite, first {self._first(bad)}"
        return Finding(not count, text, {"not_finite_rows": count})

    def range(self) -> Finding:
        """Look for what is too large; predictions are never clipped."""
        limit = self.evidence.limits.prediction_bps
        size = self.table["prediction"].abs().to_numpy()
        beyond, largest = size > limit, float(np.nanmax(size, initial=0.0))
        count = int(beyond.sum())
        text = f"largest absolute prediction {largest:,.1f} bps, limit {limit:,.0f} bps"
        if count:
            text += f"; {count:,} rows beyond it, first {self._first(beyond)}; "
            text += self._why_beyond(largest)
        values = {"largest_bps": largest, "limit_bps": limit, "rows_beyond": count}
        return Finding(not count, text, values)

    def _why_beyond(self, largest: float) -> str:
        """Say whether the model is too bold for the labels' scale, the limit too low, or both."""
        evidence, limit = self.evidence, self.evidence.limits.prediction_bps
        labels, horizons = evidence.table("labels"), evidence.settings.labels.horizon_keys
        scale = LabelScale.of(labels, evidence.horizon)
        fitting = widest_labels(labels, horizons).fitting_limit_bps
        remedies = []
        if not scale.fits(limit):
            remedies.append(f"set checks.prediction_bps to {fitting}, for all horizons")
        if scale.fits(limit) or largest > fitting:
            remedies.append("regularize the model more strongly or winsorize the labels harder")
        return f"{scale.describe(limit)}: {', and '.join(remedies)}"

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
    places = positions_in(expected, found)
    times = np.bincount(places[places >= 0], minlength=len(expected))
    faults: Mapping[str, tuple[str, pd.Index]] = {
        "missing_rows": ("rows lack a prediction", expected[times == 0]),
        "extra_rows": (surplus, found[places < 0]),
        "repeated_rows": ("rows repeat an earlier one", found[found.duplicated()]),
    }
    problems = [
        f"{len(rows):,} {text}, first {row_name(rows)}"
        for text, rows in faults.values()
        if len(rows)
    ]
    return problems, {name: len(rows) for name, (_, rows) in faults.items()}
