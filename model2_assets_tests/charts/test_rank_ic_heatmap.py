import numpy as np
import pandas as pd

from model2_assets.reports.data_charts import draw_rank_ic_heatmap
from model2_assets_tests.charts.axes import drawn, texts

RANK_IC = pd.DataFrame(
    [[0.05, -0.0123], [0.2, np.nan]], index=["lasso", "ridge"], columns=list("ab")
)
T = pd.DataFrame([[2.44, -0.5], [np.nan, np.nan]])


def test_values_have_their_t_statistic_where_it_is_known():
    axes = drawn(lambda axes: draw_rank_ic_heatmap(axes, RANK_IC, T))
    assert sorted(texts(axes)) == sorted(["+0.0500", "−0.0123", "+0.2000", "–", "t +2.4", "t −0.5"])
    places = {text.get_text(): text.get_position() for text in axes.texts}
    assert places["−0.0123"] == (1.5, 0.5)
    assert places["t −0.5"] == (1.5, 0.8)


def test_shades_do_not_depend_on_what_else_is_there():
    def shades(matrix):
        axes = drawn(lambda axes: draw_rank_ic_heatmap(axes, matrix, T))
        return [patch.get_alpha() for patch in axes.patches]

    strongest, weak, beyond, missing = shades(RANK_IC)
    assert (beyond, missing) == (strongest, 0)
    assert np.isclose(weak / strongest, 0.0123 / 0.05)
    assert shades(RANK_IC.iloc[:1]) == [strongest, weak]


def test_without_partitions_it_says_so():
    empty = RANK_IC.iloc[:0]
    assert texts(drawn(lambda axes: draw_rank_ic_heatmap(axes, empty, empty))) == [
        "nothing to compare"
    ]
