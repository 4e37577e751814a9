"""Charts of scores."""

from collections.abc import Mapping
from itertools import cycle

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.dates import date2num
from numpy.typing import ArrayLike
from scipy.special import ndtr, ndtri

from model2_assets.evaluation import METRICS, Calibration
from model2_assets.evaluation.ic import Values
from model2_assets.evaluation.metrics import number
from model2_assets.evaluation.scores import overall_scores, rank_ics
from model2_assets.evaluation.stability import finite
from model2_assets.reports.canvas import (
    ACCENT,
    ACCENT_2,
    GOOD,
    INK,
    MEAN,
    MUTED,
    boxes,
    dress,
    left_empty,
    name_rows,
    right_axis,
    thinned,
    whole_numbers,
    zero_lines,
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
    x, y = bins["prediction"], bins["label"]
    zero_lines(axes, "xy")
    _points(axes, x, y, bins["standard_error"], "mean of a bin of rows ± 2 standard errors")
    # Lines without a say in the limits: those are the points'.
    limits = axes.get_xlim(), axes.get_ylim()
    reach = np.asarray(limits[0])
    axes.plot(reach, reach, **MEAN, label="as predicted")
    if np.isfinite(found.slope):
        middle = np.average(x, weights=bins["rows"]), np.average(y, weights=bins["rows"])
        line = middle[1] + found.slope * (reach - middle[0])
        axes.plot(reach, line, color=ACCENT_2, linewidth=1.5, label=_slope_text(found))
    axes.set_xlim(limits[0])
    axes.set_ylim(limits[1])
    axes.grid()
    dress(axes, x="mean prediction, bps", y="mean label, bps", grid="", legend=3)


def _points(axes: Axes, x: ArrayLike, y: pd.Series, errors: pd.Series, label: str) -> None:
    """Draw points with two standard errors either side; without an error, a point alone."""
    axes.errorbar(x, y, 2 * errors, fmt="o", color=ACCENT, elinewidth=1.5, capsize=3, label=label)


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
    label = "range over starting dates"
    axes.fill_between(
        few.index, few["low"], few["high"], color=ACCENT, alpha=0.18, linewidth=0, label=label
    )
    axes.plot(few["mean"], color=ACCENT, linewidth=1.6, label="mean")
    zero_lines(axes)
    whole_numbers(axes)
    dress(axes, y="sum of spreads, bps", dates=cumulative.index, legend=2)


def draw_estimates(axes: Axes, estimates: pd.DataFrame, *, label: str) -> None:
    """Draw a dot for every ``mean``, with two of its ``standard_error`` on either side.

    The index names them, the first on top. An estimate without an error is a dot alone.
    """
    mean, reach = estimates["mean"], 2 * estimates["standard_error"]
    if left_empty(axes, bool(mean.isna().all()), f"no {label}"):
        return
    place = np.arange(len(mean))
    zero_lines(axes, "x")
    axes.errorbar(mean, place, xerr=reach, fmt="o", color=ACCENT, elinewidth=1.6, mew=0)
    name_rows(axes, mean.index.tolist())
    dress(axes, x=f"{label}, ± 2 standard errors", grid="x")


_MOST_DATED_FOLDS = 10


def draw_fold_rank_ic(axes: Axes, folds: pd.DataFrame) -> None:
    """Draw the mean daily rank IC of every fold, with two standard errors on either side.

    A band shows the mean of the folds and one standard deviation over folds around it.
    """
    means = folds["mean"]
    if left_empty(axes, bool(means.isna().all()), f"no fold has a {RANK_IC.heading}"):
        return
    mean = float(means.mean())
    spread = float(means.std()) if means.count() > 1 else 0.0
    axes.axhspan(mean - spread, mean + spread, color=ACCENT, alpha=0.12, linewidth=0)
    deviation = f"standard deviation {spread:.4f} (band)"
    axes.axhline(mean, **MEAN, label=f"mean of folds {RANK_IC.text(mean)}, {deviation}")
    place = np.arange(len(folds))
    _points(axes, place, means, folds["standard_error"], "mean of the fold ± 2 standard errors")
    zero_lines(axes)
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
    known = finite(rank_ic)
    if left_empty(axes, not len(known), NO_RANK_IC):
        return
    bins = min(50, max(8, round(len(known) ** 0.5)))
    _, edges, _ = axes.hist(known, bins, rwidth=0.92, color=ACCENT, alpha=0.6)
    mean, deviation = float(known.mean()), float(known.std())
    if deviation > 0:
        grid = np.linspace(edges[0], edges[-1], 120)
        density = np.exp(-(((grid - mean) / deviation) ** 2) / 2) / np.sqrt(2 * np.pi) / deviation
        expected = density * (edges[1] - edges[0]) * len(known)
        axes.plot(grid, expected, color=MUTED, linewidth=1.2, label="normal")
    zero_lines(axes, "x")
    axes.axvline(mean, **MEAN, label=f"mean {RANK_IC.text(mean)}")
    axes.margins(x=0.02)
    dress(axes, x=DAILY_RANK_IC, y="dates", legend=2)


def draw_normal_quantiles(axes: Axes, values: ArrayLike) -> None:
    """Draw ordered, standardized values against normal quantiles; on the line they are equal."""
    points = normal_quantiles(values)
    if left_empty(axes, points.empty, "too few different values"):
        return
    reach = 1.05 * float(np.abs(points.to_numpy()).max())
    axes.plot([-reach, reach], [-reach, reach], color=MUTED, linewidth=1)
    axes.scatter(points["normal"], points["value"], s=9, color=ACCENT, alpha=0.7, linewidths=0)
    axes.set_xlim(-reach, reach)
    axes.set_ylim(-reach, reach)
    dress(axes, x="normal quantile", y="value, standard deviations")


def normal_quantiles(values: ArrayLike, *, most_points: int = 200) -> pd.DataFrame:
    """Return ordered values, standardized, beside the normal quantiles of their ranks.

    Thinned to the points nearest to an even grid of normal quantiles, so that both tails stay
    whole. Empty without at least two different values.
    """
    known = np.sort(finite(values))
    n = len(known)
    if n < 2 or known[0] == known[-1]:
        return pd.DataFrame({"normal": [], "value": []}, dtype="float64")
    grid = np.linspace(ndtri(0.5 / n), ndtri(1 - 0.5 / n), most_points)
    place = np.unique(np.round(n * ndtr(grid) - 0.5).astype(np.int64))
    value = (known[place] - known.mean()) / known.std(ddof=1)
    return pd.DataFrame({"normal": ndtri((place + 0.5) / n), "value": value})


_UNITS = {"daily": "D", "weekly": "W", "monthly": "M", "quarterly": "Q", "annual": "Y"}


def mean_by_period(values: pd.Series, *, most: int = 150) -> tuple[str, pd.Series]:
    """Return the mean of daily values over the shortest periods that are few enough, and these.

    There is at least one value. Years are as long as it gets; periods without a value are left
    out. A picture 900 pixels wide shows each of 150.
    """
    dates = pd.DatetimeIndex(values.index)
    ends = {unit: dates[[0, -1]].to_period(frequency) for unit, frequency in _UNITS.items()}
    few = (unit for unit, of in ends.items() if (of[-1] - of[0]).n < most)
    unit = next(few, "annual")
    return unit, values.groupby(dates.to_period(_UNITS[unit])).mean()


def monthly_means(daily: pd.Series) -> pd.DataFrame:
    """Return the mean of daily values in every month, years by months; NaN without a value."""
    means = daily.dropna().resample("MS").mean()
    dates = pd.DatetimeIndex(means.index)
    wide = pd.DataFrame({"year": dates.year, "month": dates.month, "mean": means.to_numpy()})
    wide = wide.pivot_table("mean", "year", "month", dropna=False)
    return wide.reindex(columns=range(1, 13))


_COLOURS = (ACCENT, ACCENT_2, GOOD, MUTED)
_LINE_STYLES = [(colour, dashes) for dashes in ("-", (0, (4, 2))) for colour in _COLOURS]


def _lines(axes: Axes, lines: Mapping[str, pd.Series], width: float) -> None:
    """Draw series over dates, as many as there are `_LINE_STYLES` told apart."""
    for (name, values), (colour, dashes) in zip(lines.items(), cycle(_LINE_STYLES), strict=False):
        axes.plot(values, label=name, linewidth=width, color=colour, linestyle=dashes)


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
    zero_lines(axes)
    if max(map(abs, axes.get_ylim())) >= _LARGE:
        whole_numbers(axes)
    ends = sorted(end for values in known.values() for end in values.index[[0, -1]])
    dress(axes, y=label, dates=ends, legend=4)


def draw_quantile_returns(axes: Axes, quantiles: pd.DataFrame) -> None:
    """Draw the mean realized return of every quantile, with two standard errors either side."""
    if left_empty(axes, quantiles.empty, NO_QUANTILES):
        return
    means, spread = quantiles["mean"], METRICS["decile_spread_bps"]
    place = np.arange(len(means))
    colours = [ACCENT if mean >= 0 else ACCENT_2 for mean in means]
    axes.bar(place, means, width=0.7, color=colours, alpha=0.85)
    reach = 2 * quantiles["standard_error"]
    axes.errorbar(place, means, reach, fmt="none", ecolor=INK, elinewidth=1, capsize=3)
    mean = float(means.mean(skipna=False))
    axes.axhline(mean, **MEAN, label=f"mean of all {spread.text(mean)}")
    difference = f"{spread.text(means.iloc[-1] - means.iloc[0])} {spread.unit}"
    axes.plot([], [], linestyle="none", label=f"highest less lowest {difference}")
    zero_lines(axes)
    axes.set_xticks(place, [f"{name}\n{spread.text(mean)}" for name, mean in means.items()])
    axes.tick_params(axis="x", length=0)
    meaning = "quantile of the date's predictions, 1 is lowest; bar: ± 2 standard errors"
    dress(axes, x=meaning, y="mean realized return, bps", legend=2)


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
    axes.axhline(mean, **MEAN, label=f"mean of all dates {RANK_IC.text(mean)}")
    zero_lines(axes)
    right = right_axis(axes, f"sum of {DAILY_RANK_IC}s")
    total = thinned(known.cumsum())
    right.plot(total, color=ACCENT_2, linewidth=1.5)
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


def draw_score_distribution(axes: Axes, scores: pd.DataFrame) -> None:
    """Draw the mean rank IC of every split and path, and that of the mean of predictions.

    Each stroke is one split, or one path; the triangle below is their median. The bottom row is
    the out-of-fold history, whose predictions are means over paths, with two standard errors on
    either side. Averaging removes noise of the models, so it tends to lie to the right of the
    paths: means flatter.
    """
    of_all = overall_scores(scores)
    zero_lines(axes, "x")
    reach = 2 * of_all["rank_ic_se"]
    axes.errorbar(of_all["rank_ic"], 0, xerr=reach, fmt="D", color=INK, elinewidth=1.5, ms=7)
    names = ["mean of predictions\n± 2 standard errors"]
    for row, scope, colour in ((1, "path", ACCENT), (2, "split", MUTED)):
        values = rank_ics(scores, scope).dropna()
        axes.plot(values, np.full(len(values), row), "|", color=colour, ms=22, mew=1.5, alpha=0.8)
        axes.plot(values.median(), row - 0.36, "^", color=colour, ms=6)
        names.append(f"{len(values)} {scope}s")
    axes.margins(x=0.04)
    axes.set_ylim(-0.5, 2.6)
    name = f"{MEAN_DAILY_RANK_IC} (triangle: median); validation, never a backtest"
    dress(axes, x=name, grid="")
    axes.set_yticks(range(3), names)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
