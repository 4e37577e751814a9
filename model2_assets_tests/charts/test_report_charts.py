"""Charts that only reports have."""

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex
from matplotlib.dates import num2date
from scipy.stats import norm

from model2_assets.reports.canvas import ACCENT, ACCENT_2
from model2_assets.reports.score_charts import (
    draw_cumulative_spread,
    draw_estimates,
    draw_ic_histogram,
    draw_normal_quantiles,
    draw_period_means,
    draw_running_sums,
)
from model2_assets_tests.charts.axes import drawn, legend_texts, texts

DATES = pd.bdate_range("2024-01-01", periods=120, name="datetime")


def daily(values):
    return pd.Series(values, index=DATES[: len(values)], dtype=float)


def lines_of(axes):
    return {line.get_label(): line for line in axes.get_lines()}


def test_histogram_counts_every_date_once_beside_the_normal_curve_of_its_spread():
    values = daily(np.linspace(-0.5, 0.7, 100)).mask(lambda v: v > 0.69)
    axes = drawn(lambda axes: draw_ic_histogram(axes, values))
    known = values.dropna()
    counts, edges = np.histogram(known, bins=10)
    assert [patch.get_height() for patch in axes.patches] == counts.tolist()
    np.testing.assert_allclose([patch.get_x() for patch in axes.patches], edges[:-1])
    normal = lines_of(axes)["normal"]
    x, y = normal.get_data()
    width = edges[1] - edges[0]
    expected = norm(known.mean(), known.std(ddof=0)).pdf(x) * width * len(known)
    np.testing.assert_allclose(y, expected)
    assert f"mean {known.mean():+.4f}" in legend_texts(axes)


def test_histogram_of_a_constant_has_no_curve():
    axes = drawn(lambda axes: draw_ic_histogram(axes, daily([0.25, 0.25])))
    assert "normal" not in legend_texts(axes)
    assert sum(patch.get_height() for patch in axes.patches) == 2


def test_quantile_points_lie_beside_the_line_where_they_would_be_equal():
    points = pd.DataFrame({"normal": [-1.5, 0.0, 1.5], "value": [-2.0, 0.5, 1.0]})
    axes = drawn(lambda axes: draw_normal_quantiles(axes, points))
    np.testing.assert_allclose(axes.collections[0].get_offsets(), points.to_numpy())
    x, y = axes.get_lines()[0].get_data()
    assert list(x) == list(y)
    assert axes.get_xlim() == axes.get_ylim() == (-2.1, 2.1)


def test_cumulative_spread_is_a_line_within_its_range():
    books = pd.DataFrame({"mean": [1.0, 2000.0], "low": [0.0, -1.0], "high": [3.0, 4.0]})
    axes = drawn(lambda axes: draw_cumulative_spread(axes, books.set_axis(DATES[:2])))
    assert list(lines_of(axes)["mean"].get_ydata()) == [1.0, 2000.0]
    corners = axes.collections[0].get_paths()[0].vertices[:, 1]
    assert set(corners) == {0.0, -1.0, 3.0, 4.0}
    assert axes.yaxis.get_major_formatter()(-1500, 0) == "−1,500"


def test_running_sums_add_up_what_is_known_and_tell_series_apart():
    series = {"ridge": daily([1.0, np.nan, 2.0]), "xgboost": daily([-1.0, -1.0]), "none": daily([])}
    axes = drawn(lambda axes: draw_running_sums(axes, series, label="sums"))
    lines = lines_of(axes)
    assert list(lines["ridge"].get_ydata()) == [1, 3]
    assert list(lines["xgboost"].get_ydata()) == [-1, -2]
    assert [to_hex(lines[name].get_color()) for name in ("ridge", "xgboost")] == [ACCENT, ACCENT_2]
    assert legend_texts(axes) == ["ridge", "xgboost"]
    assert [f"{num2date(x):%Y-%m-%d}" for x in axes.get_xlim()] == ["2023-12-31", "2024-01-03"]


def test_more_series_than_colours_differ_by_their_dashes():
    series = {str(number): daily([1.0, 2.0]) for number in range(8)}
    axes = drawn(lambda axes: draw_running_sums(axes, series, label="sums"))
    looks = {
        (to_hex(line.get_color()), line.get_linestyle())
        for line in axes.get_lines()
        if line.get_label() in series
    }
    assert len(looks) == 8


def test_period_means_are_those_of_the_calendar():
    index = pd.bdate_range("2010-01-01", "2019-12-31")
    values = pd.Series(np.arange(len(index)) / len(index), index=index)
    axes = drawn(lambda axes: draw_period_means(axes, {"a": values}, label="share", percent=True))
    (line,) = axes.get_lines()
    np.testing.assert_allclose(line.get_ydata(), values.resample("MS").mean())
    assert legend_texts(axes) == ["a, monthly"]
    assert axes.yaxis.get_major_formatter()(0.25, 0) == "25%"


def test_estimates_have_two_errors_either_side_where_one_is_known():
    table = pd.DataFrame(
        {"mean": [0.02, -0.01, np.nan], "standard_error": [0.01, np.nan, np.nan]},
        index=["21d ridge", "21d xgboost", "63d ridge"],
    )
    axes = drawn(lambda axes: draw_estimates(axes, table, label="rank IC"))
    np.testing.assert_allclose(axes.collections[0].get_segments(), [[[0.0, 0.0], [0.04, 0.0]]])
    dots = axes.get_lines()[-1]
    np.testing.assert_allclose(dots.get_xdata(), table["mean"])
    assert [label.get_text() for label in axes.get_yticklabels()] == list(table.index)
    assert axes.get_ylim() == (2.5, -0.5)


@pytest.mark.parametrize(
    ("draw", "said"),
    [
        (lambda axes: draw_ic_histogram(axes, daily([np.nan])), "no rank IC"),
        (
            lambda axes: draw_normal_quantiles(axes, pd.DataFrame({"normal": [], "value": []})),
            "too few",
        ),
        (
            lambda axes: draw_cumulative_spread(
                axes, pd.DataFrame(0.0, index=DATES, columns=["mean", "low", "high"])
            ),
            "no quantiles",
        ),
        (lambda axes: draw_running_sums(axes, {"a": daily([])}, label="x"), "nothing to add up"),
        (lambda axes: draw_period_means(axes, {}, label="turnover"), "no turnover on any date"),
        (
            lambda axes: draw_estimates(
                axes, pd.DataFrame({"mean": [], "standard_error": []}), label="rank IC"
            ),
            "no rank IC",
        ),
    ],
)
def test_what_is_missing_is_said(draw, said):
    axes = drawn(draw)
    assert said in texts(axes)[0]
    assert not axes.axison
