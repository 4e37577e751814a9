"""The leaderboard as a table for the terminal."""

import math
from typing import TYPE_CHECKING

from rich.table import Table

if TYPE_CHECKING:
    import pandas as pd


def scores_table(region: str, board: "pd.DataFrame") -> Table:
    """Return a region's leaderboard as a table for people.

    Parameters
    ----------
    region : str
        Its name, for the title.
    board : DataFrame of shape (n_partitions, 14)
        The leaderboard.

    Returns
    -------
    rich.table.Table
        One row per model and horizon, units in the headings.
    """
    table = Table(title=f"region {region}: out-of-fold scores", caption=_CAPTION)
    table.add_column("model")
    table.add_column("horizon")
    for heading in _HEADINGS:
        table.add_column(heading, justify="right")
    for row in board.to_dict("records"):
        table.add_row(
            row["model"],
            row["horizon"],
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
    return table


_HEADINGS = (
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
