"""Whether the libraries here give the committed predictions, and if not, by how much.

``python -m model2_assets_tests.determinism.golden`` compares; with ``--write`` it commits
what this machine gives: after a change of the results that is meant, or of the region.
"""

import json
import sys
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from model2_assets.storage.data_version import table_digest
from model2_assets.storage.record import document_digest
from model2_assets.training.resources import blas_kernel
from model2_assets_tests.determinism.golden_region import CONFIG, golden_predictions

GOLDEN = Path(__file__).with_name("golden.parquet")
LIBRARIES = ("numpy", "pandas", "scipy", "scikit-learn", "xgboost", "numba", "pyarrow", "joblib")
RIDGE_BPS = 1e-6
"""Kernels of other processors move Ridge by about 1e-8 bps."""
XGBOOST_BPS = 1.0
_FACTS = b"golden"


@dataclass(frozen=True)
class Difference:
    """How one column differs from the golden one.

    Attributes
    ----------
    column : str
        Such as ``21d|ridge``.
    largest_bps : float
        Largest absolute difference; infinite where another row is missing.
    share : float
        Share of the predicted rows whose bits differ.
    """

    column: str
    largest_bps: float
    share: float

    @property
    def limit_bps(self) -> float:
        """What the difference may be."""
        return XGBOOST_BPS if self.column.endswith("|xgboost") else RIDGE_BPS

    @property
    def is_error(self) -> bool:
        """Whether it is more than that."""
        return not self.largest_bps <= self.limit_bps

    def __str__(self) -> str:
        """Return the difference as a sentence."""
        return (
            f"{self.column}: {self.share:.2%} of the rows differ, by at most "
            f"{self.largest_bps:.3g} bps (allowed {self.limit_bps:g})"
        )


@dataclass(frozen=True)
class Golden:
    """Committed predictions.

    Attributes
    ----------
    predictions : DataFrame
        See `golden_predictions`.
    facts : dict
        Their ``digest``; the ``config`` of their region by digest; the ``libraries`` and the
        ``blas_kernel`` that they were made with.
    """

    predictions: pd.DataFrame
    facts: dict[str, Any]

    def changed_since(self) -> str:
        """Name the libraries that are of another version now."""
        now = present_facts()
        made, is_now = self.facts["libraries"], now["libraries"]
        changed = [
            f"{name} {made.get(name, 'absent')} → {is_now[name]}"
            for name in LIBRARIES
            if made.get(name) != is_now[name]
        ]
        if self.facts["blas_kernel"] != now["blas_kernel"]:
            changed.append(f"BLAS kernel {self.facts['blas_kernel']} → {now['blas_kernel']}")
        return ", ".join(changed) or "no library; so it is our own code"


def present_facts() -> dict[str, Any]:
    """Return what the predictions of this moment depend on."""
    return {
        "config": document_digest(CONFIG),
        "libraries": {name: version(name) for name in LIBRARIES},
        "blas_kernel": blas_kernel(),
    }


def read_golden(path: Path = GOLDEN) -> Golden:
    """Read the committed predictions.

    Raises
    ------
    ValueError
        If the file is damaged, or was made of another region.
    """
    table = pq.read_table(path)
    facts = json.loads(table.schema.metadata[_FACTS])
    predictions = table.to_pandas()
    if table_digest(predictions) != facts["digest"]:
        raise ValueError(f"{path}: damaged; restore it, or write it anew with --write")
    if facts["config"] != document_digest(CONFIG):
        raise ValueError(f"{path}: made of another region; write it anew with --write")
    return Golden(predictions, facts)


def write_golden(predictions: pd.DataFrame, path: Path = GOLDEN) -> None:
    """Write predictions with their digest and what they were made with."""
    facts = {**present_facts(), "digest": table_digest(predictions)}
    table = pa.Table.from_pandas(predictions)
    table = table.replace_schema_metadata({**table.schema.metadata, _FACTS: json.dumps(facts)})
    pq.write_table(table, path, compression="zstd", compression_level=19, use_dictionary=False)


def differences(golden: pd.DataFrame, found: pd.DataFrame) -> list[Difference]:
    """Return how the columns that are not equal to the bit differ.

    Raises
    ------
    ValueError
        If rows or columns are not the same.
    """
    if not (golden.index.equals(found.index) and list(golden) == list(found)):
        raise ValueError(f"rows or columns differ: golden {golden.shape}, found {found.shape}")
    compared = [_difference(golden[name], found[name]) for name in golden]
    return [difference for difference in compared if difference.share]


def _difference(golden: pd.Series, found: pd.Series) -> Difference:
    predicted = golden.notna() | found.notna()
    apart = (golden - found)[predicted].abs().fillna(np.inf)
    return Difference(str(golden.name), float(apart.max()), float((apart > 0).mean()))


def report(golden: Golden, found: pd.DataFrame) -> tuple[list[Difference], str]:
    """Compare; return the differences, and in words what differs and which libraries changed."""
    apart = differences(golden.predictions, found)
    if not apart:
        return [], "the same bits as the golden predictions"
    lines = [*map(str, apart), f"changed since: {golden.changed_since()}"]
    return apart, "\n".join(lines)


def main(arguments: list[str]) -> int:
    """Compare or write; return 1 if a difference is beyond its limit."""
    found = golden_predictions()
    if arguments == ["--write"]:
        write_golden(found)
        print(f"{GOLDEN}: {found.shape[0]:,} rows, {GOLDEN.stat().st_size:,} bytes")
        return 0
    apart, text = report(read_golden(), found)
    print(text)
    return int(any(difference.is_error for difference in apart))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
