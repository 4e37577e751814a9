"""The leaderboard as a table for the terminal."""

from typing import TYPE_CHECKING

from rich import box
from rich.console import Console
from rich.measure import Measurement
from rich.table import Table

from model2_assets.scores_figures import FIGURES, times

if TYPE_CHECKING:
    import pandas as pd


WIDE = 180
"""Columns of text that are enough for a table with one row per model and horizon."""


def fitting_scores_table(console: Console, region: str, board: "pd.DataFrame") -> Table:
    """Return a region's leaderboard in the form that fits a terminal.

    Parameters
    ----------
    console : Console
        The terminal.
    region : str
        Its name, for the title.
    board : DataFrame of shape (n_partitions, n_columns)
        The leaderboard.

    Returns
    -------
    rich.table.Table
        One row per model and horizon where the terminal is wide enough, else one column.
    """
    table = scores_table(region, board)
    unlimited = console.options.update(max_width=10 * WIDE)
    needed = Measurement.get(console, unlimited, table).minimum
    return table if needed <= console.width else scores_table(region, board, wide=False)


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
        one path, the change of rank IC where there is no leaderboard before.
    """
    several_paths = bool((board["rank_ic_path_min"] < board["rank_ic_path_max"]).any())
    known_change = bool(board["rank_ic_change"].notna().any())
    figures = [
        figure
        for figure in FIGURES
        if (several_paths or not figure.of_paths)
        and (known_change or figure.name != "rank_ic_change")
    ]
    cells = [figure.texts(board) for figure in figures]
    headings = [(figure.heading, figure.title) for figure in figures]
    if board["trained_at"].notna().any():
        headings.append(("trained\nUTC", "trained UTC"))
        cells.append(times(board["trained_at"], "%m-%d %H:%M"))
    table = Table(
        title=f"region {region}: out-of-fold scores",
        caption=_caption(board),
        caption_justify="left",
        box=box.SIMPLE_HEAD,
        padding=0 if wide else (0, 0, 0, 1),
    )
    if wide:
        table.add_column("model", no_wrap=True)
        table.add_column("horizon", no_wrap=True)
        for heading, _ in headings:
            table.add_column(heading, justify="right", vertical="bottom", no_wrap=True)
        for row in zip(board["model"], board["horizon"], *cells, strict=True):
            table.add_row(*row)
        return table
    table.add_column("model")
    for model in board["model"]:
        table.add_column(model, justify="right", no_wrap=True)
    table.add_row("horizon", *board["horizon"])
    for (_, title), texts in zip(headings, cells, strict=True):
        table.add_row(title, *texts)
    return table


def _caption(board: "pd.DataFrame") -> str:
    return f"{_CAPTION} {_WITHHELD}" if board["pbo"].isna().any() else _CAPTION


_CAPTION = (
    "Combinatorial cross-validation trains on the future of its test blocks: it validates a "
    "forecaster and is never a backtest. std. error, t: corrected for overlapping labels. "
    "change: since the leaderboard before. eff. dates: independent dates worth as much. path: "
    "rank IC of complete histories of single predictions; the rank IC of their mean tends to "
    "flatter. spread: top less bottom decile's mean label, gross of costs. turnover: share of "
    "the top decile replaced from one date to the next. DSR: probability that the spread's "
    "Sharpe ratio beats the luckiest of as many worthless models. PBO: probability of backtest "
    "overfitting. max: largest |prediction|. refit: largest difference after refitting a fold."
)

_WITHHELD = "PBO is withheld (–) below four models of a horizon, and in too short a history."
