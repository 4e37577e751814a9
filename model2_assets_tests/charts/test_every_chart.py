import numpy as np
import pandas as pd
import pytest

from model2_assets import charts

DATES = pd.bdate_range("2020-01-01", periods=300, name="datetime")
DAILY = pd.Series(np.random.default_rng(0).normal(0.01, 0.2, 300), index=DATES)
QUANTILES = pd.DataFrame({"mean": [-3.0, 1.0], "standard_error": [1.0, 2.0]}, index=[1, 2])

CUMULATIVE = pd.DataFrame({"mean": DAILY, "low": DAILY - 1, "high": DAILY + 1})
POINTS = pd.DataFrame({"normal": [-1.0, 1.0], "value": [-1.1, 0.9]})

CALLS = {
    "draw_cumulative_spread": (CUMULATIVE,),
    "draw_estimates": (QUANTILES, "rank IC"),
    "draw_heatmap": (pd.DataFrame([[1.0, -0.5], [0.25, np.nan]]),),
    "draw_ic_histogram": (DAILY,),
    "draw_normal_quantiles": (POINTS,),
    "draw_period_means": ({"a": DAILY, "b": -DAILY}, "turnover"),
    "draw_quantile_returns": (QUANTILES,),
    "draw_rank_ic": (DAILY,),
    "draw_running_sums": ({"a": DAILY, "b": -DAILY}, "sum"),
}


def test_every_chart_is_here():
    assert set(CALLS) == {name for name in charts.__all__ if name.startswith("draw_")}


@pytest.mark.parametrize("name", CALLS)
def test_both_pictures_can_be_made_and_are_small(name):
    def draw(axes):
        getattr(charts, name)(axes, *CALLS[name])

    assert charts.png(draw).startswith(b"\x89PNG")
    assert len(charts.png(draw)) < 30_000
    assert len(charts.svg(draw)) < 60_000
