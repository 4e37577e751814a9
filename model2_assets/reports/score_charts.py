"""Charts of scores."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from model2_assets.evaluation import Calibration, mean_by_period
from model2_assets.reports.canvas import (
    ACCENT,
    ACCENT_2,
    GRID,
    INK,
    LINE_STYLES,
    MUTED,
    date_axis,
    nothing_to_draw,
    signed,
    thinned,
    value_grid,
    whole_numbers,
    zero_line,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def draw_calibration(axes: "Axes", found: Calibration) -> None:
    """Draw the mean label of every bin of predictions, with two standard errors either side.

    Points on the diagonal are right on average; the fitted line is through all rows.

    Parameters
    ----------
    axes : Axes
        Empty axes.
    found : Calibration
        As `model2_assets.evaluation.calibration` returns it.
    """
    bins = found.bins
    if bins.empty:
        nothing_to_draw(axes, "no predictions")
        return
    x = bins["prediction"].to_numpy(dtype=np.float64)
    y = bins["label"].to_numpy(dtype=np.float64)
    errors = 2 * bins["standard_error"].fillna(0).to_numpy(dtype=np.float64)
    axes.axhline(0, color=MUTED, linewidth=0.8)
    axes.axvline(0, color=MUTED, linewidth=0.8)
    axes.errorbar(
        x,
        y,
        yerr=errors,
        fmt="o",
        color=ACCENT,
        ecolor=ACCENT,
        elinewidth=1.5,
        capsize=3,
        label="mean of a bin of rows ± 2 standard errors",
    )
    # Lines without a say in the limits: those are the points'.
    limits = axes.get_xlim(), axes.get_ylim()
    reach = np.asarray(limits[0])
    axes.plot(reach, reach, color=INK, linewidth=1, linestyle=(0, (4, 3)), label="as predicted")
    if np.isfinite(found.slope):
        middle = np.average(x, weights=bins["rows"]), np.average(y, weights=bins["rows"])
        line = middle[1] + found.slope * (reach - middle[0])
        axes.plot(reach, line, color=ACCENT_2, linewidth=1.5, label=_slope_text(found))
    axes.set_xlim(limits[0])
    axes.set_ylim(limits[1])
    axes.grid()
    axes.set_xlabel("mean prediction, bps")
    axes.set_ylabel("mean label, bps")
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=3, borderaxespad=0.2)


def _slope_text(found: Calibration) -> str:
    slope = f"{found.slope:.2f}".replace("-", "−")
    if not np.isfinite(found.slope_standard_error):
        return f"slope {slope}"
    return f"slope {slope} ± {2 * found.slope_standard_error:.2f}"


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


def draw_estimates(axes: "Axes", estimates: pd.DataFrame, label: str) -> None:
    """Draw a dot for every estimate, with two standard errors on either side.

    Parameters
    ----------
    axes : Axes
        Empty axes.
    estimates : DataFrame of shape (n_estimates, 2), float
        ``mean`` and ``standard_error``, indexed by the names to show, the first on top. An
        estimate without an error is a dot alone; one that is missing is left out.
    label : str
        What is estimated.
    """
    mean = estimates["mean"].to_numpy(dtype=np.float64)
    error = estimates["standard_error"].to_numpy(dtype=np.float64)
    if not np.isfinite(mean).any():
        nothing_to_draw(axes, f"no {label}")
        return
    place = np.arange(len(mean))
    axes.axvline(0, color=MUTED, linewidth=0.8)
    known = np.isfinite(mean) & np.isfinite(error)
    reach = 2 * error[known]
    axes.hlines(place[known], mean[known] - reach, mean[known] + reach, color=ACCENT, linewidth=1.6)
    axes.plot(mean, place, "o", color=ACCENT, markersize=6, markeredgewidth=0)
    axes.set_yticks(place, [str(name) for name in estimates.index])
    axes.set_ylim(len(mean) - 0.5, -0.5)
    axes.grid(axis="x")
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.set_xlabel(f"{label}, ± 2 standard errors")


_MOST_DATED_FOLDS = 10


def draw_fold_rank_ic(axes: "Axes", folds: pd.DataFrame) -> None:
    """Draw the mean daily rank IC of every fold, with two standard errors on either side.

    A band shows the mean of the folds and one standard deviation over folds around it.

    Parameters
    ----------
    axes : Axes
        Empty axes.
    folds : DataFrame of shape (n_folds, 5)
        As `model2_assets.evaluation.fold_rank_ic` returns it.
    """
    means = folds["mean"].to_numpy(dtype=np.float64)
    known = np.isfinite(means)
    if not known.any():
        nothing_to_draw(axes, "no fold has a rank IC")
        return
    place = np.arange(len(folds))
    _draw_spread(axes, means[known])
    errors = 2 * folds["standard_error"].fillna(0).to_numpy(dtype=np.float64)
    axes.errorbar(
        place[known],
        means[known],
        yerr=errors[known],
        fmt="o",
        color=ACCENT,
        ecolor=ACCENT,
        elinewidth=1.5,
        capsize=4,
        label="mean of the fold ± 2 standard errors",
    )
    zero_line(axes)
    value_grid(axes)
    axes.set_xlim(-0.6, len(folds) - 0.4)
    axes.set_xticks(place, _names(folds))
    axes.tick_params(axis="x", length=0)
    axes.set_xlabel("fold")
    axes.set_ylabel("mean daily rank IC")
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2, borderaxespad=0.2)


def _draw_spread(axes: "Axes", means: np.ndarray) -> None:
    mean = float(means.mean())
    spread = float(means.std(ddof=1)) if len(means) > 1 else 0.0
    axes.axhspan(mean - spread, mean + spread, color=ACCENT, alpha=0.12, linewidth=0)
    text = f"mean of folds {signed(mean, 4)}, standard deviation {spread:.4f} (band)"
    axes.axhline(mean, color=INK, linewidth=1, linestyle=(0, (4, 3)), label=text)


def _names(folds: pd.DataFrame) -> list[str]:
    """Return the folds' names, with their dates where there is room."""
    if len(folds) > _MOST_DATED_FOLDS:
        return [str(fold) for fold in folds.index]
    return [
        f"{fold}\n{first:%Y-%m} – {last:%Y-%m}"
        for fold, first, last in zip(
            folds.index, folds["first_date"], folds["last_date"], strict=True
        )
    ]


