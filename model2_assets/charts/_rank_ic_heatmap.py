"""Rank IC of every model and horizon as shaded cells."""

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from model2_assets.charts._axes import signed
from model2_assets.charts._heatmap import draw_heatmap
from model2_assets.charts._palette import INK

if TYPE_CHECKING:
    from matplotlib.axes import Axes

STRONGEST_RANK_IC = 0.05
"""Rank IC of the strongest shade. Daily panels give 0.01 to 0.05; a scale that followed the
largest value would make noise look as strong as a signal, and no two nights comparable."""


def draw_rank_ic_heatmap(axes: "Axes", rank_ic: pd.DataFrame, t_statistic: pd.DataFrame) -> None:
    """Draw the rank IC of every model and horizon, its t-statistic below.

    Parameters
    ----------
    axes : Axes
        Empty axes.
    rank_ic : DataFrame of shape (n_models, n_horizons), float
        Mean rank IC; NaN, a dash, where a partition is missing.
    t_statistic : DataFrame of shape (n_models, n_horizons), float
        Rank IC over its standard error, NaN where that is not known.
    """
    draw_heatmap(axes, rank_ic, limit=STRONGEST_RANK_IC, text="{:+.4f}")
    if rank_ic.empty:
        return
    for (row, column), value in np.ndenumerate(t_statistic.to_numpy(dtype=np.float64)):
        if np.isfinite(value):
            axes.text(
                column + 0.5,
                row + 0.8,
                f"t {signed(value, 1)}",
                ha="center",
                va="center",
                color=INK,
                fontsize="small",
            )
    axes.set_title("Mean rank IC")
