"""How complete the features are over time."""

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from model2_assets.charts._axes import date_axis, nothing_to_draw, value_grid
from model2_assets.charts._palette import ACCENT, ACCENT_2, BAND, MUTED

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def draw_feature_coverage(axes: "Axes", coverage: pd.DataFrame) -> None:
    """Draw the share of names with features and of features with values, date by date.

    The number of names stands behind them, on an axis of its own on the right.

    Parameters
    ----------
    axes : Axes
        Empty axes.
    coverage : DataFrame of shape (n_dates, 3)
        As `model2_assets.evaluation.feature_coverage` returns it.
    """
    if coverage.empty:
        nothing_to_draw(axes, "no dates")
        return
    from matplotlib.ticker import MaxNLocator

    dates = pd.DatetimeIndex(coverage.index)
    right = axes.twinx()
    names = coverage["names"].to_numpy()
    right.fill_between(dates.to_numpy(), 0, names, color=BAND, alpha=0.45, step="post")
    right.set_ylim(0, 1.15 * int(names.max()))
    right.set_ylabel("names")
    right.tick_params(axis="y", length=0)
    right.spines[:].set_visible(False)
    right.yaxis.set_major_locator(MaxNLocator("auto", integer=True))
    axes.set_zorder(right.get_zorder() + 1)
    lines = {
        "with_features": (ACCENT, "names with features"),
        "values": (ACCENT_2, "their values that are there"),
    }
    for column, (colour, text) in lines.items():
        shares = 100 * coverage[column].to_numpy(dtype=np.float64)
        mean = f", mean {np.nanmean(shares):.2f}%" if np.isfinite(shares).any() else ""
        axes.plot(dates.to_numpy(), shares, color=colour, linewidth=1.5, label=text + mean)
    axes.fill_between([], [], color=BAND, alpha=0.45, label="names (right)")
    axes.axhline(100, color=MUTED, linewidth=0.8)
    axes.set_ylim(0, 105)
    value_grid(axes)
    axes.set_ylabel("share, %")
    date_axis(axes, dates)
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=3, borderaxespad=0.2)
