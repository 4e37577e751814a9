"""Charts of scores."""

from collections.abc import Mapping
from itertools import cycle

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.dates import date2num
from numpy.typing import NDArray

from model2_assets.evaluation import METRICS, Calibration
from model2_assets.evaluation.distribution import Values, mean_by_period
from model2_assets.evaluation.metrics import number
from model2_assets.evaluation.scores import overall_scores, rank_ics
from model2_assets.reports.canvas import (
    ACCENT,
    ACCENT_2,
    DASHES,
    GOOD,
    GRID,
    INK,
    MUTED,
    boxes,
    dress,
    left_empty,
    mean_line,
    name_rows,
    right_axis,
    thinned,
    whole_numbers,
    zero_line,
)

RANK_IC = METRICS["rank_ic"]
DAILY_RANK_IC = f"daily {RANK_IC.heading}"
MEAN_DAILY_RANK_IC = f"mean {DAILY_RANK_IC}"
NO_RANK_IC = f"no {RANK_IC.heading} on any date"
NO_QUANTILES = "no quantiles: fewer than 10 names a date"


def draw_calibration(axes: Axes, found: Calibration) -> None:
    """Draw the mean label of every bin of predictions, with two standard errors either side.

    Points on the diagonal are right on average; the fitted line is through all rows.
    """
    bins = found.bins
    if left_empty(axes, bins.empty, "no predictions"):
        return
    x = bins["prediction"].to_numpy(dtype=np.float64)
    y = bins["label"].to_numpy(dtype=np.float64)
    axes.axhline(0, color=MUTED, linewidth=0.8)
    axes.axvline(0, color=MUTED, linewidth=0.8)
    _points(axes, x, y, bins["standard_error"], label="mean of a bin of rows ± 2 standard errors")
    # Lines without a say in the limits: those are the points'.
    limits = axes.get_xlim(), axes.get_ylim()
    reach = np.asarray(limits[0])
    axes.plot(reach, reach, color=INK, linewidth=1, linestyle=DASHES, label="as predicted")
    if np.isfinite(found.slope):
        middle = np.average(x, weights=bins["rows"]), np.average(y, weights=bins["rows"])
        line = middle[1] + found.slope * (reach - middle[0])
        axes.plot(reach, line, color=ACCENT_2, linewidth=1.5, label=_slope_text(found))
    axes.set_xlim(limits[0])
    axes.set_ylim(limits[1])
    axes.grid()
    dress(axes, x="mean prediction, bps", y="mean label, bps", grid="", legend=3)


def _points(axes: Axes, x: Values, y: Values, errors: pd.Series, label: str) -> None:
    """Draw points with two standard errors either side; without an error, a point alone."""
    reach = 2 * errors.fillna(0).to_numpy(dtype=np.float64)
    axes.errorbar(x, y, yerr=reach, fmt="o", color=ACCENT, elinewidth=1.5, capsize=3, label=label)


def _slope_text(found: Calibration) -> str:
    slope = f"slope {number(found.slope, '.2f')}"
    if not np.isfinite(found.slope_standard_error):
        return slope
    return f"{slope} ± {2 * found.slope_standard_error:.2f}"


def draw_cumulative_spread(axes: Axes, cumulative: pd.DataFrame) -> None:
    """Draw the mean of the books' sums, bps, and the range over them."""
    if left_empty(axes, not cumulative.to_numpy().any(), NO_QUANTILES):
        return
    few = thinned(cumulative)
    dates, low, high = few.index.to_numpy(), few["low"].to_numpy(), few["high"].to_numpy()
    label = "range over starting dates"
    axes.fill_between(dates, low, high, color=ACCENT, alpha=0.18, linewidth=0, label=label)
    axes.plot(dates, few["mean"].to_numpy(), color=ACCENT, linewidth=1.6, label="mean")
    zero_line(axes)
    whole_numbers(axes)
    dress(axes, y="sum of spreads, bps", dates=cumulative.index, legend=2)


