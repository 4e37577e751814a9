"""How the labels of a horizon are distributed."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from model2_assets.charts._axes import nothing_to_draw, value_grid
from model2_assets.charts._palette import ACCENT, INK, MUTED
from model2_assets.evaluation import histogram, reach_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def draw_label_distribution(axes: "Axes", label: ArrayLike) -> None:
    """Draw the share of labels by size, with their 5%, 50% and 95% quantiles.

    Parameters
    ----------
    axes : Axes
        Empty axes.
    label : array-like of shape (n_rows,), float
        Labels in bps; those that are not finite are left out. The largest 0.1% are counted
        beside the picture rather than drawn.
    """
    values = np.asarray(label, dtype=np.float64)
    values = values[np.isfinite(values)]
    if not len(values):
        nothing_to_draw(axes, "no labels")
        return
    found = histogram(values, reach=reach_of(values))
    width = float(found.edges[1] - found.edges[0])
    axes.stairs(100 * found.shares, found.edges, color=ACCENT, fill=True, alpha=0.7)
    axes.axvline(0, color=MUTED, linewidth=0.8)
    for quantile in (5, 50, 95):
        _mark_quantile(axes, quantile, float(np.percentile(values, quantile)))
    axes.set_xlim(found.edges[0], found.edges[-1])
    axes.set_ylim(top=1.15 * axes.get_ylim()[1])
    value_grid(axes)
    axes.set_ylabel(f"share of labels in {width:.3g} bps, %")
    beyond = f"; {found.beyond:,} lie beyond" if found.beyond else ""
    axes.set_xlabel(
        f"label, bps: {len(values):,} labels, standard deviation {values.std():,.0f} bps{beyond}"
    )


def _mark_quantile(axes: "Axes", quantile: int, value: float) -> None:
    axes.axvline(value, color=INK, linewidth=1, linestyle=(0, (4, 3)))
    number = f"{value:+,.0f}".replace("-", "−")
    axes.annotate(
        f"{quantile}%: {number}",
        (value, 1),
        xycoords=("data", "axes fraction"),
        xytext=(4, -3),
        textcoords="offset points",
        va="top",
    )
