from statistics import NormalDist, mean, stdev

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.colors import to_hex
from matplotlib.dates import num2date
from scipy.stats import norm

from model2_assets.config.partition import Partition
from model2_assets.evaluation import Calibration
from model2_assets.evaluation.scores import has_several_paths, score_partition
from model2_assets.reports.canvas import ACCENT, ACCENT_2
from model2_assets.reports.score_charts import (
    draw_calibration,
    draw_cumulative_spread,
    draw_estimates,
    draw_fold_rank_ic,
    draw_ic_histogram,
    draw_normal_quantiles,
    draw_period_means,
    draw_quantile_returns,
    draw_rank_ic,
    draw_running_sums,
    draw_score_distribution,
    mean_by_period,
    monthly_means,
    normal_quantiles,
)
from model2_assets_tests.evaluation.paths_example import example, stored
from model2_assets_tests.reports.axes import drawn, legend_texts, texts

DATES = pd.bdate_range("2024-01-01", periods=120, name="datetime")


def daily(values):
    return pd.Series(values, index=DATES[: len(values)], dtype=float)


def lines_of(axes):
    return {line.get_label(): line for line in axes.get_lines()}


def segments_of(container):
    """Return the error bars that are drawn: those with an error."""
    (bars,) = container[2]
    segments = [np.ma.filled(segment, np.nan) for segment in bars.get_segments()]
    return [segment for segment in segments if segment.size and np.isfinite(segment).all()]


def test_histogram_counts_every_date_once_beside_the_normal_curve_of_its_spread():
    values = daily(np.linspace(-0.5, 0.7, 100)).mask(lambda v: v > 0.69)
    axes = drawn(lambda axes: draw_ic_histogram(axes, values))
    known = values.dropna()
    counts, edges = np.histogram(known, bins=10)
    assert [patch.get_height() for patch in axes.patches] == counts.tolist()
    middles = [patch.get_x() + patch.get_width() / 2 for patch in axes.patches]
    np.testing.assert_allclose(middles, (edges[:-1] + edges[1:]) / 2)
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
    values = [-2.0, 0.5, 1.0]
    points = normal_quantiles(values)
    axes = drawn(lambda axes: draw_normal_quantiles(axes, values))
    np.testing.assert_allclose(axes.collections[0].get_offsets(), points.to_numpy())
    x, y = axes.get_lines()[0].get_data()
    assert list(x) == list(y)
    reach = 1.05 * points.abs().max(axis=None)
    assert axes.get_xlim() == axes.get_ylim() == (-reach, reach)


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
    (points,) = axes.containers
    np.testing.assert_allclose(segments_of(points), [[[0.0, 0.0], [0.04, 0.0]]])
    np.testing.assert_allclose(points[0].get_xdata().astype(float), table["mean"])
    assert [label.get_text() for label in axes.get_yticklabels()] == list(table.index)
    assert axes.get_ylim() == (2.5, -0.5)


