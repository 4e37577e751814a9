"""The catalogue of every metric: how people read it, what it means, which tables show it.

Pages, charts, the terminal and logs take headings, units, formats and explanations from here. A
new metric is an entry here and the code that computes it (and its column in the contract).

What speaks of returns is scored on realized returns (`labels.realized_returns`), what speaks of the
fit on labels: `Metric.on` says which.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Literal

import pandas as pd

Shown = Literal["folds", "paths", "ranking", "evidence", "scores", "making", "details"]
"""Tables: scores by fold and by path (tear sheet); leaderboard and evidence (region's report);
what models are compared by, how their making went, what else is known (leaderboard's page)."""

MISSING = "–"
"""Stands for a value that is not known."""

MINUS = "\N{MINUS SIGN}"


def number(value: float, spec: str, *, minus: str = MINUS) -> str:
    """Return a number by its format, with a true minus sign; a dash where there is none."""
    if math.isnan(value) or math.isinf(value):
        return MISSING
    if spec.endswith("e"):
        return format(value, spec) if value else "0"
    return format(round(value) if spec.endswith("d") else value, spec).replace("-", minus)


@dataclass(frozen=True)
class Metric:
    """A metric of out-of-fold predictions, or of how they were made.

    Attributes
    ----------
    name : str
        Its ``metric`` in the contract CVScores, its column in the contract Leaderboard, or both.
    heading : str
        What people call it within a sentence; at the start of a column, see `title`.
    spec : str
        Format of the value times `scale`: ``%`` for shares, ``d`` for counts.
    shown : str
        The tables that show it, such as ``folds paths``.
    meaning : str
        What it is, to follow the heading and a colon.
    on : {"realized returns", "labels", ""}
        What predictions are held against: what rows earned, never winsorized, or what the models
        were fitted to; or neither.
    scope : {"every", "history", ""}
        Which rows of CVScores have it: of every scope, or only of complete histories (paths and
        all), since a single fold has too few independent windows; or none.
    unit : str
        Of the value times `scale`.
    scale : float
        From the unit of the contract to `unit`.
    long : str
        The heading where there is room for more.
    """

    name: str
    heading: str
    spec: str
    shown: str
    meaning: str
    on: Literal["realized returns", "labels", ""] = ""
    scope: Literal["every", "history", ""] = ""
    unit: str = ""
    scale: float = 1.0
    long: str = ""

    @property
    def title(self) -> str:
        """The heading as the first word of a column; a single letter is a symbol and stays."""
        return (
            self.heading if len(self.heading) == 1 else self.heading[0].upper() + self.heading[1:]
        )

    @property
    def numeric_heading(self) -> str:
        """The heading with the unit of `numbers`."""
        return f"{self.heading} {'%' if self._is_share else self.unit}".rstrip()

    @property
    def key(self) -> str:
        """The name with the unit in it: Dagster plots the value under it."""
        suffix = {"bps": "_bps", "bps²": "_bps2"}.get(self.unit, "")
        return self.name if self.name.endswith(suffix) else self.name + suffix

    @property
    def of_paths(self) -> bool:
        """Whether it belongs to the distribution over paths."""
        return self.name.startswith("rank_ic_path")

    def text(self, value: float) -> str:
        """Return a value as text, without its unit."""
        return number(value * self.scale, self.spec)

    def numeric_text(self, value: float) -> str:
        """Return a value as `numbers` has it, as text for terminals."""
        return number(value * self.scale, self.spec, minus="-").removesuffix("%")

    def plain(self, value: float) -> float:
        """Return a value in the unit of the contract, counts as whole numbers."""
        return int(value) if self.spec.endswith("d") else float(value)

    def numbers(self, values: pd.Series) -> pd.Series:
        """Return values as numbers, shares in percent, rounded where their digits are fixed."""
        scaled: pd.Series = values * self.scale * (100 if self._is_share else 1)
        return scaled if self.spec.endswith("e") else scaled.round(int(self.spec[-2]))

    @property
    def _is_share(self) -> bool:
        return self.spec.endswith("%")


_REALIZED: Final = "realized returns"
_LABELS: Final = "labels"

# fmt: off
_METRICS = (
    Metric("rank_ic", "rank IC", "+.4f", "folds paths ranking scores",
           "mean over dates of the Spearman correlation across names", _REALIZED, "every"),
    Metric("rank_ic_se", "std. error", ".4f", "paths scores",
           "of the mean daily rank IC, Newey–West, over twice the dates that labels overlap",
           _REALIZED, "history"),
    Metric("rank_ic_t", "t", "+.2f", "paths ranking scores",
           "rank IC over its Newey–West standard error", _REALIZED, "history",
           long="t-statistic"),
    Metric("rank_ic_change", "change of IC", "+.4f", "scores",
           "rank IC less that of the leaderboard before", _REALIZED),
    Metric("n_effective", "eff. dates", ",.0f", "paths ranking details",
           "independent dates that would give the same error", _REALIZED, "history",
           long="Effective dates"),
    Metric("rank_ic_path_min", "worst path", "+.4f", "ranking details",
           "lowest rank IC of a complete history of single predictions; that of their mean tends "
           "to flatter", _REALIZED),
    Metric("rank_ic_path_median", "median path", "+.4f", "details",
           "median over those histories", _REALIZED),
    Metric("rank_ic_path_max", "best path", "+.4f", "ranking details",
           "highest of those histories", _REALIZED),
    Metric("ic", "IC", "+.4f", "folds paths",
           "mean over dates of the Pearson correlation across names", _REALIZED, "every"),
    Metric("icir", "ICIR", "+.3f", "folds paths ranking scores",
           "mean over standard deviation of the daily rank IC, not annualized", _REALIZED,
           "every"),
    Metric("r2", "R²", "+.4f", "folds paths ranking scores",
           "coefficient of determination, against the mean label", _LABELS, "every"),
    Metric("rmse", "RMSE", ",.0f", "folds", "root of the mean squared error", _LABELS, "every",
           "bps"),
    Metric("mae", "MAE", ",.0f", "folds", "mean absolute error", _LABELS, "every", "bps"),
    Metric("hit_rate", "hit rate", ".2%", "folds paths",
           "share of rows whose prediction has the sign of what was earned, where neither is 0",
           _REALIZED, "every"),
    Metric("decile_spread_bps", "spread", "+.1f", "paths ranking scores",
           "mean return of the top quantile less that of the bottom one, per window of the "
           "horizon, gross of costs", _REALIZED, "history", "bps"),
    Metric("top_quantile_turnover", "turnover", ".1%", "ranking scores",
           "share of the top quantile's names replaced from one date to the next", unit="a date"),
    Metric("deflated_sharpe", "DSR", ".2f", "paths ranking details",
           "probability that the spread's Sharpe ratio, on windows that do not overlap, exceeds "
           "the best expected of as many worthless models as the region has partitions",
           _REALIZED, "history", long="Deflated Sharpe"),
    Metric("pbo", "PBO", ".2f", "ranking details",
           "probability of backtest overfitting: that the best model of a horizon on one half of "
           "history is below the median on the other (at it: a half)", _REALIZED),
    Metric("coverage", "coverage", ".2%", "evidence making", "tested rows with a prediction"),
    Metric("largest_prediction", "largest", ",.0f", "evidence details",
           "largest absolute prediction", unit="bps"),
    Metric("determinism_difference", "refit", ".0e", "evidence making",
           "largest difference after a fold is fitted again", unit="bps"),
    Metric("mse", "MSE", ",.0f", "evidence details", "mean squared error", _LABELS, "every",
           "bps²"),
    Metric("models_bytes", "models", ",.2f", "evidence making", "fold models on disk",
           unit="MB", scale=1e-6),
    Metric("seconds", "time", ".1f", "making", "wall time of fitting", unit="s"),
    Metric("peak_rss_bytes", "peak RSS", ",.0f", "details", "largest memory while fitting",
           unit="MB", scale=1e-6),
    Metric("samples", "rows", ",d", "folds paths", "of an instrument and a date, scored",
           scope="every"),
    Metric("dates", "dates", ",d", "folds", "with scored rows", scope="every"),
)
# fmt: on

_BASES = {
    _REALIZED: "realized returns, which are never winsorized",
    _LABELS: "labels, as models are fitted to them",
}

PBO_WITHHELD = "PBO is withheld (–) below four models of a horizon, and in too short a history."

METRICS = {metric.name: metric for metric in _METRICS}
"""By name, in the order in which tables show them."""


def metrics_of(*tables: Shown, several_paths: bool = True) -> tuple[Metric, ...]:
    """Return the metrics that tables show; with one path, those of paths are left out."""
    return tuple(
        metric
        for metric in _METRICS
        if set(tables) & set(metric.shown.split()) and (several_paths or not metric.of_paths)
    )


def explained(metrics: Iterable[Metric]) -> str:
    """Return what metrics mean, and what they are scored on, as sentences for a note."""
    found = tuple(metrics)
    sentences = [f"{metric.title}: {metric.meaning}." for metric in found]
    for basis in (_REALIZED, _LABELS):
        headings = [metric.heading for metric in found if metric.on == basis]
        sentences += [f"On {_BASES[basis]}: {', '.join(headings)}."] if headings else []
    return " ".join(sentences)
