import numpy as np
import pandas as pd

from model2_assets.reports.data_charts import draw_feature_coverage
from model2_assets_tests.charts.axes import drawn, legend_texts, texts

COVERAGE = pd.DataFrame(
    {"names": [4, 4, 5], "with_features": [0.0, 0.5, 1.0], "values": [np.nan, 0.9, 1.0]},
    index=pd.bdate_range("2024-01-01", periods=3, name="datetime"),
)


def test_lines_are_shares_in_percent_on_a_scale_from_zero():
    axes = drawn(lambda axes: draw_feature_coverage(axes, COVERAGE))
    with_features, values = axes.get_lines()[:2]
    np.testing.assert_array_equal(with_features.get_ydata(), [0, 50, 100])
    np.testing.assert_array_equal(values.get_ydata(), [np.nan, 90, 100])
    assert axes.get_ylim() == (0, 105)
    assert legend_texts(axes) == [
        "names with features, mean 50.00%",
        "their values that are there, mean 95.00%",
        "names (right)",
    ]


def test_names_stand_on_an_axis_of_their_own():
    axes = drawn(lambda axes: draw_feature_coverage(axes, COVERAGE))
    right = next(other for other in axes.figure.axes if other is not axes)
    (area,) = right.collections
    assert area.get_datalim(right.transData).y1 == 5
    assert right.get_ylabel() == "names"


def test_no_dates_are_said():
    found = texts(drawn(lambda axes: draw_feature_coverage(axes, COVERAGE.iloc[:0])))
    assert found == ["no dates"]
