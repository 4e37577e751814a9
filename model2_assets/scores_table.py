"""The leaderboard as a table for the terminal."""

import math
from collections.abc import Hashable
from typing import TYPE_CHECKING, Any

from rich.table import Table

if TYPE_CHECKING:
    import pandas as pd


WIDE = 150
"""Columns of text that a table with one row per model and horizon needs."""


def scores_table(region: str, board: "pd.DataFrame", *, wide: bool = True) -> Table:
    """Return a region's leaderboard as a table for people.

    Parameters
    ----------
    region : str
        Its name, for the title.
    board : DataFrame of shape (n_partitions, n_columns)
        The leaderboard.
    wide : bool, default True
        One row per model and horizon; False: one column, for narrow terminals.

    Returns
    -------
    rich.table.Table
        Units stand in the headings.
    """
    records = [_cells(row) for row in board.to_dict("records")]
    table = Table(title=f"region {region}: out-of-fold scores", caption=_CAPTION)
    if wide:
        for number, heading in enumerate(_HEADINGS):
            table.add_column(heading, justify="left" if number < 2 else "right", no_wrap=True)
        for record in records:
            table.add_row(*record)
        return table
    table.add_column(_HEADINGS[0])
    for record in records:
        table.add_column(record[0], justify="right", no_wrap=True)
    for number, heading in enumerate(_HEADINGS[1:], start=1):
        table.add_row(heading, *(record[number] for record in records))
    return table


def _cells(row: "dict[Hashable, Any]") -> tuple[str, ...]:
    return (
        str(row["model"]),
        str(row["horizon"]),
        _number(row["rank_ic"], "+.4f"),
        _number(row["rank_ic_t"], "+.2f"),
        _number(row["icir"], "+.3f"),
        _number(row["r2"], "+.4f"),
        _number(row["mse"], ",.0f"),
        _number(row["coverage"], ".2%"),
        _number(row["largest_prediction"], ",.0f"),
        _number(row["determinism_difference"], ".1e"),
        _number(row["models_bytes"] / 1e6, ".2f"),
        _number(row["seconds"], ".1f"),
        _number(row["peak_rss_bytes"] / 1e6, ",.0f"),
    )


_HEADINGS = (
    "model",
    "horizon",
    "rank IC",
    "t",
    "ICIR",
    "R²",
    "MSE bps²",
    "coverage",
    "max |pred| bps",
    "refit diff bps",
    "models MB",
    "time s",
    "peak RSS MB",
)

_CAPTION = (
    "Combinatorial cross-validation trains on the future of its test blocks: it validates a "
    "forecaster and is never a backtest."
)


def _number(value: float, spec: str) -> str:
    return "–" if math.isnan(value) else format(value, spec)
