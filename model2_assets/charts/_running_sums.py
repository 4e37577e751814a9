"""Daily values of several series, added up."""

from collections.abc import Mapping
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
from model2_assets.charts._lines import LINE_STYLES

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_LARGE = 10


def draw_running_sums(axes: "Axes", series: Mapping[str, pd.Series], label: str) -> None:
    """Draw the running sums of daily values, a line for each series.

    Parameters
    ----------
    axes : Axes
        Empty axes.
    series : mapping of str to Series of shape (n_dates,), float
        Daily values by the name of their line, indexed by date, ascending; NaN add nothing.
        At most as many lines as there are `LINE_STYLES` are told apart.
    label : str
        What the sums are.
    """
    known = {name: values.dropna() for name, values in series.items()}
    known = {name: values for name, values in known.items() if len(values)}
    if not known:
        nothing_to_draw(axes, "nothing to add up on any date")
        return
    for number, (name, values) in enumerate(known.items()):
        total = values.cumsum().iloc[thinned(len(values))]
        style = LINE_STYLES[number % len(LINE_STYLES)]
        axes.plot(
            total.index.to_numpy(),
            total.to_numpy(),
            linewidth=1.5,
            color=style.colour,
            linestyle=style.dashes,
            label=name,
        )
    zero_line(axes)
    value_grid(axes)
    dates = pd.DatetimeIndex(
        sorted({end for values in known.values() for end in values.index[[0, -1]]})
    )
    date_axis(axes, dates)
    if max(map(abs, axes.get_ylim())) >= _LARGE:
        whole_numbers(axes)
    axes.set_ylabel(label)
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=4, borderaxespad=0.2)
