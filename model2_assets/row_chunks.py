"""Large tables, some rows at a time."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

CHUNK_ROWS = 16_384
"""Rows at a time: of some hundred features few enough to stay in the processor's cache."""


def row_chunks(frame: "pd.DataFrame", n_rows: int = CHUNK_ROWS) -> "Iterator[pd.DataFrame]":
    """Yield the rows of a table in order, at most `n_rows` at a time.

    Parameters
    ----------
    frame : DataFrame of shape (n_all_rows, n_columns)
        The table.
    n_rows : int
        Rows of a chunk; the last may have fewer.

    Yields
    ------
    DataFrame of shape (at most n_rows, n_columns)
        Views, at no copy.
    """
    for start in range(0, len(frame), n_rows):
        yield frame.iloc[start : start + n_rows]
