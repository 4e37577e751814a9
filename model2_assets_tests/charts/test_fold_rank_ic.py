import numpy as np
import pandas as pd
import pytest

from model2_assets.reports.score_charts import draw_fold_rank_ic
from model2_assets_tests.charts.axes import drawn, legend_texts, texts


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
    np.testing.assert_allclose(points[0].get_ydata(), [0.01, 0.03])
    segments = points[2][0].get_segments()
    np.testing.assert_allclose(segments[0], [[0, 0.006], [0, 0.014]])
    np.testing.assert_allclose(segments[1], [[1, 0.03], [1, 0.03]])
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
