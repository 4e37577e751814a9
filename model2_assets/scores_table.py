"""The leaderboard as a table for the terminal."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rich import box
from rich.table import Table

if TYPE_CHECKING:
    import pandas as pd


def scores_table(region: str, board: "pd.DataFrame") -> Table:
    """Return a region's leaderboard as a table for people.

    Parameters
    ----------
    region : str
        Its name, for the title.
    board : DataFrame of shape (n_partitions, 20)
        The leaderboard.

    Returns
    -------
    rich.table.Table
        One row per model and horizon, units in the headings; at most 150 columns wide. The
        range over paths is left out where there is one path.
    """
    several_paths = bool((board["rank_ic_path_min"] < board["rank_ic_path_max"]).any())
    columns = [column for column in _COLUMNS if several_paths or column.heading != _PATHS]
    table = Table(
        title=f"region {region}: out-of-fold scores",
        caption=_caption(board),
        box=box.SIMPLE_HEAD,
        padding=0 if several_paths else (0, 0, 0, 1),
    )
    table.add_column("model", overflow="fold")
    table.add_column("horizon", justify="right")
    for column in columns:
        table.add_column(column.heading, justify="right", no_wrap=True)
    for row in board.to_dict("records"):
        cells = [
            column.text({str(name): value for name, value in row.items()}) for column in columns
        ]
        table.add_row(row["model"], row["horizon"], *cells)
    return table


@dataclass(frozen=True)
class _Column:
    """A heading, and the columns of the leaderboard below it with their format."""

    heading: str
    names: tuple[str, ...]
    spec: str
    scale: float = 1.0

    def text(self, row: Mapping[str, Any]) -> str:
        return " ".join(_number(row[name] * self.scale, self.spec) for name in self.names)


_PATHS = "over paths\nmin median max"

_COLUMNS = (
    _Column("rank\nIC", ("rank_ic",), "+.4f"),
    _Column("\nt", ("rank_ic_t",), "+.2f"),
    _Column("eff.\ndates", ("n_effective",), ",.0f"),
    _Column(_PATHS, ("rank_ic_path_min", "rank_ic_path_median", "rank_ic_path_max"), "+.4f"),
    _Column("\nICIR", ("icir",), "+.3f"),
    _Column("\nR²", ("r2",), "+.4f"),
    _Column("MSE\nbps²", ("mse",), ",.0f"),
    _Column("spread\nbps", ("decile_spread_bps",), "+.1f"),
    _Column("\nDSR", ("deflated_sharpe",), ".2f"),
    _Column("\nPBO", ("pbo",), ".2f"),
    _Column("cover\n%", ("coverage",), ".2f", 100.0),
    _Column("max\nbps", ("largest_prediction",), ",.0f"),
    _Column("refit\nbps", ("determinism_difference",), ".0e"),
    _Column("models\nMB", ("models_bytes",), ".2f", 1e-6),
    _Column("time\ns", ("seconds",), ".1f"),
    _Column("RSS\nMB", ("peak_rss_bytes",), ",.0f", 1e-6),
)


def _caption(board: "pd.DataFrame") -> str:
    withheld = board["pbo"].isna().any()
    return "\n".join([*_CAPTION, *([_WITHHELD] if withheld else [])])


_CAPTION = (
    "Combinatorial cross-validation trains on the future of its test blocks: it validates a "
    "forecaster and is never a backtest.",
    "t: corrected for overlapping labels; eff. dates: independent dates worth as much; spread: "
    "top less bottom decile's mean label, gross of costs;",
    "DSR: probability that its Sharpe ratio beats the luckiest of as many worthless models; PBO: "
    "probability of backtest overfitting;",
    "max: largest |prediction|; refit: largest difference after refitting a fold.",
)

_WITHHELD = "PBO is withheld (–) below four models of a horizon, and in too short a history."


def _number(value: float, spec: str) -> str:
    return "–" if math.isnan(value) else format(value, spec)
