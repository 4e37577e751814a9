"""What each quantile of the predictions earned."""

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from model2_assets.charts._axes import nothing_to_draw, signed, value_grid, zero_line
from model2_assets.charts._palette import ACCENT, ACCENT_2, INK

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def draw_quantile_returns(axes: "Axes", quantiles: pd.DataFrame) -> None:
    """Draw the mean label of every quantile as a bar, with two standard errors either side.

    Parameters
    ----------
    axes : Axes
        Empty axes.
    quantiles : DataFrame of shape (n_quantiles, 2)
        As `model2_assets.evaluation.mean_quantile_returns` returns it: ``mean`` and
        ``standard_error``, bps, NaN where there is none; lowest predictions first.
    """
    if quantiles.empty:
        nothing_to_draw(axes, "no quantiles: fewer than 10 names a date")
        return
    means = quantiles["mean"].to_numpy(dtype=np.float64)
    errors = quantiles["standard_error"].to_numpy(dtype=np.float64)
    place = np.arange(len(means))
    colours = [ACCENT if mean >= 0 else ACCENT_2 for mean in means]
    axes.bar(place, means, width=0.7, color=colours, alpha=0.85)
    known = np.isfinite(means) & np.isfinite(errors)
    axes.errorbar(
        place[known],
        means[known],
        yerr=2 * errors[known],
        fmt="none",
        ecolor=INK,
        elinewidth=1,
        capsize=3,
    )
    _compare(axes, means)
    zero_line(axes)
    value_grid(axes)
    axes.set_xticks(
        place,
        [f"{name}\n{signed(mean, 1)}" for name, mean in zip(quantiles.index, means, strict=True)],
    )
    axes.tick_params(axis="x", length=0)
    axes.set_xlabel("quantile of the date's predictions, 1 is lowest; bar: ± 2 standard errors")
    axes.set_ylabel("mean label, bps")


def _compare(axes: "Axes", means: NDArray[np.float64]) -> None:
    """Draw the mean of the quantiles, and say how far apart the outer ones are."""
    mean = float(np.mean(means))
    dashes = (0, (4, 3))
    text = f"mean of all {signed(mean, 1)}"
    axes.axhline(mean, color=INK, linewidth=1, linestyle=dashes, label=text)
    spread = f"highest less lowest {signed(float(means[-1] - means[0]), 1)} bps"
    axes.plot([], [], linestyle="none", label=spread)
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2, borderaxespad=0.2)
