"""The splits: dates by splits, coloured by role."""

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from model2_assets.charts._canvas import WIDTH_PX
from model2_assets.charts._palette import ACCENT, ACCENT_2, BAND, CAUTION, FAINT, INK
from model2_assets.cross_validation import Role, role_columns
from model2_assets.evaluation import most_frequent_roles
from model2_assets.panel import date_codes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

BAR_PX = 22
_MARGIN_PX = 115
_TALLEST_PX = 1000
_MIN_RUN_PX = 2.0
_PLOT_SHARE = 0.88

ROLE_COLOURS = {
    Role.TRAIN: BAND,
    Role.TEST: ACCENT,
    Role.PURGED_BEFORE: CAUTION,
    Role.PURGED_AFTER: ACCENT_2,
    Role.EMBARGOED: INK,
    Role.UNUSED: FAINT,
}
"""Told apart by lightness alone as well."""


def draw_fold_timeline(axes: "Axes", splits: pd.DataFrame) -> None:
    """Draw what every date does in every split.

    A date has the colour of most of its rows. The axis counts dates with rows, so gaps in
    the calendar take no room. A run of dates is drawn at least two pixels wide, since a
    five-day embargo in thirty years would vanish. Where every horizon has splits of its
    own, they follow one another, horizon by horizon.

    Parameters
    ----------
    axes : Axes
        Empty axes, best as high as `fold_timeline_height` says.
    splits : DataFrame of shape (n_rows, 1 + n_columns)
        The cv_splits table.
    """
    index = splits.index
    assert isinstance(index, pd.MultiIndex)
    dates = date_codes(index)
    columns = role_columns(splits)
    n_dates = len(dates.values)
    roles = np.array(
        [most_frequent_roles(column.roles(splits), dates.codes, n_dates) for column in columns]
    )
    _draw_runs(axes, roles)
    names = [f"{column.horizon or ''} {column.split_id}".strip() for column in columns]
    _label_axes(axes, pd.DatetimeIndex(dates.values), names)
    _add_legend(axes, [role for role in ROLE_COLOURS if role != Role.UNUSED or role in roles])


def fold_timeline_height(splits: pd.DataFrame) -> int:
    """Return the height in pixels that suits the number of splits."""
    return min(_MARGIN_PX + BAR_PX * len(role_columns(splits)), _TALLEST_PX)


def _draw_runs(axes: "Axes", roles: NDArray[np.int8]) -> None:
    """Draw the runs of equal role, widest kinds first so that thin ones stay on top."""
    from matplotlib.collections import PolyCollection

    n_splits, n_dates = roles.shape
    first = np.ones((n_splits, 1), dtype=bool)
    split, start = np.nonzero(np.hstack([first, roles[:, 1:] != roles[:, :-1]]))
    stop = np.where(np.append(split[1:] == split[:-1], False), np.append(start[1:], 0), n_dates)
    least = _MIN_RUN_PX * n_dates / (WIDTH_PX * _PLOT_SHARE)
    stop = start + np.maximum(stop - start, least)
    corners = np.stack([start, start, stop, stop], axis=1), np.outer(split, np.ones(4))
    boxes = np.stack([corners[0], corners[1] + np.array([-0.4, 0.4, 0.4, -0.4])], axis=2)
    for role, colour in ROLE_COLOURS.items():
        chosen = boxes[roles[split, start] == role]
        axes.add_collection(PolyCollection(chosen, facecolors=colour, linewidths=0))


def _label_axes(axes: "Axes", calendar: pd.DatetimeIndex, names: list[str]) -> None:
    axes.set_xlim(0, len(calendar))
    axes.set_ylim(len(names) - 0.5, -0.5)
    ticks, labels = _date_ticks(calendar)
    axes.set_xticks(ticks, labels)
    step = max(1, -(-len(names) // 40))
    axes.set_yticks(range(0, len(names), step), names[::step])
    axes.set_ylabel("split")
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)


def _date_ticks(calendar: pd.DatetimeIndex) -> tuple[list[int], list[str]]:
    """Return about ten ticks: first dates of years, or of months in a short history."""
    patterns = {"Y": "%Y", "M": "%Y-%m", "D": "%Y-%m-%d"}
    firsts = {unit: _first_of_each(calendar, unit) for unit in patterns}
    unit = next((unit for unit in patterns if len(firsts[unit]) >= 3), "D")
    ticks = firsts[unit][:: max(1, -(-len(firsts[unit]) // 10))]
    return ticks.tolist(), calendar[ticks].strftime(patterns[unit]).tolist()


def _first_of_each(calendar: pd.DatetimeIndex, unit: str) -> NDArray[np.int64]:
    periods = calendar.to_numpy().astype(f"datetime64[{unit}]")
    return np.flatnonzero(periods[1:] != periods[:-1]) + 1


def _add_legend(axes: "Axes", shown: list[Role]) -> None:
    from matplotlib.patches import Patch

    handles = [
        Patch(facecolor=ROLE_COLOURS[role], label=role.name.lower().replace("_", " "))
        for role in shown
    ]
    axes.legend(
        handles=handles,
        loc="lower left",
        bbox_to_anchor=(0.0, 1.0),
        ncols=len(handles),
        handlelength=1.2,
        columnspacing=1.5,
        borderaxespad=0.3,
    )
