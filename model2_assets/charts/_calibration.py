"""Realized labels against predictions."""

from typing import TYPE_CHECKING

import numpy as np

from model2_assets.charts._axes import nothing_to_draw
from model2_assets.charts._palette import ACCENT, ACCENT_2, INK, MUTED
from model2_assets.evaluation import Calibration

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def draw_calibration(axes: "Axes", found: Calibration) -> None:
    """Draw the mean label of every bin of predictions, with two standard errors either side.

    Points on the diagonal are right on average; the fitted line is through all rows.

    Parameters
    ----------
    axes : Axes
        Empty axes.
    found : Calibration
        As `model2_assets.evaluation.calibration` returns it.
    """
    bins = found.bins
    if bins.empty:
        nothing_to_draw(axes, "no predictions")
        return
    x = bins["prediction"].to_numpy(dtype=np.float64)
    y = bins["label"].to_numpy(dtype=np.float64)
    errors = 2 * bins["standard_error"].fillna(0).to_numpy(dtype=np.float64)
    axes.axhline(0, color=MUTED, linewidth=0.8)
    axes.axvline(0, color=MUTED, linewidth=0.8)
    axes.errorbar(
        x,
        y,
        yerr=errors,
        fmt="o",
        color=ACCENT,
        ecolor=ACCENT,
        elinewidth=1.5,
        capsize=3,
        label="mean of a bin of rows ± 2 standard errors",
    )
    # Lines without a say in the limits: those are the points'.
    limits = axes.get_xlim(), axes.get_ylim()
    reach = np.asarray(limits[0])
    axes.plot(reach, reach, color=INK, linewidth=1, linestyle=(0, (4, 3)), label="as predicted")
    if np.isfinite(found.slope):
        middle = np.average(x, weights=bins["rows"]), np.average(y, weights=bins["rows"])
        line = middle[1] + found.slope * (reach - middle[0])
        axes.plot(reach, line, color=ACCENT_2, linewidth=1.5, label=_slope_text(found))
    axes.set_xlim(limits[0])
    axes.set_ylim(limits[1])
    axes.grid()
    axes.set_xlabel("mean prediction, bps")
    axes.set_ylabel("mean label, bps")
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=3, borderaxespad=0.2)


def _slope_text(found: Calibration) -> str:
    slope = f"{found.slope:.2f}".replace("-", "−")
    if not np.isfinite(found.slope_standard_error):
        return f"slope {slope}"
    return f"slope {slope} ± {2 * found.slope_standard_error:.2f}"
