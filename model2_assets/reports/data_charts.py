"""Charts of inputs, predictions and importances."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import to_rgba_array
from matplotlib.dates import date2num
from matplotlib.ticker import EngFormatter, MaxNLocator, NullLocator
from numpy.typing import ArrayLike, NDArray

from model2_assets.cross_validation import Role
from model2_assets.cross_validation.roles import role_columns
from model2_assets.evaluation.ic import Values
from model2_assets.evaluation.metrics import METRICS, number
from model2_assets.evaluation.stability import feature_coverage, finite
from model2_assets.panel import date_codes
from model2_assets.reports.canvas import (
    ACCENT,
    ACCENT_2,
    BAD,
    BAND,
    CAUTION,
    FAINT,
    INK,
    MEAN,
    MUTED,
    WIDTH_PX,
    boxes,
    dress,
    left_empty,
    name_rows,
    png,
    right_axis,
    whole_numbers,
    zero_lines,
)

Gallery = dict[str, bytes]
"""Pictures of an asset, PNG by title, 900 pixels wide."""


def label_pictures(labels: pd.DataFrame, horizons: Sequence[str]) -> Gallery:
    """Return the distribution of every horizon's label."""
    return {
        f"Distribution of the {horizon} label": png(
            draw_label_distribution, labels[f"label_{horizon}"]
        )
        for horizon in horizons
    }


def feature_pictures(features: pd.DataFrame, universe: pd.MultiIndex) -> Gallery:
    """Return how complete the features of the universe's members are over time."""
    coverage = feature_coverage(features, universe)
    return {"Feature coverage over time": png(draw_feature_coverage, coverage)}


def split_pictures(splits: pd.DataFrame) -> Gallery:
    """Return what every date does in every split, in a height that suits their number."""
    height_px = min(115 + BAR_PX * len(role_columns(splits)), _TALLEST_PX)
    return {"Fold timeline": png(draw_fold_timeline, splits, height_px=height_px)}


def draw_feature_coverage(axes: Axes, coverage: pd.DataFrame) -> None:
    """Draw the share of names with features and of features with values, date by date.

    The number of names stands behind them, on an axis of its own on the right.
    """
    if left_empty(axes, coverage.empty, "no dates"):
        return
    dates, names = coverage.index, coverage["names"]
    right = right_axis(axes, "names")
    right.fill_between(dates, 0, names, color=BAND, alpha=0.45, step="post")
    right.set_ylim(0, 1.15 * int(names.max()))
    right.yaxis.set_major_locator(MaxNLocator("auto", integer=True))
    axes.set_zorder(right.get_zorder() + 1)
    for column, colour, text in (
        ("with_features", ACCENT, "names with features"),
        ("values", ACCENT_2, "their values that are there"),
    ):
        shares = 100 * coverage[column]
        mean = f", mean {shares.mean():.2f}%" if shares.notna().any() else ""
        axes.plot(shares, color=colour, linewidth=1.5, label=text + mean)
    axes.fill_between([], [], color=BAND, alpha=0.45, label="names (right)")
    axes.axhline(100, color=MUTED, linewidth=0.8)
    axes.set_ylim(0, 105)
    dress(axes, y="share, %", dates=dates, legend=3)


BAR_PX = 22
_TALLEST_PX = 1000
_MIN_RUN_PX = 2.0
_PLOT_SHARE = 0.88
"""Of the width of a picture."""

ROLE_COLOURS = {
    Role.TRAIN: BAND,
    Role.TEST: ACCENT,
    Role.PURGED_BEFORE: CAUTION,
    Role.PURGED_AFTER: ACCENT_2,
    Role.EMBARGOED: INK,
    Role.UNUSED: FAINT,
}
"""Told apart by lightness alone as well."""


def draw_fold_timeline(axes: Axes, splits: pd.DataFrame) -> None:
    """Draw what every date does in every split, in the colour of most of its rows.

    A run of dates reaches to the next one, and is drawn at least two pixels wide, since a five-day
    embargo in thirty years would vanish. Splits that every horizon has of its own follow one
    another, horizon by horizon.
    """
    index = splits.index
    dates = date_codes(index)
    columns = role_columns(splits)
    calendar = pd.DatetimeIndex(dates.values)
    roles = np.array(
        [
            most_frequent_roles(column.roles(splits), dates.codes, len(calendar))
            for column in columns
        ]
    )
    _draw_runs(axes, roles, date2num(calendar.to_numpy()))
    names = [f"{column.horizon or ''} {column.split_id}".strip() for column in columns]
    name_rows(axes, names)
    dress(axes, y="split", grid="", legend=len(ROLE_COLOURS), dates=calendar)


def most_frequent_roles(
    roles: NDArray[np.int8], codes: NDArray[np.int64], n_dates: int
) -> NDArray[np.int8]:
    """Return the role of most rows of every date; of equally many, that of smallest number."""
    counts = np.bincount(codes * len(Role) + roles, minlength=n_dates * len(Role))
    most: NDArray[np.int8] = counts.reshape(n_dates, len(Role)).argmax(axis=1).astype(np.int8)
    return most


