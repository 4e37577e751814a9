"""The figures of a leaderboard as people read them: headings, units, digits."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import pandas as pd


Group = Literal["scores", "making", "details"]

GROUPS: tuple[Group, ...] = ("scores", "making", "details")
"""In the order of a page."""

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
        A short heading with the unit, in lines.
    spec : str
        Format of the value times `scale`.
    scale : float, default 1
        From the column's unit to that of the heading.
    group : {"scores", "making", "details"}, default "scores"
        Which of the narrower tables of a page it belongs to: what models are compared by, how
        sound and costly their making was, or what else is known of them.
    """

    name: str
    heading: str
    spec: str
    scale: float = 1.0
    group: Group = "scores"

    @property
    def title(self) -> str:
        """The heading in one line."""
        return self.heading.replace("-\n", "").replace("\n", " ")

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
    Figure("rank_ic", "rank\nIC", "+.4f"),
    Figure("rank_ic_se", "std.\nerror", ".4f"),
    Figure("rank_ic_t", "t", "+.2f"),
    Figure("rank_ic_change", "change\nof IC", "+.4f"),
    Figure("n_effective", "eff.\ndates", ",.0f", group="details"),
    Figure("rank_ic_path_min", "path\nmin", "+.4f", group="details"),
    Figure("rank_ic_path_median", "path\nmedian", "+.4f", group="details"),
    Figure("rank_ic_path_max", "path\nmax", "+.4f", group="details"),
    Figure("icir", "ICIR", "+.3f"),
    Figure("r2", "R²", "+.4f"),
    Figure("mse", "MSE\nbps²", ",.0f", group="details"),
    Figure("decile_spread_bps", "spread\nbps", "+.1f"),
    Figure("top_quantile_turnover", "turn-\nover %", ".1f", 100),
    Figure("deflated_sharpe", "DSR", ".2f", group="details"),
    Figure("pbo", "PBO", ".2f", group="details"),
    Figure("coverage", "coverage\n%", ".2f", 100, group="making"),
    Figure("largest_prediction", "max\nbps", ",.0f", group="details"),
    Figure("determinism_difference", "refit\nbps", ".0e", group="making"),
    Figure("models_bytes", "models\nMB", ",.2f", 1e-6, group="making"),
    Figure("seconds", "time\ns", ".1f", group="making"),
    Figure("peak_rss_bytes", "peak\nRSS MB", ",.0f", 1e-6, group="details"),
)
"""In the order of the table."""


def times(moments: "pd.Series", form: str) -> list[str]:
    """Return moments as text in a form of ``strftime``, a dash where one is not known."""
    known = moments.notna()
    return [
        moment.strftime(form) if is_known else UNKNOWN
        for moment, is_known in zip(moments, known, strict=True)
    ]
