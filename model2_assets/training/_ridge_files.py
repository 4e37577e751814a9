"""Ridge's sums of all horizons, from one pass, kept as a working file."""

import logging
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from model2_assets.data_version import document_digest
from model2_assets.panel import to_canonical
from model2_assets.training._column_sums import ColumnSums, ImputableColumns
from model2_assets.training._kernel import blas_kernel
from model2_assets.training._ridge_sums import add_up_blocks
from model2_assets.training._training_data import (
    SourceTables,
    blocks_of_tables,
    label_columns,
    positions_of,
    take_rows,
)
from model2_assets.working_files import working_files_of

logger = logging.getLogger(__name__)

_FORMAT = 1
"""Version of the files, and of the way in which sums are made."""

_ARRAYS = ("gram", "moments", "squares")


def kept_sums(tables: SourceTables, *, n_threads: int) -> dict[int, ColumnSums] | None:
    """Read the sums of a horizon, after adding up those of all horizons if need be.

    Parameters
    ----------
    tables : SourceTables
        Tables, with their data versions.
    n_threads : int
        Runs of dates worked on at once.

    Returns
    -------
    dict of int to ColumnSums or None
        By block of `blocks_of_tables`, of the label of `tables.horizon`; the same bits as
        from the rows of that horizon alone. None where nothing can be kept.
    """
    everything = working_files_of(tables.features).get(
        "ridge_sums",
        f"{_key(tables.versions)}.npz",
        write=lambda path: _write(path, add_up_tables(tables, n_threads=n_threads)),
        read=_read,
    )
    if everything is None:
        return None
    label = label_columns(tables.labels).index(f"label_{tables.horizon}")
    return {block: sums.of_label(label) for block, sums in everything.items()}


def add_up_tables(tables: SourceTables, *, n_threads: int) -> dict[int, ColumnSums]:
    """Add up products of features with the labels of every horizon, block by block.

    Parameters
    ----------
    tables : SourceTables
        Tables; `horizon` makes no difference.
    n_threads : int
        Runs of dates worked on at once.

    Returns
    -------
    dict of int to ColumnSums
        By block, of as many labels as there are horizons.
    """
    cv_splits = to_canonical(tables.cv_splits)
    index = cv_splits.index
    assert isinstance(index, pd.MultiIndex)
    labels = tables.labels[label_columns(tables.labels)].to_numpy(dtype=np.float64)
    label_rows = positions_of(tables.labels, index, "labels")
    logger.info("adding up the rows of all horizons, once for all of them")
    return add_up_blocks(
        take_rows(tables.features, positions_of(tables.features, index, "features")),
        labels[label_rows],
        blocks_of_tables(tables.labels, cv_splits, label_rows),
        n_threads=n_threads,
    )


def _key(versions: Mapping[str, str]) -> str:
    return document_digest(
        {"format": _FORMAT, "blas_kernel": blas_kernel(), "tables": dict(versions)}
    )


def _write(path: Path, sums: Mapping[int, ColumnSums]) -> None:
    arrays: dict[str, NDArray[np.generic]] = {"blocks": np.array(list(sums))}
    for block, part in sums.items():
        arrays[f"shift_{block}"] = part.columns.shift
        arrays[f"missing_{block}"] = part.columns.missing
        arrays.update({f"{name}_{block}": getattr(part, name) for name in _ARRAYS})
    with path.open("wb") as file:
        np.savez(file, **arrays)  # type: ignore[arg-type]


def _read(path: Path) -> dict[int, ColumnSums]:
    with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
        return {
            block: ColumnSums(
                columns=ImputableColumns(
                    shift=stored[f"shift_{block}"], missing=stored[f"missing_{block}"]
                ),
                **{name: stored[f"{name}_{block}"] for name in _ARRAYS},
            )
            for block in stored["blocks"].tolist()
        }
