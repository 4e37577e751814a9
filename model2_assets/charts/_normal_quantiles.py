"""Whether daily values are normally distributed."""

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from model2_assets.charts._axes import nothing_to_draw, value_grid
from model2_assets.charts._palette import ACCENT, MUTED

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def draw_normal_quantiles(axes: "Axes", points: pd.DataFrame) -> None:
    """Draw ordered, standardized values against normal quantiles; on the line they are equal.

    Parameters
    ----------
    axes : Axes
        Empty axes.
    points : DataFrame of shape (n_points, 2)
        As `model2_assets.evaluation.normal_quantiles` returns it.
    """
    if points.empty:
        nothing_to_draw(axes, "too few different values")
        return
    reach = 1.05 * float(np.abs(points.to_numpy()).max())
    axes.plot([-reach, reach], [-reach, reach], color=MUTED, linewidth=1)
    axes.scatter(points["normal"], points["value"], s=9, color=ACCENT, alpha=0.7, linewidths=0)
    axes.set_xlim(-reach, reach)
    axes.set_ylim(-reach, reach)
    value_grid(axes)
    axes.set_xlabel("normal quantile")
    axes.set_ylabel("value, standard deviations")