def _draw_runs(axes: Axes, roles: NDArray[np.int8], dates: Values) -> None:
    """Draw the runs of equal role, widest kinds first so that thin ones stay on top."""
    first = np.ones((len(roles), 1), dtype=bool)
    split, start = np.nonzero(np.hstack([first, roles[:, 1:] != roles[:, :-1]]))
    edges = np.append(dates, dates[-1] + 1)
    last = np.append(split[1:] != split[:-1], True)
    stop = np.where(last, len(dates), np.append(start[1:], 0))
    least = _MIN_RUN_PX * (edges[-1] - edges[0]) / (WIDTH_PX * _PLOT_SHARE)
    left = edges[start]
    right = np.maximum(edges[stop], left + least)
    for role, colour in ROLE_COLOURS.items():
        chosen = roles[split, start] == role
        if role != Role.UNUSED or chosen.any():
            x, y, name = (left[chosen], right[chosen]), split[chosen], role.name.lower()
            boxes(axes, x, (y - 0.4, y + 0.4), facecolors=colour, label=name.replace("_", " "))


_STRONGEST = 0.75
_MOST_CELLS_WITH_TEXT = 400


def draw_heatmap(
    axes: Axes,
    matrix: pd.DataFrame,
    *,
    limit: float | None = None,
    text: str | None = ".2f",
    title: str = "",
) -> None:
    """Draw a matrix: positive cells in one hue, negative in another, stronger when larger.

    From `limit` on (without it, the largest of the matrix) the shade stays. `text` is the format
    of the values in the cells; None, or more than 400 cells, for none. NaN cells have a dash.
    Names of the index and of the columns label the axes.
    """
    if left_empty(axes, matrix.empty, "nothing to compare"):
        return
    values = matrix.to_numpy(dtype=np.float64)
    top = limit or float(np.nanmax(np.abs(values), initial=0.0)) or 1.0
    written = text if values.size <= _MOST_CELLS_WITH_TEXT else None
    n_rows, n_columns = matrix.shape
    row, column = (place.ravel() for place in np.indices(matrix.shape, np.float64))
    shades = _STRONGEST * np.minimum(np.nan_to_num(np.abs(values)) / top, 1.0).ravel()
    colours = to_rgba_array(np.where(values > 0, ACCENT, ACCENT_2).ravel(), shades)
    boxes(axes, (column, column + 1), (row, row + 1), facecolors=colours)
    for place, value in np.ndenumerate(values if written is not None else np.empty((0, 0))):
        text_colour = MUTED if np.isnan(value) else INK
        _write(axes, (place[1], place[0] + 0.5), number(value, str(written)), text_colour)
    axes.set_xlim(0, n_columns)
    axes.set_ylim(n_rows, 0)
    axes.set_xticks(np.arange(n_columns) + 0.5, [str(name) for name in matrix.columns])
    axes.set_yticks(np.arange(n_rows) + 0.5, [str(name) for name in matrix.index])
    axes.tick_params(length=0)
    axes.set_title(title)
    axes.spines[:].set_visible(False)
    dress(axes, x=str(matrix.columns.name or ""), y=str(matrix.index.name or ""), grid="")


def _write(
    axes: Axes, cell: tuple[float, float], text: str, colour: str, size: str | None = None
) -> None:
    """Write in the middle of a cell's width, at a height."""
    middle: Any = {"ha": "center", "va": "center", "color": colour, "fontsize": size}
    # It is inside of the axes, so their place need not be worked out from it.
    axes.text(cell[0] + 0.5, cell[1], text, **middle).set_in_layout(False)


STRONGEST_RANK_IC = 0.05
"""Rank IC of the strongest shade. Daily panels give 0.01 to 0.05; a scale that followed the
largest value would make noise look as strong as a signal, and no two nights comparable."""


def draw_rank_ic_heatmap(axes: Axes, rank_ic: pd.DataFrame, t_statistic: pd.DataFrame) -> None:
    """Draw the rank IC of every model and horizon, its t-statistic below where it is known."""
    metric, t = METRICS["rank_ic"], METRICS["rank_ic_t"]
    title = f"Mean {metric.heading}"
    draw_heatmap(axes, rank_ic, limit=STRONGEST_RANK_IC, text=metric.spec, title=title)
    for (row, column), value in np.ndenumerate(t_statistic.to_numpy(dtype=np.float64)):
        if np.isfinite(value):
            _write(axes, (column, row + 0.8), f"{t.heading} {number(value, '+.1f')}", INK, "small")


IMPORTANCE_LABELS = {
    "gain": "gain, bps²",
    "coefficient": "coefficient, bps per standard deviation of the feature",
    "weight": "splits of the trees that use the feature",
}
"""Kinds of importance with their units."""