_FEWEST_BINS, _MOST_BINS = 8, 50


def draw_ic_histogram(axes: "Axes", rank_ic: pd.Series) -> None:
    """Draw how many dates have which rank IC, beside a normal curve of the same spread.

    Parameters
    ----------
    axes : Axes
        Empty axes.
    rank_ic : Series of shape (n_dates,), float
        Daily rank ICs; NaN are left out.
    """
    known = rank_ic.dropna().to_numpy(dtype=np.float64)
    if not len(known):
        nothing_to_draw(axes, "no rank IC on any date")
        return
    bins = min(_MOST_BINS, max(_FEWEST_BINS, round(len(known) ** 0.5)))
    counts, edges = np.histogram(known, bins=bins)
    width = float(edges[1] - edges[0])
    axes.bar(edges[:-1], counts, width=0.92 * width, align="edge", color=ACCENT, alpha=0.6)
    mean, deviation = float(known.mean()), float(known.std())
    if deviation > 0:
        from scipy.stats import norm

        grid = np.linspace(edges[0], edges[-1], 120)
        expected = norm.pdf(grid, mean, deviation) * width * len(known)
        axes.plot(grid, expected, color=MUTED, linewidth=1.2, label="normal")
    axes.axvline(0, color=MUTED, linewidth=0.8)
    axes.axvline(
        mean, color=INK, linewidth=1, linestyle=(0, (4, 3)), label=f"mean {signed(mean, 4)}"
    )
    value_grid(axes)
    axes.margins(x=0.02)
    axes.set_xlabel("daily rank IC")
    axes.set_ylabel("dates")
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2, borderaxespad=0.2)


def draw_normal_quantiles(axes: "Axes", points: pd.DataFrame) -> None:
    """Draw ordered, standardized values against normal quantiles; on the line they are equal.

    Parameters
    ----------
    axes : Axes
        Empty axes.
    points : DataFrame of shape (n_points, 2)
        As `model2_assets.evaluation.normal_quantiles` returns it.
    """
    if points.empty:
        nothing_to_draw(axes, "too few different values")
        return
    reach = 1.05 * float(np.abs(points.to_numpy()).max())
    axes.plot([-reach, reach], [-reach, reach], color=MUTED, linewidth=1)
    axes.scatter(points["normal"], points["value"], s=9, color=ACCENT, alpha=0.7, linewidths=0)
    axes.set_xlim(-reach, reach)
    axes.set_ylim(-reach, reach)
    value_grid(axes)
    axes.set_xlabel("normal quantile")
    axes.set_ylabel("value, standard deviations")


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


def draw_quantile_returns(axes: "Axes", quantiles: pd.DataFrame) -> None:
    """Draw the mean label of every quantile as a bar, with two standard errors either side.

    Parameters
    ----------
    axes : Axes
        Empty axes.
    quantiles : DataFrame of shape (n_quantiles, 2)
        As `model2_assets.evaluation.mean_quantile_returns` returns it: ``mean`` and
        ``standard_error``, bps, NaN where there is none; lowest predictions first.
    """
    if quantiles.empty:
        nothing_to_draw(axes, "no quantiles: fewer than 10 names a date")
        return
    means = quantiles["mean"].to_numpy(dtype=np.float64)
    errors = quantiles["standard_error"].to_numpy(dtype=np.float64)
    place = np.arange(len(means))
    colours = [ACCENT if mean >= 0 else ACCENT_2 for mean in means]
    axes.bar(place, means, width=0.7, color=colours, alpha=0.85)
    known = np.isfinite(means) & np.isfinite(errors)
    axes.errorbar(
        place[known],
        means[known],
        yerr=2 * errors[known],
        fmt="none",
        ecolor=INK,
        elinewidth=1,
        capsize=3,
    )
    _compare(axes, means)
    zero_line(axes)
    value_grid(axes)
    axes.set_xticks(
        place,
        [f"{name}\n{signed(mean, 1)}" for name, mean in zip(quantiles.index, means, strict=True)],
    )
    axes.tick_params(axis="x", length=0)
    axes.set_xlabel("quantile of the date's predictions, 1 is lowest; bar: ± 2 standard errors")
    axes.set_ylabel("mean label, bps")


