"""How rank ICs scatter over splits and paths."""

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from model2_assets.charts._palette import ACCENT, GRID, INK, MUTED

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_TALLEST_STACK = 0.36

_COLOURS = {"split": MUTED, "path": ACCENT, "all": INK}

_ROWS = {"split": 2.0, "path": 1.0, "all": 0.0}


def draw_score_distribution(axes: "Axes", scores: pd.DataFrame) -> None:
    """Draw the mean rank IC of every split and path, and that of the mean of predictions.

    Each dot is one split, or one path; dots that would hide each other are stacked. The
    bottom row is the out-of-fold history, whose predictions are means over paths, with two
    standard errors on either side. Averaging removes noise of the models, so it tends to lie
    to the right of the paths: means flatter.

    Parameters
    ----------
    axes : Axes
        Empty axes.
    scores : DataFrame of shape (n_scores, n_columns)
        Scores of one partition, with splits and paths.
    """
    rank_ic = scores[scores["metric"] == "rank_ic"]
    values = {
        scope: rank_ic.loc[rank_ic["scope"] == scope, "value"].dropna().to_numpy()
        for scope in _ROWS
    }
    axes.axvline(0, color=GRID, linewidth=1, zorder=0)
    reach = _draw_overall(axes, values["all"], _standard_error(scores))
    _set_limits(axes, np.concatenate([*values.values(), reach]))
    for scope in ("split", "path"):
        _draw_dots(axes, values[scope], scope)
    _label_axes(axes, values)


def _standard_error(scores: pd.DataFrame) -> float:
    found = scores[(scores["scope"] == "all") & (scores["metric"] == "rank_ic_se")]
    return float(found["value"].iloc[0])


def _draw_overall(axes: "Axes", overall: NDArray[np.float64], error: float) -> NDArray[np.float64]:
    """Draw the out-of-fold history and return what its error bar reaches."""
    row = _ROWS["all"]
    axes.plot(overall, np.full(len(overall), row), "D", color=_COLOURS["all"], markersize=7)
    if not len(overall) or not np.isfinite(error):
        return np.empty(0)
    reach: NDArray[np.float64] = overall[0] + 2 * error * np.array([-1.0, 1.0])
    axes.plot(reach, [row, row], color=_COLOURS["all"], linewidth=1.5)
    return reach


def _set_limits(axes: "Axes", values: NDArray[np.float64]) -> None:
    low, high = min(values.min(initial=0), 0.0), max(values.max(initial=0), 0.0)
    margin = 0.04 * (high - low) or 1.0
    axes.set_xlim(low - margin, high + margin)
    axes.set_ylim(-0.5, 2.6)


def _draw_dots(axes: "Axes", values: NDArray[np.float64], scope: str) -> None:
    """Draw a row of dots, stacked where they would touch, with their median."""
    if not len(values):
        return
    left, right = axes.get_xlim()
    values = np.sort(values)
    column = ((values - left) / (right - left) * 75).astype(np.int64)
    first = np.searchsorted(column, column)
    height = np.arange(len(values)) - first
    step = min(0.13, _TALLEST_STACK / max(int(height.max()), 1))
    row, colour = _ROWS[scope], _COLOURS[scope]
    axes.plot(values, row + height * step, "o", color=colour, markersize=6, alpha=0.8, mew=0)
    median = float(np.median(values))
    axes.plot([median, median], [row - 0.3, row - 0.12], color=colour, linewidth=2.5)


def _label_axes(axes: "Axes", values: dict[str, NDArray[np.float64]]) -> None:
    axes.set_yticks(
        [_ROWS["split"], _ROWS["path"], _ROWS["all"]],
        [
            f"{len(values['split'])} splits",
            f"{len(values['path'])} paths",
            "mean of predictions\n± 2 standard errors",
        ],
    )
    axes.set_xlabel("mean daily rank IC (bar below dots: median); validation, never a backtest")
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