def draw_estimates(axes: Axes, estimates: pd.DataFrame, *, label: str) -> None:
    """Draw a dot for every ``mean``, with two of its ``standard_error`` on either side.

    The index names them, the first on top. An estimate without an error is a dot alone.
    """
    mean = estimates["mean"].to_numpy(dtype=np.float64)
    error = estimates["standard_error"].to_numpy(dtype=np.float64)
    if left_empty(axes, not np.isfinite(mean).any(), f"no {label}"):
        return
    place = np.arange(len(mean))
    axes.axvline(0, color=MUTED, linewidth=0.8)
    known = np.isfinite(mean) & np.isfinite(error)
    reach = 2 * error[known]
    axes.hlines(place[known], mean[known] - reach, mean[known] + reach, color=ACCENT, linewidth=1.6)
    axes.plot(mean, place, "o", color=ACCENT, markersize=6, markeredgewidth=0)
    name_rows(axes, estimates.index.tolist())
    dress(axes, x=f"{label}, ± 2 standard errors", grid="x")


_MOST_DATED_FOLDS = 10


def draw_fold_rank_ic(axes: Axes, folds: pd.DataFrame) -> None:
    """Draw the mean daily rank IC of every fold, with two standard errors on either side.

    A band shows the mean of the folds and one standard deviation over folds around it.
    """
    means = folds["mean"].to_numpy(dtype=np.float64)
    known = np.isfinite(means)
    if left_empty(axes, not known.any(), f"no fold has a {RANK_IC.heading}"):
        return
    mean = float(means[known].mean())
    spread = float(means[known].std(ddof=1)) if known.sum() > 1 else 0.0
    axes.axhspan(mean - spread, mean + spread, color=ACCENT, alpha=0.12, linewidth=0)
    deviation = f"standard deviation {spread:.4f} (band)"
    mean_line(axes, mean, f"mean of folds {RANK_IC.text(mean)}, {deviation}")
    place = np.arange(len(folds))
    label = "mean of the fold ± 2 standard errors"
    _points(axes, place[known], means[known], folds["standard_error"][known], label)
    zero_line(axes)
    axes.set_xlim(-0.6, len(folds) - 0.4)
    axes.set_xticks(place, _names(folds))
    axes.tick_params(axis="x", length=0)
    dress(axes, x="fold", y=MEAN_DAILY_RANK_IC, legend=2)


def _names(folds: pd.DataFrame) -> list[str]:
    """Return the folds' names, with their dates where there is room."""
    if len(folds) > _MOST_DATED_FOLDS:
        return [str(fold) for fold in folds.index]
    dates = zip(folds.index, folds["first_date"], folds["last_date"], strict=True)
    return [f"{fold}\n{first:%Y-%m} – {last:%Y-%m}" for fold, first, last in dates]


def draw_ic_histogram(axes: Axes, rank_ic: pd.Series) -> None:
    """Draw how many dates have which daily rank IC, beside a normal curve of the same spread."""
    known = rank_ic.dropna().to_numpy(dtype=np.float64)
    if left_empty(axes, not len(known), NO_RANK_IC):
        return
    bins = min(50, max(8, round(len(known) ** 0.5)))
    counts, edges = np.histogram(known, bins=bins)
    width = float(edges[1] - edges[0])
    axes.bar(edges[:-1], counts, width=0.92 * width, align="edge", color=ACCENT, alpha=0.6)
    mean, deviation = float(known.mean()), float(known.std())
    if deviation > 0:
        grid = np.linspace(edges[0], edges[-1], 120)
        density = np.exp(-(((grid - mean) / deviation) ** 2) / 2) / np.sqrt(2 * np.pi) / deviation
        expected = density * width * len(known)
        axes.plot(grid, expected, color=MUTED, linewidth=1.2, label="normal")
    axes.axvline(0, color=MUTED, linewidth=0.8)
    label = f"mean {RANK_IC.text(mean)}"
    axes.axvline(mean, color=INK, linewidth=1, linestyle=DASHES, label=label)
    axes.margins(x=0.02)
    dress(axes, x=DAILY_RANK_IC, y="dates", legend=2)


def draw_normal_quantiles(axes: Axes, points: pd.DataFrame) -> None:
    """Draw ordered, standardized values against normal quantiles; on the line they are equal."""
    if left_empty(axes, points.empty, "too few different values"):
        return
    reach = 1.05 * float(np.abs(points.to_numpy()).max())
    axes.plot([-reach, reach], [-reach, reach], color=MUTED, linewidth=1)
    axes.scatter(points["normal"], points["value"], s=9, color=ACCENT, alpha=0.7, linewidths=0)
    axes.set_xlim(-reach, reach)
    axes.set_ylim(-reach, reach)
    dress(axes, x="normal quantile", y="value, standard deviations")