def _compare(axes: "Axes", means: NDArray[np.float64]) -> None:
    """Draw the mean of the quantiles, and say how far apart the outer ones are."""
    mean = float(np.mean(means))
    dashes = (0, (4, 3))
    text = f"mean of all {signed(mean, 1)}"
    axes.axhline(mean, color=INK, linewidth=1, linestyle=dashes, label=text)
    spread = f"highest less lowest {signed(float(means[-1] - means[0]), 1)} bps"
    axes.plot([], [], linestyle="none", label=spread)
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2, borderaxespad=0.2)


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


_TALLEST_STACK = 0.36

_COLOURS = {"split": MUTED, "path": ACCENT, "all": INK}

_ROWS = {"split": 2.0, "path": 1.0, "all": 0.0}


def draw_score_distribution(axes: "Axes", scores: pd.DataFrame) -> None:
    """Draw the mean rank IC of every split and path, and that of the mean of predictions.

    Each dot is one split, or one path; dots that would hide each other are stacked. The
    bottom row is the out-of-fold history, whose predictions are means over paths, with two
    standard errors on either side. Averaging removes noise of the models, so it tends to lie
    to the right of the paths: means flatter.

    Parameters
    ----------
    axes : Axes
        Empty axes.
    scores : DataFrame of shape (n_scores, n_columns)
        Scores of one partition, with splits and paths.
    """
    rank_ic = scores[scores["metric"] == "rank_ic"]
    values = {
        scope: rank_ic.loc[rank_ic["scope"] == scope, "value"].dropna().to_numpy()
        for scope in _ROWS
    }
    axes.axvline(0, color=GRID, linewidth=1, zorder=0)
    reach = _draw_overall(axes, values["all"], _standard_error(scores))
    _set_limits(axes, np.concatenate([*values.values(), reach]))
    for scope in ("split", "path"):
        _draw_dots(axes, values[scope], scope)
    _label_axes(axes, values)


def _standard_error(scores: pd.DataFrame) -> float:
    found = scores[(scores["scope"] == "all") & (scores["metric"] == "rank_ic_se")]
    return float(found["value"].iloc[0])


def _draw_overall(axes: "Axes", overall: NDArray[np.float64], error: float) -> NDArray[np.float64]:
    """Draw the out-of-fold history and return what its error bar reaches."""
    row = _ROWS["all"]
    axes.plot(overall, np.full(len(overall), row), "D", color=_COLOURS["all"], markersize=7)
    if not len(overall) or not np.isfinite(error):
        return np.empty(0)
    reach: NDArray[np.float64] = overall[0] + 2 * error * np.array([-1.0, 1.0])
    axes.plot(reach, [row, row], color=_COLOURS["all"], linewidth=1.5)
    return reach


def _set_limits(axes: "Axes", values: NDArray[np.float64]) -> None:
    low, high = min(values.min(initial=0), 0.0), max(values.max(initial=0), 0.0)
    margin = 0.04 * (high - low) or 1.0
    axes.set_xlim(low - margin, high + margin)
    axes.set_ylim(-0.5, 2.6)


def _draw_dots(axes: "Axes", values: NDArray[np.float64], scope: str) -> None:
    """Draw a row of dots, stacked where they would touch, with their median."""
    if not len(values):
        return
    left, right = axes.get_xlim()
    values = np.sort(values)
    column = ((values - left) / (right - left) * 75).astype(np.int64)
    first = np.searchsorted(column, column)
    height = np.arange(len(values)) - first
    step = min(0.13, _TALLEST_STACK / max(int(height.max()), 1))
    row, colour = _ROWS[scope], _COLOURS[scope]
    axes.plot(values, row + height * step, "o", color=colour, markersize=6, alpha=0.8, mew=0)
    median = float(np.median(values))
    axes.plot([median, median], [row - 0.3, row - 0.12], color=colour, linewidth=2.5)


def _label_axes(axes: "Axes", values: dict[str, NDArray[np.float64]]) -> None:
    axes.set_yticks(
        [_ROWS["split"], _ROWS["path"], _ROWS["all"]],
        [
            f"{len(values['split'])} splits",
            f"{len(values['path'])} paths",
            "mean of predictions\n± 2 standard errors",
        ],
    )
    axes.set_xlabel("mean daily rank IC (bar below dots: median); validation, never a backtest")
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
