"""The leaderboard as a table for the terminal."""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich import box
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
        Units stand in the headings. The distribution over paths is left out where there is
        one path.
    """
    several_paths = bool((board["rank_ic_path_min"] < board["rank_ic_path_max"]).any())
    figures = [figure for figure in _FIGURES if several_paths or not figure.of_paths]
    cells = [figure.cells(board) for figure in figures]
    table = Table(
        title=f"region {region}: out-of-fold scores",
        caption=_caption(board),
        caption_justify="left",
        box=box.SIMPLE_HEAD,
        padding=0 if wide and several_paths else (0, 0, 0, 1),
    )
    if wide:
        table.add_column("model", no_wrap=True)
        table.add_column("horizon", no_wrap=True)
        for figure in figures:
            table.add_column(figure.heading, justify="right", vertical="bottom", no_wrap=True)
        for row in zip(board["model"], board["horizon"], *cells, strict=True):
            table.add_row(*row)
        return table
    table.add_column("model")
    for model in board["model"]:
        table.add_column(model, justify="right", no_wrap=True)
    table.add_row("horizon", *board["horizon"])
    for figure, texts in zip(figures, cells, strict=True):
        table.add_row(figure.heading.replace("\n", " "), *texts)
    return table


@dataclass(frozen=True)
class _Figure:
    """A column of the leaderboard, its heading with the unit, and its format."""

    name: str
    heading: str
    spec: str
    scale: float = 1.0

    @property
    def of_paths(self) -> bool:
        return self.name.startswith("rank_ic_path")

    def cells(self, board: "pd.DataFrame") -> list[str]:
        return [_number(value * self.scale, self.spec) for value in board[self.name]]


_FIGURES = (
    _Figure("rank_ic", "rank\nIC", "+.4f"),
    _Figure("rank_ic_t", "t", "+.2f"),
    _Figure("n_effective", "eff.\ndates", ",.0f"),
    _Figure("rank_ic_path_min", "path\nmin", "+.4f"),
    _Figure("rank_ic_path_median", "path\nmedian", "+.4f"),
    _Figure("rank_ic_path_max", "path\nmax", "+.4f"),
    _Figure("icir", "ICIR", "+.3f"),
    _Figure("r2", "R²", "+.4f"),
    _Figure("mse", "MSE\nbps²", ",.0f"),
    _Figure("decile_spread_bps", "spread\nbps", "+.1f"),
    _Figure("deflated_sharpe", "DSR", ".2f"),
    _Figure("pbo", "PBO", ".2f"),
    _Figure("coverage", "coverage", ".2%"),
    _Figure("largest_prediction", "max\nbps", ",.0f"),
    _Figure("determinism_difference", "refit\nbps", ".0e"),
    _Figure("models_bytes", "models\nMB", ".2f", 1e-6),
    _Figure("seconds", "time\ns", ".1f"),
    _Figure("peak_rss_bytes", "peak\nRSS MB", ",.0f", 1e-6),
)


def _caption(board: "pd.DataFrame") -> str:
    return f"{_CAPTION} {_WITHHELD}" if board["pbo"].isna().any() else _CAPTION


_CAPTION = (
    "Combinatorial cross-validation trains on the future of its test blocks: it validates a "
    "forecaster and is never a backtest. t: corrected for overlapping labels. eff. dates: "
    "independent dates worth as much. path: rank IC of complete histories of single predictions; "
    "the rank IC of their mean tends to flatter. spread: top less bottom decile's mean label, "
    "gross of costs. DSR: probability that its Sharpe ratio beats the luckiest of as many "
    "worthless models. PBO: probability of backtest overfitting. max: largest |prediction|. "
    "refit: largest difference after refitting a fold."
)

_WITHHELD = "PBO is withheld (–) below four models of a horizon, and in too short a history."


def _number(value: float, spec: str) -> str:
    return "–" if math.isnan(value) else format(value, spec)
