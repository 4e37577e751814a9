import numpy as np
import pandas as pd
import pytest

from model2_assets.reports.score_charts import draw_rank_ic
from model2_assets_tests.charts.axes import drawn, legend_texts, texts


def daily(values, start="2024-01-01"):
    return pd.Series(values, index=pd.bdate_range(start, periods=len(values), name="datetime"))


def heights_of(axes):
    (bars,) = axes.collections
    return [path.vertices[1, 1] for path in bars.get_paths()]


def twin(axes):
    return next(other for other in axes.figure.axes if other is not axes)


def test_bars_are_the_period_s_means_and_the_line_is_the_running_sum():
    axes = drawn(lambda axes: draw_rank_ic(axes, daily([0.2, -0.1, np.nan, 0.2])))
    assert heights_of(axes) == pytest.approx([0.2, -0.1, 0.2])
    (line,) = twin(axes).get_lines()
    np.testing.assert_allclose(line.get_ydata(), [0.2, 0.1, 0.3])
    assert legend_texts(axes) == ["daily", "mean of all dates +0.1000", "cumulative (right)"]
    assert axes.get_ylabel() == "rank IC, daily"


def test_a_long_history_has_quarterly_bars_and_a_line_no_finer_than_pixels():
    values = daily(np.random.default_rng(0).normal(0.02, 0.2, 8000), start="1990-01-01")
    axes = drawn(lambda axes: draw_rank_ic(axes, values))
    quarters = values.groupby(values.index.to_period("Q")).mean()
    np.testing.assert_allclose(heights_of(axes), quarters)
    (line,) = twin(axes).get_lines()
    assert len(line.get_ydata()) <= 900
    assert line.get_ydata()[-1] == pytest.approx(values.sum())
    assert axes.get_ylabel() == "rank IC, quarterly mean"


@pytest.mark.parametrize("values", [[0.1, 0.3], [-0.1, -0.3], [0.3, -0.1, -0.4], [0.0, 0.0]])
def test_zero_is_at_the_same_height_on_both_sides_and_all_is_inside(values):
    axes = drawn(lambda axes: draw_rank_ic(axes, daily(values)))
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


def test_no_rank_ic_is_said():
    assert texts(drawn(lambda axes: draw_rank_ic(axes, daily([np.nan])))) == [
        "no rank IC on any date"
    ]
