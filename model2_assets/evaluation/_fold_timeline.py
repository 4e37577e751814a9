"""A picture of the splits: dates by splits, coloured by role."""

from io import BytesIO
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from model2_assets.cross_validation import Role, role_columns
from model2_assets.panel import date_codes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

WIDTH_PX = 900
_DPI = 130
_BAR_INCHES = 0.22
_TALLEST_INCHES = 10.0
_MIN_RUN_PX = 2.0
_PLOT_SHARE = 0.88

COLOURS = {
    Role.TRAIN: "#C8CDD3",
    Role.TEST: "#0072B2",
    Role.PURGED_BEFORE: "#F0C000",
    Role.PURGED_AFTER: "#D55E00",
    Role.EMBARGOED: "#111111",
    Role.UNUSED: "#F1F3F5",
}
"""Hues after Okabe and Ito (2008), told apart by lightness alone as well."""


def plot_fold_timeline(splits: pd.DataFrame) -> bytes:
    """Draw what every date does in every split.

    A date has the colour of most of its rows. The axis counts dates with rows, so gaps in
    the calendar take no room. A run of dates is drawn at least two pixels wide, since a
    five-day embargo in thirty years would vanish. Where every horizon has splits of its
    own, they follow one another, horizon by horizon.

    Parameters
    ----------
    splits : DataFrame of shape (n_rows, 1 + n_columns)
        The cv_splits table.

    Returns
    -------
    bytes
        A PNG picture, made to be shown 900 pixels wide.
    """
    from matplotlib.figure import Figure

    index = splits.index
    assert isinstance(index, pd.MultiIndex)
    dates = date_codes(index)
    columns = role_columns(splits)
    names = [f"{column.horizon or ''} {column.split_id}".strip() for column in columns]
    width = WIDTH_PX / 100
    height = min(1.15 + _BAR_INCHES * len(columns), _TALLEST_INCHES)
    figure = Figure(figsize=(width, height), dpi=_DPI, layout="constrained")
    axes = figure.add_subplot()
    seen: set[int] = set()
    for row, column in enumerate(columns):
        roles = _roles_by_date(column.roles(splits), dates.codes, len(dates.values))
        _draw_split(axes, row, roles)
        seen.update(np.unique(roles).tolist())
    _label_axes(axes, pd.DatetimeIndex(dates.values), names)
    _add_legend(axes, [role for role in COLOURS if role != Role.UNUSED or role in seen])
    picture = BytesIO()
    figure.savefig(picture, format="png", metadata={"Software": None})
    return picture.getvalue()


def _roles_by_date(
    roles: NDArray[np.int8], codes: NDArray[np.int64], n_dates: int
) -> NDArray[np.int8]:
    counts = np.bincount(codes * len(Role) + roles, minlength=n_dates * len(Role))
    most: NDArray[np.int8] = counts.reshape(n_dates, len(Role)).argmax(axis=1).astype(np.int8)
    return most


def _draw_split(axes: "Axes", row: int, roles: NDArray[np.int8]) -> None:
    """Draw the runs of equal role, widest kinds first so that thin ones stay on top."""
    edges = np.flatnonzero(np.diff(roles)) + 1
    starts = np.concatenate([[0], edges])
    stops = np.concatenate([edges, [len(roles)]])
    least = _MIN_RUN_PX * len(roles) / (WIDTH_PX * _PLOT_SHARE)
    for role, colour in COLOURS.items():
        chosen = roles[starts] == role
        spans = [
            (float(start), float(max(stop - start, least)))
            for start, stop in zip(starts[chosen], stops[chosen], strict=True)
        ]
        axes.broken_barh(spans, (row - 0.4, 0.8), facecolors=colour, linewidth=0)


def _label_axes(axes: "Axes", calendar: pd.DatetimeIndex, names: list[str]) -> None:
    axes.set_xlim(0, len(calendar))
    axes.set_ylim(len(names) - 0.5, -0.5)
    ticks, labels = _date_ticks(calendar)
    axes.set_xticks(ticks, labels)
    step = max(1, -(-len(names) // 40))
    axes.set_yticks(range(0, len(names), step), names[::step])
    axes.set_ylabel("split")
    axes.tick_params(length=3, labelsize=9)
    axes.tick_params(axis="y", length=0)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)


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
        Patch(facecolor=COLOURS[role], label=role.name.lower().replace("_", " ")) for role in shown
    ]
    axes.legend(
        handles=handles,
        loc="lower left",
        bbox_to_anchor=(0.0, 1.0),
        ncols=len(handles),
        frameon=False,
        fontsize=9,
        handlelength=1.2,
        columnspacing=1.5,
        borderaxespad=0.3,
    )
