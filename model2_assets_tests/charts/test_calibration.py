import numpy as np
import pandas as pd

from model2_assets.evaluation import Calibration
from model2_assets.reports.score_charts import draw_calibration
from model2_assets_tests.charts.axes import drawn, legend_texts, texts

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