_COLOURS = (ACCENT, ACCENT_2, GOOD, MUTED)
_LINE_STYLES = [(colour, dashes) for dashes in ("-", (0, (4, 2))) for colour in _COLOURS]


def _lines(axes: Axes, lines: Mapping[str, pd.Series], width: float) -> None:
    """Draw series over dates, as many as there are `_LINE_STYLES` told apart."""
    for (name, values), (colour, dashes) in zip(lines.items(), cycle(_LINE_STYLES), strict=False):
        (line,) = axes.plot(values.index.to_numpy(), values.to_numpy(), label=name)
        line.set(linewidth=width, color=colour, linestyle=dashes)


def _known(series: Mapping[str, pd.Series]) -> dict[str, pd.Series]:
    return {name: known for name, values in series.items() if len(known := values.dropna())}


def draw_period_means(
    axes: Axes, series: Mapping[str, pd.Series], *, label: str, percent: bool = False
) -> None:
    """Draw daily values by name as lines of means over the calendar's periods."""
    known = _known(series)
    if left_empty(axes, not known, f"no {label} on any date"):
        return
    lines = {}
    for name, values in known.items():
        unit, means = mean_by_period(values)
        calendar = pd.PeriodIndex(means.index)
        middle = calendar.start_time + (calendar.end_time - calendar.start_time) / 2
        lines[f"{name}, {unit}"] = means.set_axis(middle)
    _lines(axes, lines, 1.4)
    if percent:
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    dress(axes, y=label, dates=max(known.values(), key=len).index, legend=3)


_LARGE = 10
"""Sums from which on ticks need no decimals."""


def draw_running_sums(axes: Axes, series: Mapping[str, pd.Series], *, label: str) -> None:
    """Draw the running sums of daily values by name; NaN add nothing."""
    known = _known(series)
    if left_empty(axes, not known, "nothing to add up on any date"):
        return
    _lines(axes, {name: thinned(values.cumsum()) for name, values in known.items()}, 1.5)
    zero_line(axes)
    if max(map(abs, axes.get_ylim())) >= _LARGE:
        whole_numbers(axes)
    ends = sorted(end for values in known.values() for end in values.index[[0, -1]])
    dress(axes, y=label, dates=ends, legend=4)


def draw_quantile_returns(axes: Axes, quantiles: pd.DataFrame) -> None:
    """Draw the mean label of every quantile as a bar, with two standard errors either side."""
    if left_empty(axes, quantiles.empty, NO_QUANTILES):
        return
    means = quantiles["mean"].to_numpy(dtype=np.float64)
    errors = quantiles["standard_error"].to_numpy(dtype=np.float64)
    place = np.arange(len(means))
    colours = [ACCENT if mean >= 0 else ACCENT_2 for mean in means]
    axes.bar(place, means, width=0.7, color=colours, alpha=0.85)
    known = np.isfinite(means) & np.isfinite(errors)
    reach = 2 * errors[known]
    axes.errorbar(
        place[known], means[known], yerr=reach, fmt="none", ecolor=INK, elinewidth=1, capsize=3
    )
    spread = METRICS["decile_spread_bps"]
    mean = float(np.mean(means))
    mean_line(axes, mean, f"mean of all {spread.text(mean)}")
    difference = f"{spread.text(float(means[-1] - means[0]))} {spread.unit}"
    axes.plot([], [], linestyle="none", label=f"highest less lowest {difference}")
    zero_line(axes)
    named = zip(quantiles.index, means, strict=True)
    axes.set_xticks(place, [f"{name}\n{spread.text(mean)}" for name, mean in named])
    axes.tick_params(axis="x", length=0)
    meaning = "quantile of the date's predictions, 1 is lowest; bar: ± 2 standard errors"
    dress(axes, x=meaning, y="mean label, bps", legend=2)


