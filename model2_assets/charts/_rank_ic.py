"""Rank ICs over time."""

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from model2_assets.charts._axes import (
    date_axis,
    nothing_to_draw,
    thinned,
    value_grid,
    zero_line,
)
from model2_assets.charts._palette import ACCENT, ACCENT_2, INK
from model2_assets.evaluation import mean_by_period

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def draw_rank_ic(axes: "Axes", rank_ic: pd.Series) -> None:
    """Draw the mean rank IC of every period as bars, and the running sum of all dates.

    The sum has its own axis on the right, whose zero is that of the bars.

    Parameters
    ----------
    axes : Axes
        Empty axes.
    rank_ic : Series of shape (n_dates,), float
        Daily rank ICs indexed by date, ascending; NaN where a date has none.
    """
    known = rank_ic.dropna()
    if known.empty:
        nothing_to_draw(axes, "no rank IC on any date")
        return
    periods = mean_by_period(known)
    name = "daily" if periods.unit == "daily" else f"{periods.unit} mean"
    means = periods.means.to_numpy()
    calendar = pd.PeriodIndex(periods.means.index)
    _draw_bars(axes, calendar, means, name)
    mean = float(known.mean())
    axes.axhline(
        mean, color=INK, linewidth=1, linestyle=(0, (4, 3)), label=f"mean of all dates {mean:.4f}"
    )
    zero_line(axes)
    value_grid(axes)
    right = axes.twinx()
    total = known.cumsum().iloc[thinned(len(known))]
    right.plot(total.index.to_numpy(), total.to_numpy(), color=ACCENT_2, linewidth=1.5)
    axes.plot([], [], color=ACCENT_2, linewidth=1.5, label="cumulative (right)")
    _align_zeros(axes, right, means, total.to_numpy())
    for spine in right.spines.values():
        spine.set_visible(False)
    right.tick_params(axis="y", length=0)
    right.set_ylabel("sum of daily rank ICs")
    axes.set_ylabel(f"rank IC, {name}")
    date_axis(axes, pd.DatetimeIndex(known.index))
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=3, borderaxespad=0.2)


def _draw_bars(
    axes: "Axes", calendar: pd.PeriodIndex, heights: NDArray[np.float64], label: str
) -> None:
    """Draw bars as one artist: as many rectangles would take most of the drawing's time."""
    from matplotlib.collections import PolyCollection
    from matplotlib.dates import date2num

    left, right = date2num(calendar.start_time.to_numpy()), date2num(calendar.end_time.to_numpy())
    x = np.stack([left, left, right, right], axis=1)
    y = np.outer(heights, [0.0, 1.0, 1.0, 0.0])
    boxes = np.stack([x, y], axis=2)
    bars = PolyCollection(list(boxes), facecolors=ACCENT, linewidths=0, alpha=0.6, label=label)
    axes.add_collection(bars)


def _align_zeros(
    left: "Axes", right: "Axes", bars: NDArray[np.float64], total: NDArray[np.float64]
) -> None:
    """Give both axes limits with zero at the same height."""
    high = max(_share_above(bars), _share_above(total))
    low = max(_share_above(-bars), _share_above(-total))
    for axes, values in ((left, bars), (right, total)):
        scale = 1.05 * float(np.abs(values).max()) or 1.0
        axes.set_ylim(-low * scale, high * scale)


def _share_above(values: NDArray[np.float64]) -> float:
    """Return how far values reach above zero, of their largest magnitude."""
    largest = float(np.abs(values).max())
    return max(float(values.max()), 0.0) / largest if largest else 1.0
