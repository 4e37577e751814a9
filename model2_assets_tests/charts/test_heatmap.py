import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex

from model2_assets.reports.canvas import ACCENT, ACCENT_2
from model2_assets.reports.data_charts import draw_heatmap
from model2_assets_tests.charts.axes import drawn, texts

MATRIX = pd.DataFrame(
    [[1.0, -0.5], [0.25, np.nan]], index=["21d", "63d"], columns=["ridge", "xgboost"]
)


def cells(axes):
    return {
        (patch.get_y(), patch.get_x()): (to_hex(patch.get_facecolor()), patch.get_alpha())
        for patch in axes.patches
    }


def test_hue_is_the_sign_and_opacity_the_size():
    found = cells(drawn(lambda axes: draw_heatmap(axes, MATRIX)))
    strongest = found[0, 0][1]
    assert found[0, 0] == (ACCENT, strongest)
    assert found[0, 1] == (ACCENT_2, strongest / 2)
    assert found[1, 0] == (ACCENT, strongest / 4)
    assert found[1, 1][1] == 0


def test_rows_run_down_with_values_and_names():
    axes = drawn(lambda axes: draw_heatmap(axes, MATRIX, text=".1f"))
    assert texts(axes) == ["1.0", "−0.5", "0.2", "–"]
    assert [text.get_position() for text in axes.texts][1:3] == [(1.5, 0.5), (0.5, 1.5)]
    assert axes.get_ylim() == (2, 0)
    assert [label.get_text() for label in axes.get_xticklabels()] == ["ridge", "xgboost"]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["21d", "63d"]


def test_the_limit_is_the_strongest_shade_of_all_that_lies_beyond():
    found = cells(drawn(lambda axes: draw_heatmap(axes, MATRIX, limit=0.5)))
    assert found[0, 0][1] == found[0, 1][1] == 2 * found[1, 0][1]


@pytest.mark.parametrize("value", [0.0, np.nan])
def test_a_matrix_without_any_size_has_no_shade(value):
    axes = drawn(lambda axes: draw_heatmap(axes, pd.DataFrame([[value]])))
    assert [alpha for _, alpha in cells(axes).values()] == [0]


def test_many_cells_have_no_text_and_none_say_so():
    big = pd.DataFrame(np.ones((21, 20)))
    assert texts(drawn(lambda axes: draw_heatmap(axes, big))) == []
    assert texts(drawn(lambda axes: draw_heatmap(axes, MATRIX, text=None))) == []
    assert texts(drawn(lambda axes: draw_heatmap(axes, big.iloc[:0]))) == ["nothing to compare"]
