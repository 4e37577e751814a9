"""What the top quantile earned over the bottom one, added up."""

from typing import TYPE_CHECKING

import pandas as pd

from model2_assets.charts._axes import (
    date_axis,
    nothing_to_draw,
    thinned,
    value_grid,
    whole_numbers,
    zero_line,
)
from model2_assets.charts._palette import ACCENT

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def draw_cumulative_spread(axes: "Axes", cumulative: pd.DataFrame) -> None:
    """Draw the mean of the books' sums, and the range over them.

    Parameters
    ----------
    axes : Axes
        Empty axes.
    cumulative : DataFrame of shape (n_dates, 3)
        As `model2_assets.evaluation.cumulative_quantile_spread` returns it, bps.
    """
    if cumulative.empty or not cumulative.to_numpy().any():
        nothing_to_draw(axes, "no quantiles: fewer than 10 names a date")
        return
    few = cumulative.iloc[thinned(len(cumulative))]
    dates = few.index.to_numpy()
    axes.fill_between(
        dates,
        few["low"].to_numpy(),
        few["high"].to_numpy(),
        color=ACCENT,
        alpha=0.18,
        linewidth=0,
        label="range over starting dates",
    )
    axes.plot(dates, few["mean"].to_numpy(), color=ACCENT, linewidth=1.6, label="mean")
    zero_line(axes)
    value_grid(axes)
    date_axis(axes, pd.DatetimeIndex(cumulative.index))
    whole_numbers(axes)
    axes.set_ylabel("sum of spreads, bps")
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2, borderaxespad=0.2)
