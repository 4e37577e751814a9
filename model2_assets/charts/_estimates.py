"""Estimates side by side, with their errors."""

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from model2_assets.charts._axes import nothing_to_draw
from model2_assets.charts._palette import ACCENT, MUTED

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def draw_estimates(axes: "Axes", estimates: pd.DataFrame, label: str) -> None:
    """Draw a dot for every estimate, with two standard errors on either side.

    Parameters
    ----------
    axes : Axes
        Empty axes.
    estimates : DataFrame of shape (n_estimates, 2), float
        ``mean`` and ``standard_error``, indexed by the names to show, the first on top. An
        estimate without an error is a dot alone; one that is missing is left out.
    label : str
        What is estimated.
    """
    mean = estimates["mean"].to_numpy(dtype=np.float64)
    error = estimates["standard_error"].to_numpy(dtype=np.float64)
    if not np.isfinite(mean).any():
        nothing_to_draw(axes, f"no {label}")
        return
    place = np.arange(len(mean))
    axes.axvline(0, color=MUTED, linewidth=0.8)
    known = np.isfinite(mean) & np.isfinite(error)
    reach = 2 * error[known]
    axes.hlines(place[known], mean[known] - reach, mean[known] + reach, color=ACCENT, linewidth=1.6)
    axes.plot(mean, place, "o", color=ACCENT, markersize=6, markeredgewidth=0)
    axes.set_yticks(place, [str(name) for name in estimates.index])
    axes.set_ylim(len(mean) - 0.5, -0.5)
    axes.grid(axis="x")
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.set_xlabel(f"{label}, ± 2 standard errors")
