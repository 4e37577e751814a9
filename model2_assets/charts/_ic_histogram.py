"""How daily rank ICs are distributed."""

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from model2_assets.charts._axes import nothing_to_draw, signed, value_grid
from model2_assets.charts._palette import ACCENT, INK, MUTED

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_FEWEST_BINS, _MOST_BINS = 8, 50


def draw_ic_histogram(axes: "Axes", rank_ic: pd.Series) -> None:
    """Draw how many dates have which rank IC, beside a normal curve of the same spread.

    Parameters
    ----------
    axes : Axes
        Empty axes.
    rank_ic : Series of shape (n_dates,), float
        Daily rank ICs; NaN are left out.
    """
    known = rank_ic.dropna().to_numpy(dtype=np.float64)
    if not len(known):
        nothing_to_draw(axes, "no rank IC on any date")
        return
    bins = min(_MOST_BINS, max(_FEWEST_BINS, round(len(known) ** 0.5)))
    counts, edges = np.histogram(known, bins=bins)
    width = float(edges[1] - edges[0])
    axes.bar(edges[:-1], counts, width=0.92 * width, align="edge", color=ACCENT, alpha=0.6)
    mean, deviation = float(known.mean()), float(known.std())
    if deviation > 0:
        from scipy.stats import norm

        grid = np.linspace(edges[0], edges[-1], 120)
        expected = norm.pdf(grid, mean, deviation) * width * len(known)
        axes.plot(grid, expected, color=MUTED, linewidth=1.2, label="normal")
    axes.axvline(0, color=MUTED, linewidth=0.8)
    axes.axvline(
        mean, color=INK, linewidth=1, linestyle=(0, (4, 3)), label=f"mean {signed(mean, 4)}"
    )
    value_grid(axes)
    axes.margins(x=0.02)
    axes.set_xlabel("daily rank IC")
    axes.set_ylabel("dates")
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2, borderaxespad=0.2)