_LARGE = 1e4
"""Values from which on ticks are written in thousands or millions."""


def draw_importances(axes: Axes, by_fold: pd.DataFrame, *, kind: str) -> None:
    """Draw importances by feature and fold model, the first feature on top.

    Bars are means, dots the folds, whiskers one standard deviation over folds.
    """
    if left_empty(axes, by_fold.empty, "no importances"):
        return
    values = by_fold.to_numpy(dtype=np.float64)
    n_features, n_folds = values.shape
    means = values.mean(axis=1)
    place = np.arange(n_features)
    colours = [ACCENT if mean >= 0 else ACCENT_2 for mean in means]
    axes.barh(place, means, height=0.7, color=colours, alpha=0.55)
    if n_folds > 1:
        spread = values.std(axis=1, ddof=1)
        axes.errorbar(means, place, xerr=spread, fmt="none", ecolor=INK, elinewidth=1, capsize=2)
        axes.plot(values.ravel(), np.repeat(place, n_folds), "o", color=MUTED, ms=3, alpha=0.7)
    zero_lines(axes, "x")
    name_rows(axes, by_fold.index.tolist())
    if np.abs(values).max() >= _LARGE:
        axes.xaxis.set_major_formatter(EngFormatter(sep="\N{THIN SPACE}"))
    shown = f"mean, ± standard deviation, and values of {n_folds} models"
    dress(axes, x=f"{IMPORTANCE_LABELS[kind]}:\n{shown}", grid="x")


def draw_label_distribution(axes: Axes, label: ArrayLike) -> None:
    """Draw the share of labels (bps) by size, with their 5%, 50% and 95% quantiles.

    The largest 0.1% are counted beside the picture rather than drawn.
    """
    values = finite(label)
    if left_empty(axes, not len(values), "no labels"):
        return
    reach = float(np.quantile(np.abs(values), 0.999)) or 1.0
    counts, edges = np.histogram(values, bins=100, range=(-reach, reach))
    axes.stairs(100 * counts / len(values), edges, color=ACCENT, fill=True, alpha=0.7)
    for share in (5, 50, 95):
        quantile = float(np.percentile(values, share))
        axes.axvline(quantile, **MEAN)
        _name_line(axes, quantile, f"{share}%: {number(quantile, '+,.0f')}", (4, "left"))
    axes.set_ylim(top=1.15 * axes.get_ylim()[1])
    n_beyond = len(values) - counts.sum()
    beyond = f"; {n_beyond:,} lie beyond" if n_beyond else ""
    counted = f"{len(values):,} labels, standard deviation {values.std():,.0f} bps{beyond}"
    _dress_bins(axes, edges, x=f"label, bps: {counted}", y="share of labels in {} bps, %")


def draw_prediction_distribution(axes: Axes, prediction: ArrayLike, *, limit_bps: float) -> None:
    """Draw the number of predictions by size on a logarithmic scale, and both limits, bps."""
    values = finite(prediction)
    if left_empty(axes, not len(values), "no predictions"):
        return
    largest = float(np.abs(values).max())
    reach = 1.1 * max(limit_bps, largest)
    counts, edges = np.histogram(values, bins=200, range=(-reach, reach))
    axes.stairs(counts, edges, color=ACCENT, fill=True, alpha=0.7)
    axes.set_yscale("log")
    axes.set_ylim(0.7, 3.0 * counts.max())
    axes.yaxis.set_minor_locator(NullLocator())
    whole_numbers(axes)
    for side, name_at in ((-limit_bps, (4, "left")), (limit_bps, (-4, "right"))):
        axes.axvline(side, color=BAD, linewidth=1.5)
        _name_line(axes, side, f"limit {number(side, '+,.0f')}", name_at)
    low, high, mean = (number(v, "+,.0f") for v in (values.min(), values.max(), values.mean()))
    spread = (
        f"standard deviation {values.std():,.1f}; at most {largest / limit_bps:.0%} of the limit"
    )
    sizes = f"smallest {low}, largest {high}, mean {mean}, {spread}"
    _dress_bins(axes, edges, x=f"prediction, bps: {sizes}", y="predictions in {} bps")


def _dress_bins(axes: Axes, edges: Values, *, x: str, y: str) -> None:
    """Name the axes of a histogram, `y` with the width of its bins, and mark zero."""
    zero_lines(axes, "x")
    axes.set_xlim(edges[0], edges[-1])
    dress(axes, x=x, y=y.format(f"{edges[1] - edges[0]:.3g}"))


def _name_line(axes: Axes, place: float, text: str, at: tuple[int, str]) -> None:
    """Write at the top of a vertical line, beside it."""
    offset, align = at
    top: Any = {"xycoords": ("data", "axes fraction"), "textcoords": "offset points", "va": "top"}
    axes.annotate(text, (place, 1), xytext=(offset, -3), ha=align, color=INK, **top)
