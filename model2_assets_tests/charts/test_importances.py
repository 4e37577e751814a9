import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex

from model2_assets.reports.canvas import ACCENT, ACCENT_2
from model2_assets.reports.data_charts import draw_importances
from model2_assets_tests.charts.axes import drawn, texts

BY_FOLD = pd.DataFrame([[4.0, 6.0], [-3.0, -1.0]], index=pd.Index(["MA5", "STD20"], name="feature"))


def test_bars_are_means_whiskers_deviations_and_dots_folds():
    axes = drawn(lambda axes: draw_importances(axes, BY_FOLD, kind="coefficient"))
    assert [bar.get_width() for bar in axes.patches] == [5, -2]
    assert [to_hex(bar.get_facecolor()) for bar in axes.patches] == [ACCENT, ACCENT_2]
    (whiskers,) = [found for found in axes.containers if hasattr(found, "has_xerr")]
    spread = np.sqrt(2)
    np.testing.assert_allclose(
        whiskers[2][0].get_segments(),
        [[[5 - spread, 0], [5 + spread, 0]], [[-2 - spread, 1], [-2 + spread, 1]]],
    )
    dots = next(line for line in axes.get_lines() if line.get_marker() == "o")
    np.testing.assert_array_equal(dots.get_xydata(), [[4, 0], [6, 0], [-3, 1], [-1, 1]])
    assert [label.get_text() for label in axes.get_yticklabels()] == ["MA5", "STD20"]
    assert axes.get_ylim()[0] > axes.get_ylim()[1]


@pytest.mark.parametrize("kind", ["gain", "coefficient", "weight"])
def test_the_axis_says_the_kind_with_its_unit(kind):
    label = drawn(lambda axes: draw_importances(axes, BY_FOLD, kind=kind)).get_xlabel()
    units = {"gain": "bps²", "coefficient": "bps per standard deviation", "weight": "splits of"}
    assert units[kind] in label


def test_one_fold_has_no_spread_and_none_is_said():
    one = drawn(lambda axes: draw_importances(axes, BY_FOLD[[0]], kind="gain"))
    assert not [line for line in one.get_lines() if line.get_marker() == "o"]
    empty = drawn(lambda axes: draw_importances(axes, BY_FOLD.iloc[:0], kind="gain"))
    assert texts(empty) == ["no importances"]