def draw_rank_ic(axes: Axes, rank_ic: pd.Series) -> None:
    """Draw the mean rank IC of every period as bars, and the running sum of all dates.

    The sum has its own axis on the right, whose zero is that of the bars.
    """
    known = rank_ic.dropna()
    if left_empty(axes, known.empty, NO_RANK_IC):
        return
    unit, of_periods = mean_by_period(known)
    name = "daily" if unit == "daily" else f"{unit} mean"
    means = of_periods.to_numpy()
    calendar = pd.PeriodIndex(of_periods.index)
    ends = date2num(calendar.start_time.to_numpy()), date2num(calendar.end_time.to_numpy())
    boxes(axes, ends, (0.0 * means, means), facecolors=ACCENT, alpha=0.6, label=name)
    mean = float(known.mean())
    mean_line(axes, mean, f"mean of all dates {RANK_IC.text(mean)}")
    zero_line(axes)
    right = right_axis(axes, f"sum of {DAILY_RANK_IC}s")
    total = thinned(known.cumsum())
    right.plot(total.index.to_numpy(), total.to_numpy(), color=ACCENT_2, linewidth=1.5)
    axes.plot([], [], color=ACCENT_2, linewidth=1.5, label="cumulative (right)")
    _align_zeros({axes: means, right: total.to_numpy()})
    dress(axes, y=f"{RANK_IC.heading}, {name}", dates=known.index, legend=3)


def _align_zeros(sides: Mapping[Axes, Values]) -> None:
    """Give axes limits that hold their values, with zero at the same height."""
    high = max(_share_above(values) for values in sides.values())
    low = max(_share_above(-values) for values in sides.values())
    for axes, values in sides.items():
        scale = 1.05 * float(np.abs(values).max()) or 1.0
        axes.set_ylim(-low * scale, high * scale)


def _share_above(values: Values) -> float:
    """Return how far values reach above zero, of their largest magnitude."""
    largest = float(np.abs(values).max())
    return max(float(values.max()), 0.0) / largest if largest else 1.0


_TALLEST_STACK = 0.36

_SCOPES = {"split": (2.0, MUTED), "path": (1.0, ACCENT), "all": (0.0, INK)}
"""Row and colour."""


def draw_score_distribution(axes: Axes, scores: pd.DataFrame) -> None:
    """Draw the mean rank IC of every split and path, and that of the mean of predictions.

    Each dot is one split, or one path; dots that would hide each other are stacked. The
    bottom row is the out-of-fold history, whose predictions are means over paths, with two
    standard errors on either side. Averaging removes noise of the models, so it tends to lie
    to the right of the paths: means flatter.
    """
    of_all = overall_scores(scores)
    dots = {scope: rank_ics(scores, scope).dropna().to_numpy() for scope in ("split", "path")}
    axes.axvline(0, color=GRID, linewidth=1, zorder=0)
    row, colour = _SCOPES["all"]
    overall = np.array([of_all["rank_ic"]])
    axes.plot(overall, np.full(len(overall), row), "D", color=colour, markersize=7)
    reach = overall[0] + 2 * of_all["rank_ic_se"] * np.array([-1.0, 1.0])
    if np.isfinite(reach).all():
        axes.plot(reach, [row, row], color=colour, linewidth=1.5)
    _set_limits(axes, np.concatenate([*dots.values(), overall, reach]))
    for scope, values in dots.items():
        _draw_dots(axes, values, scope)
    names = (f"{len(values)} {scope}s" for scope, values in dots.items())
    rows = [row for row, _ in _SCOPES.values()]
    axes.set_yticks(rows, [*names, "mean of predictions\n± 2 standard errors"])
    warning = "(bar below dots: median); validation, never a backtest"
    axes.set_xlabel(f"{MEAN_DAILY_RANK_IC} {warning}")
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)


def _set_limits(axes: Axes, values: NDArray[np.float64]) -> None:
    values = values[np.isfinite(values)]
    low, high = min(values.min(initial=0), 0.0), max(values.max(initial=0), 0.0)
    margin = 0.04 * (high - low) or 1.0
    axes.set_xlim(low - margin, high + margin)
    axes.set_ylim(-0.5, 2.6)


def _draw_dots(axes: Axes, values: Values, scope: str) -> None:
    """Draw a row of dots, stacked where they would touch, with their median."""
    if not len(values):
        return
    left, right = axes.get_xlim()
    values = np.sort(values)
    column = ((values - left) / (right - left) * 75).astype(np.int64)
    height = np.arange(len(values)) - np.searchsorted(column, column)
    step = min(0.13, _TALLEST_STACK / max(int(height.max()), 1))
    row, colour = _SCOPES[scope]
    axes.plot(values, row + height * step, "o", color=colour, markersize=6, alpha=0.8, mew=0)
    median = float(np.median(values))
    axes.plot([median, median], [row - 0.3, row - 0.12], color=colour, linewidth=2.5)
