"""How predictions are distributed, against the limits that they must keep."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from model2_assets.charts._axes import nothing_to_draw, value_grid
from model2_assets.charts._palette import ACCENT, BAD, INK, MUTED
from model2_assets.evaluation import histogram

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_BINS = 200


def draw_prediction_distribution(axes: "Axes", prediction: ArrayLike, *, limit_bps: float) -> None:
    """Draw the number of predictions by size on a logarithmic scale, and both limits.

    Parameters
    ----------
    axes : Axes
        Empty axes.
    prediction : array-like of shape (n_rows,), float
        Predictions in bps; those that are not finite are left out.
    limit_bps : float
        Largest absolute prediction allowed, bps.
    """
    values = np.asarray(prediction, dtype=np.float64)
    values = values[np.isfinite(values)]
    if not len(values):
        nothing_to_draw(axes, "no predictions")
        return
    largest = float(np.abs(values).max())
    reach = 1.1 * max(limit_bps, largest)
    found = histogram(values, reach=reach, n_bins=_BINS)
    axes.stairs(found.counts, found.edges, color=ACCENT, fill=True, alpha=0.7)
    axes.set_yscale("log")
    axes.set_ylim(0.7, 3.0 * found.counts.max())
    for side in (-limit_bps, limit_bps):
        axes.axvline(side, color=BAD, linewidth=1.5)
    _name_limit(axes, limit_bps)
    axes.axvline(0, color=MUTED, linewidth=0.8)
    axes.set_xlim(-reach, reach)
    value_grid(axes)
    axes.set_ylabel(f"predictions in {2 * reach / _BINS:.3g} bps")
    low, middle, high = (f"{v:+,.0f}".replace("-", "−") for v in _summary(values))
    axes.set_xlabel(
        f"prediction, bps: smallest {low}, largest {high}, mean {middle}, standard deviation "
        f"{values.std():,.1f}; at most {largest / limit_bps:.0%} of the limit"
    )


def _summary(values: np.ndarray) -> tuple[float, float, float]:
    return float(values.min()), float(values.mean()), float(values.max())


def _name_limit(axes: "Axes", limit_bps: float) -> None:
    for side, shift, align in ((-limit_bps, 4, "left"), (limit_bps, -4, "right")):
        axes.annotate(
            f"limit {side:+,.0f}".replace("-", "−"),
            (side, 1),
            xycoords=("data", "axes fraction"),
            xytext=(shift, -3),
            textcoords="offset points",
            ha=align,
            va="top",
            color=INK,
        )
