import numpy as np
import pandas as pd
import pytest

from model2_assets.evaluation import Calibration
from model2_assets.reports import canvas
from model2_assets.reports import data_charts as data
from model2_assets.reports import score_charts as score
from model2_assets_tests.charts.test_calibration import BINS
from model2_assets_tests.charts.test_feature_coverage import COVERAGE
from model2_assets_tests.charts.test_fold_rank_ic import folds
from model2_assets_tests.charts.test_fold_timeline import made
from model2_assets_tests.charts.test_importances import BY_FOLD
from model2_assets_tests.charts.test_score_distribution import scored

DATES = pd.bdate_range("2020-01-01", periods=300, name="datetime")
DAILY = pd.Series(np.random.default_rng(0).normal(0.01, 0.2, 300), index=DATES)
QUANTILES = pd.DataFrame({"mean": [-3.0, 1.0], "standard_error": [1.0, 2.0]}, index=[1, 2])
ROWS = np.random.default_rng(1).normal(0, 100, 1000)
LINES = {"a": DAILY, "b": -DAILY}
CUMULATIVE = pd.DataFrame({"mean": DAILY, "low": DAILY - 1, "high": DAILY + 1})
POINTS = pd.DataFrame({"normal": [-1.0, 1.0], "value": [-1.1, 0.9]})

CALLS = {
    "draw_cumulative_spread": lambda axes: score.draw_cumulative_spread(axes, CUMULATIVE),
    "draw_estimates": lambda axes: score.draw_estimates(axes, QUANTILES, label="rank IC"),
    "draw_ic_histogram": lambda axes: score.draw_ic_histogram(axes, DAILY),
    "draw_normal_quantiles": lambda axes: score.draw_normal_quantiles(axes, POINTS),
    "draw_period_means": lambda axes: score.draw_period_means(axes, LINES, label="turnover"),
    "draw_running_sums": lambda axes: score.draw_running_sums(axes, LINES, label="sum"),
    "draw_calibration": lambda axes: score.draw_calibration(axes, Calibration(BINS, 0.5, 0.1)),
    "draw_feature_coverage": lambda axes: data.draw_feature_coverage(axes, COVERAGE),
    "draw_fold_rank_ic": lambda axes: score.draw_fold_rank_ic(axes, folds([0.1, 0], [0.1, 0.2])),
    "draw_fold_timeline": lambda axes: data.draw_fold_timeline(axes, made(n_dates=80)),
    "draw_heatmap": lambda axes: data.draw_heatmap(axes, pd.DataFrame([[1.0, -0.5, np.nan]])),
    "draw_importances": lambda axes: data.draw_importances(axes, BY_FOLD, kind="gain"),
    "draw_label_distribution": lambda axes: data.draw_label_distribution(axes, ROWS),
    "draw_prediction_distribution": lambda axes: data.draw_prediction_distribution(
        axes, ROWS, limit_bps=1000
    ),
    "draw_quantile_returns": lambda axes: score.draw_quantile_returns(axes, QUANTILES),
    "draw_rank_ic": lambda axes: score.draw_rank_ic(axes, DAILY),
    "draw_rank_ic_heatmap": lambda axes: data.draw_rank_ic_heatmap(
        axes, pd.DataFrame([[0.02, np.nan]]), pd.DataFrame([[2.5, np.nan]])
    ),
    "draw_score_distribution": lambda axes: score.draw_score_distribution(axes, scored()),
}


def test_every_chart_is_here():
    assert set(CALLS) == {name for name in (*dir(data), *dir(score)) if name.startswith("draw_")}


@pytest.mark.parametrize("name", CALLS)
def test_both_pictures_can_be_made_and_are_small(name):
    """An SVG refuses colours that no page can restyle."""
    assert len(canvas.png(CALLS[name])) < 30_000
    assert len(canvas.svg(CALLS[name])) < 60_000
