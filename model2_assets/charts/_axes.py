"""What charts have in common: axes of dates, zero lines, and what stands where nothing is."""

from math import isnan
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from model2_assets.charts._palette import MUTED

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MOST_POINTS = 900

_OFFSETS = ["", "%Y", "%Y", "%Y-%m-%d", "%Y-%m-%d", "%Y-%m-%d %H:%M"]
"""What the last tick of each unit, years first, leaves to say."""


def date_axis(axes: "Axes", dates: pd.DatetimeIndex) -> None:
    """Let the horizontal axis run from the first date to the last, with short date ticks."""
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter, date2num

    locator = AutoDateLocator(minticks=4, maxticks=12)
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator, offset_formats=_OFFSETS))
    first, last = date2num(dates[[0, -1]].to_numpy())
    axes.set_xlim(first - 0.5, last + 0.5)


def thinned(count: int) -> NDArray[np.intp]:
    """Return positions of at most as many points as there are pixels, the last included."""
    step = -(-count // _MOST_POINTS)
    return np.arange(count)[::-1][::step][::-1]


def zero_line(axes: "Axes") -> None:
    """Draw the line at zero across the axes."""
    axes.axhline(0, color=MUTED, linewidth=0.8, zorder=1.5)


def signed(value: float, digits: int) -> str:
    """Return a number with its sign, as axes write it; a dash where there is none."""
    return "–" if isnan(value) else f"{value:+.{digits}f}".replace("-", "−")


def value_grid(axes: "Axes") -> None:
    """Draw horizontal grid lines alone."""
    axes.grid(axis="y")
    axes.tick_params(axis="y", length=0)


def whole_numbers(axes: "Axes") -> None:
    """Write the values of the vertical axis without decimals, in groups of three digits."""
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:,.0f}".replace("-", "−"))


def nothing_to_draw(axes: "Axes", reason: str) -> None:
    """Say why there is no chart, in its place."""
    axes.set_axis_off()
    axes.text(0.5, 0.5, reason, transform=axes.transAxes, ha="center", va="center", color=MUTED)