@pytest.mark.parametrize(
    ("draw", "said"),
    [
        (lambda axes: draw_ic_histogram(axes, daily([np.nan])), "no rank IC"),
        (
            lambda axes: draw_normal_quantiles(axes, [2.0, 2.0]),
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


BINS = pd.DataFrame(
    {
        "rows": [3, 1],
        "prediction": [-10.0, 30.0],
        "label": [-4.0, 16.0],
        "standard_error": [2.0, np.nan],
    }
)


def test_points_diagonal_and_line():
    axes = drawn(lambda axes: draw_calibration(axes, Calibration(BINS, 0.5, 0.1)))
    (points,) = axes.containers
    np.testing.assert_array_equal(points[0].get_xydata(), [[-10, -4], [30, 16]])
    np.testing.assert_array_equal(points[2][0].get_segments()[0], [[-10, -8], [-10, 0]])
    diagonal, fitted = axes.get_lines()[-2:]
    np.testing.assert_array_equal(diagonal.get_xdata(), diagonal.get_ydata())
    # Through the mean of all four rows, (0, 1).
    np.testing.assert_allclose(fitted.get_ydata(), 1 + 0.5 * np.asarray(fitted.get_xdata()))
    assert legend_texts(axes) == [
        "as predicted",
        "slope 0.50 ± 0.20",
        "mean of a bin of rows ± 2 standard errors",
    ]


def test_limits_are_those_of_the_points():
    axes = drawn(lambda axes: draw_calibration(axes, Calibration(BINS, 40.0, np.nan)))
    assert axes.get_ylim()[1] < 20
    assert "slope 40.00" in legend_texts(axes)


def test_nothing_to_compare_is_said_and_no_slope_is_drawn_without_one():
    empty = Calibration(BINS.iloc[:0], np.nan, np.nan)
    assert texts(drawn(lambda axes: draw_calibration(axes, empty))) == ["no predictions"]
    flat = drawn(lambda axes: draw_calibration(axes, Calibration(BINS, np.nan, np.nan)))
    assert not any("slope" in text for text in legend_texts(flat))


def folds(means, errors):
    dates = pd.date_range("2020-01-31", periods=len(means), freq="YE")
    return pd.DataFrame(
        {
            "first_date": dates,
            "last_date": dates + pd.Timedelta(days=300),
            "dates": 200,
            "mean": means,
            "standard_error": errors,
        },
        index=pd.RangeIndex(len(means), name="fold_id"),
    )


def test_points_errors_and_spread():
    axes = drawn(
        lambda axes: draw_fold_rank_ic(axes, folds([0.01, 0.03, np.nan], [0.002, np.nan, np.nan]))
    )
    (points,) = axes.containers
    np.testing.assert_allclose(points[0].get_ydata().astype(float), [0.01, 0.03, np.nan])
    np.testing.assert_allclose(segments_of(points), [[[0, 0.006], [0, 0.014]]])
    (band,) = axes.patches
    spread = np.std([0.01, 0.03], ddof=1)
    assert band.get_y() == pytest.approx(0.02 - spread)
    assert band.get_height() == pytest.approx(2 * spread)
    assert legend_texts(axes)[0] == "mean of folds +0.0200, standard deviation 0.0141 (band)"


def test_folds_are_named_with_their_dates_where_there_is_room():
    few = drawn(lambda axes: draw_fold_rank_ic(axes, folds([0.01] * 3, [0.01] * 3)))
    assert few.get_xticklabels()[0].get_text() == "0\n2020-12 – 2021-10"
    many = drawn(lambda axes: draw_fold_rank_ic(axes, folds([0.01] * 11, [0.01] * 11)))
    assert many.get_xticklabels()[10].get_text() == "10"


def test_no_rank_ic_is_said():
    axes = drawn(lambda axes: draw_fold_rank_ic(axes, folds([np.nan], [np.nan])))
    assert texts(axes) == ["no fold has a rank IC"]


QUANTILES = pd.DataFrame(
    {"mean": [-12.0, np.nan, 30.04], "standard_error": [4.0, np.nan, np.nan]}, index=[1, 2, 3]
)


def test_bars_errors_and_values():
    axes = drawn(lambda axes: draw_quantile_returns(axes, QUANTILES))
    heights = [bar.get_height() for bar in axes.patches]
    np.testing.assert_array_equal(heights, [-12, np.nan, 30.04])
    assert [to_hex(bar.get_facecolor()) for bar in axes.patches][::2] == [ACCENT_2, ACCENT]
    (bars,) = [found for found in axes.containers if hasattr(found, "has_yerr")]
    np.testing.assert_array_equal(segments_of(bars), [[[0, -20], [0, -4]]])
    labels = [label.get_text() for label in axes.get_xticklabels()]
    assert labels == ["1\n−12.0", "2\n–", "3\n+30.0"]
    assert axes.get_ylabel() == "mean realized return, bps"


def test_the_mean_of_all_and_the_outer_difference_are_said():
    axes = drawn(lambda axes: draw_quantile_returns(axes, QUANTILES.iloc[[0, 2]]))
    assert legend_texts(axes) == ["mean of all +9.0", "highest less lowest +42.0 bps"]


def test_too_few_names_are_said():
    found = texts(drawn(lambda axes: draw_quantile_returns(axes, QUANTILES.iloc[:0])))
    assert found == ["no quantiles: fewer than 10 names a date"]


def rank_ic_daily(values, start="2024-01-01"):
    return pd.Series(values, index=pd.bdate_range(start, periods=len(values), name="datetime"))


def heights_of(axes):
    (bars,) = axes.collections
    return [path.vertices[1, 1] for path in bars.get_paths()]


def twin(axes):
    return next(other for other in axes.figure.axes if other is not axes)


def test_bars_are_the_period_s_means_and_the_line_is_the_running_sum():
    axes = drawn(lambda axes: draw_rank_ic(axes, rank_ic_daily([0.2, -0.1, np.nan, 0.2])))
    assert heights_of(axes) == pytest.approx([0.2, -0.1, 0.2])
    (line,) = twin(axes).get_lines()
    np.testing.assert_allclose(line.get_ydata(), [0.2, 0.1, 0.3])
    assert legend_texts(axes) == ["daily", "mean of all dates +0.1000", "cumulative (right)"]
    assert axes.get_ylabel() == "rank IC, daily"


def test_a_long_history_has_quarterly_bars_and_a_line_no_finer_than_pixels():
    values = rank_ic_daily(np.random.default_rng(0).normal(0.02, 0.2, 8000), start="1990-01-01")
    axes = drawn(lambda axes: draw_rank_ic(axes, values))
    quarters = values.groupby(values.index.to_period("Q")).mean()
    np.testing.assert_allclose(heights_of(axes), quarters)
    (line,) = twin(axes).get_lines()
    assert len(line.get_ydata()) <= 900
    assert line.get_ydata()[-1] == pytest.approx(values.sum())
    assert axes.get_ylabel() == "rank IC, quarterly mean"


@pytest.mark.parametrize("values", [[0.1, 0.3], [-0.1, -0.3], [0.3, -0.1, -0.4], [0.0, 0.0]])
def test_zero_is_at_the_same_height_on_both_sides_and_all_is_inside(values):
    axes = drawn(lambda axes: draw_rank_ic(axes, rank_ic_daily(values)))
    heights = []
    for side in (axes, twin(axes)):
        low, high = side.get_ylim()
        heights.append(-low / (high - low))
        assert low <= 0 <= high
    assert heights[0] == pytest.approx(heights[1])
    low, high = axes.get_ylim()
    assert low <= min(values)
    assert high >= max(values)
    low, high = twin(axes).get_ylim()
    assert low <= np.cumsum(values).min()
    assert high >= np.cumsum(values).max()


def test_rank_ic_no_rank_ic_is_said():
    assert texts(drawn(lambda axes: draw_rank_ic(axes, rank_ic_daily([np.nan])))) == [
        "no rank IC on any date"
    ]


def scored(**settings):
    made = stored(example(**settings))
    partition = Partition("5d", "ridge")
    oof, paths, labels = made
    return score_partition(oof, labels, partition, paths=paths, n_trials=4)


def marks(axes, marker):
    return [line for line in axes.get_lines() if line.get_marker() == marker]


def test_the_mean_lies_to_the_right_of_its_paths():
    scores = scored(n_groups=6, n_dates=300, n_names=30)
    axes = drawn(lambda axes: draw_score_distribution(axes, scores))
    paths, splits = (line.get_xdata() for line in marks(axes, "|")[-2:])
    of_mean = marks(axes, "D")[0]
    medians = [line.get_xdata()[0] for line in marks(axes, "^")]
    assert (len(splits), len(paths)) == (15, 5)
    assert medians == [np.median(paths), np.median(splits)]
    assert of_mean.get_xdata()[0] > np.median(paths)
    names = [label.get_text() for label in axes.get_yticklabels()]
    assert names == ["mean of predictions\n± 2 standard errors", "5 paths", "15 splits"]


@pytest.mark.parametrize(
    "settings", [{"n_groups": 2, "k": 1}, {"n_groups": 9, "k": 3}, {"n_names": 2}]
)
def test_one_path_many_splits_and_undefined_scores_can_be_drawn(settings):
    low, high = drawn(lambda axes: draw_score_distribution(axes, scored(**settings))).get_xlim()
    assert low < 0 < high


def test_one_path_has_no_distribution():
    assert has_several_paths(scored())
    assert not has_several_paths(scored(n_groups=5, k=1))


def normal_oracle(values):
    """Return the middle of every rank and standardized values in plain Python."""
    n, middle, spread = len(values), mean(values), stdev(values)
    normal = [NormalDist().inv_cdf((rank - 0.5) / n) for rank in range(1, n + 1)]
    return normal, [(value - middle) / spread for value in sorted(values)]


def test_normal_quantiles_hand_worked_points():
    found = normal_quantiles([4.0, 2.0, 6.0])

    # The middles of thirds: 1/6, 1/2, 5/6.
    assert found["normal"].tolist() == pytest.approx([-0.9674, 0.0, 0.9674], abs=5e-5)
    assert found["value"].tolist() == [-1.0, 0.0, 1.0]


@settings(deadline=None, derandomize=True, max_examples=40)
@given(st.lists(st.floats(-1, 1, width=16), min_size=2, max_size=60, unique=True))
def test_normal_quantiles_agree_with_the_definition(values):
    found = normal_quantiles([*values, np.nan, np.inf])

    normal, standardized = normal_oracle(values)
    np.testing.assert_allclose(found["normal"], normal, atol=1e-9)
    np.testing.assert_allclose(found["value"], standardized, rtol=1e-6, atol=1e-9)


def test_long_series_are_thinned_but_for_the_tails():
    values = np.random.default_rng(5).standard_t(4, size=8000)

    found = normal_quantiles(values, most_points=200)
    whole = pd.DataFrame(dict(zip(("normal", "value"), normal_oracle(values), strict=True)))

    assert 100 < len(found) <= 200
    found = found.round(9)
    whole = whole.round(9)
    assert set(map(tuple, found.to_numpy())) <= set(map(tuple, whole.to_numpy()))
    for end in (slice(3), slice(-3, None)):
        np.testing.assert_array_equal(found.iloc[end], whole.iloc[end])
    assert np.diff(found["normal"]).max() < 0.3


@pytest.mark.parametrize("values", [[], [1.0], [2.0, 2.0], [np.nan, 1.0]])
def test_nothing_to_compare(values):
    assert normal_quantiles(values).shape == (0, 2)


@pytest.mark.parametrize(
    ("n_dates", "most", "unit"),
    [
        (100, 150, "daily"),
        (200, 150, "weekly"),
        (2000, 150, "monthly"),
        (8000, 150, "quarterly"),
        (8000, 100, "annual"),
        (8000, 3, "annual"),
    ],
)
def test_the_shortest_periods_that_are_few_enough(n_dates, most, unit):
    dates = pd.bdate_range("1990-01-01", periods=n_dates)
    assert mean_by_period(pd.Series(1.0, index=dates), most=most)[0] == unit


def test_periods_are_counted_by_the_calendar_and_empty_ones_left_out():
    dates = pd.to_datetime(["2024-01-02", "2024-06-03"])
    unit, means = mean_by_period(pd.Series([1.0, 2.0], index=dates), most=150)
    assert unit == "weekly"
    assert means.tolist() == [1.0, 2.0]
    assert means.index.start_time.strftime("%Y-%m-%d").tolist() == [
        "2024-01-01",
        "2024-06-03",
    ]


def test_hand_worked_months():
    dates = ["2022-11-30", "2022-12-01", "2022-12-02", "2024-02-01", "2024-02-29", "2024-03-01"]
    daily = pd.Series([0.25, 0.5, -0.25, 1.0, np.nan, np.nan], index=pd.to_datetime(dates))

    found = monthly_means(daily)

    assert found.index.tolist() == [2022, 2023, 2024]
    assert found.columns.tolist() == list(range(1, 13))
    assert found.loc[2022, [11, 12]].tolist() == [0.25, 0.125]
    assert found.loc[2024, 2] == 1.0
    assert found.notna().sum().sum() == 3


def test_months_agree_with_resampling():
    dates = pd.bdate_range("2020-03-17", "2023-09-05")
    daily = pd.Series(np.random.default_rng(3).normal(size=len(dates)), index=dates)

    found = monthly_means(daily).to_numpy().ravel()

    assert np.isnan(found[[0, 1, -3, -2, -1]]).all()
    np.testing.assert_allclose(found[2:-3], daily.resample("MS").mean())


def test_no_value_gives_no_year():
    found = monthly_means(pd.Series([np.nan], index=pd.to_datetime(["2024-01-02"])))

    assert found.shape == (0, 12)
