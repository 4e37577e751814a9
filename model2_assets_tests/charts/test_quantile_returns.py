import numpy as np
import pandas as pd
from matplotlib.colors import to_hex

from model2_assets.reports.canvas import ACCENT, ACCENT_2
from model2_assets.reports.score_charts import draw_quantile_returns
from model2_assets_tests.charts.axes import drawn, legend_texts, texts

QUANTILES = pd.DataFrame(
    {"mean": [-12.0, np.nan, 30.04], "standard_error": [4.0, np.nan, np.nan]}, index=[1, 2, 3]
)


def test_bars_errors_and_values():
    axes = drawn(lambda axes: draw_quantile_returns(axes, QUANTILES))
    heights = [bar.get_height() for bar in axes.patches]
    np.testing.assert_array_equal(heights, [-12, np.nan, 30.04])
    assert [to_hex(bar.get_facecolor()) for bar in axes.patches][::2] == [ACCENT_2, ACCENT]
    (bars,) = [found for found in axes.containers if hasattr(found, "has_yerr")]
    (segments,) = [lines.get_segments() for lines in bars[2]]
    np.testing.assert_array_equal(segments, [[[0, -20], [0, -4]]])
    labels = [label.get_text() for label in axes.get_xticklabels()]
    assert labels == ["1\n−12.0", "2\n–", "3\n+30.0"]
    assert axes.get_ylabel() == "mean label, bps"


def test_the_mean_of_all_and_the_outer_difference_are_said():
    axes = drawn(lambda axes: draw_quantile_returns(axes, QUANTILES.iloc[[0, 2]]))
    assert legend_texts(axes) == ["mean of all +9.0", "highest less lowest +42.0 bps"]


def test_too_few_names_are_said():
    found = texts(drawn(lambda axes: draw_quantile_returns(axes, QUANTILES.iloc[:0])))
    assert found == ["no quantiles: fewer than 10 names a date"]
