"""The figures of a leaderboard as people read them: headings, units, digits."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

UNKNOWN = "–"
"""Stands for a value that is not known."""


@dataclass(frozen=True)
class Figure:
    """A number of the leaderboard.

    Attributes
    ----------
    name : str
        Its column.
    heading : str
        A short heading with the unit, in lines, for the terminal.
    title : str
        A heading in words, with the unit in parentheses, for a page.
    spec : str
        Format of the value times `scale`.
    scale : float, default 1
        From the column's unit to that of the headings.
    """

    name: str
    heading: str
    title: str
    spec: str
    scale: float = 1.0

    @property
    def of_paths(self) -> bool:
        """Whether it belongs to the distribution over paths."""
        return self.name.startswith("rank_ic_path")

    def texts(self, board: "pd.DataFrame") -> list[str]:
        """Return the column as text, a dash where a value is not known."""
        scaled = (value * self.scale for value in board[self.name])
        return [UNKNOWN if math.isnan(value) else format(value, self.spec) for value in scaled]

    def numbers(self, board: "pd.DataFrame") -> "pd.Series":
        """Return the column as numbers, rounded as the text is where its digits are fixed."""
        scaled: pd.Series = board[self.name] * self.scale
        fixed = self.spec.endswith("f")
        return scaled.round(int(self.spec.rpartition(".")[2][:-1])) if fixed else scaled


FIGURES: Sequence[Figure] = (
    Figure("rank_ic", "rank\nIC", "rank IC", "+.4f"),
    Figure("rank_ic_se", "std.\nerror", "standard error of rank IC", ".4f"),
    Figure("rank_ic_t", "t", "t of rank IC", "+.2f"),
    Figure("rank_ic_change", "change\nof IC", "change of rank IC", "+.4f"),
    Figure("n_effective", "eff.\ndates", "effective dates", ",.0f"),
    Figure("rank_ic_path_min", "path\nmin", "rank IC of worst path", "+.4f"),
    Figure("rank_ic_path_median", "path\nmedian", "rank IC of median path", "+.4f"),
    Figure("rank_ic_path_max", "path\nmax", "rank IC of best path", "+.4f"),
    Figure("icir", "ICIR", "ICIR", "+.3f"),
    Figure("r2", "R²", "R²", "+.4f"),
    Figure("mse", "MSE\nbps²", "MSE (bps²)", ",.0f"),
    Figure("decile_spread_bps", "spread\nbps", "decile spread (bps)", "+.1f"),
    Figure(
        "top_quantile_turnover", "turn-\nover %", "turnover of top decile (% a date)", ".1f", 100
    ),
    Figure("deflated_sharpe", "DSR", "deflated Sharpe (probability)", ".2f"),
    Figure("pbo", "PBO", "backtest overfitting (probability)", ".2f"),
    Figure("coverage", "cover-\nage %", "coverage (%)", ".2f", 100),
    Figure("largest_prediction", "max\nbps", "largest |prediction| (bps)", ",.0f"),
    Figure("determinism_difference", "refit\nbps", "difference after refit (bps)", ".0e"),
    Figure("models_bytes", "models\nMB", "models (MB)", ",.2f", 1e-6),
    Figure("seconds", "time\ns", "fitting (s)", ".1f"),
    Figure("peak_rss_bytes", "peak\nRSS MB", "peak memory (MB)", ",.0f", 1e-6),
)
"""In the order of the table."""


def times(moments: "pd.Series", form: str) -> list[str]:
    """Return moments as text in a form of ``strftime``, a dash where one is not known."""
    known = moments.notna()
    return [
        moment.strftime(form) if is_known else UNKNOWN
        for moment, is_known in zip(moments, known, strict=True)
    ]
