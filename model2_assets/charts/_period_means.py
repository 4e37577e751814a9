"""Daily values over time, as means of periods."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import pandas as pd

from model2_assets.charts._axes import date_axis, nothing_to_draw, value_grid
from model2_assets.charts._lines import LINE_STYLES
from model2_assets.evaluation import mean_by_period

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def draw_period_means(
    axes: "Axes", series: Mapping[str, pd.Series], label: str, *, percent: bool = False
) -> None:
    """Draw daily values as lines of means over the calendar's periods.

    Parameters
    ----------
    axes : Axes
        Empty axes.
    series : mapping of str to Series of shape (n_dates,), float
        Daily values by the name of their line, indexed by date, ascending; NaN are left out.
        At most as many lines as there are `LINE_STYLES` are told apart.
    label : str
        What they are.
    percent : bool, default False
        Whether they are shares, shown in percent.
    """
    known = {name: values.dropna() for name, values in series.items()}
    known = {name: values for name, values in known.items() if len(values)}
    if not known:
        nothing_to_draw(axes, f"no {label} on any date")
        return
    for number, (name, values) in enumerate(known.items()):
        periods = mean_by_period(values)
        calendar = pd.PeriodIndex(periods.means.index)
        middle = calendar.start_time + (calendar.end_time - calendar.start_time) / 2
        style = LINE_STYLES[number % len(LINE_STYLES)]
        axes.plot(
            middle.to_numpy(),
            periods.means.to_numpy(),
            linewidth=1.4,
            color=style.colour,
            linestyle=style.dashes,
            label=f"{name}, {periods.unit}",
        )
    value_grid(axes)
    if percent:
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    date_axis(axes, pd.DatetimeIndex(max(known.values(), key=len).index))
    axes.set_ylabel(label)
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=3, borderaxespad=0.2)
