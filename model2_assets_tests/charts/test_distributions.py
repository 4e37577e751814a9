import numpy as np
import pytest

from model2_assets.reports.data_charts import draw_label_distribution, draw_prediction_distribution
from model2_assets_tests.charts.axes import drawn, texts


def test_label_bars_are_shares_in_percent_and_quantiles_are_marked():
    label = np.concatenate([np.linspace(-100, 100, 2001), [np.nan]])
    axes = drawn(lambda axes: draw_label_distribution(axes, label))
    (steps,) = axes.patches
    assert steps.get_data()[0].sum() == pytest.approx(100, abs=0.2)
    assert texts(axes) == ["5%: −90", "50%: +0", "95%: +90"]
    assert "2,001 labels, standard deviation 58 bps" in axes.get_xlabel()
    assert axes.get_ylabel() == "share of labels in 2 bps, %"


def test_labels_far_out_are_counted_and_do_not_stretch_the_axis():
    label = np.concatenate([np.full(5000, 10.0), np.full(4999, -10.0), [9e5]])
    axes = drawn(lambda axes: draw_label_distribution(axes, label))
    assert axes.get_xlim()[1] < 20
    assert axes.get_xlabel().endswith("; 1 lie beyond")


def test_no_labels_are_said():
    assert texts(drawn(lambda axes: draw_label_distribution(axes, [np.nan]))) == ["no labels"]


def test_predictions_are_counted_between_the_limits():
    prediction = np.array([-500.0, 3.0, 3.0, 700.0, np.nan])
    axes = drawn(lambda axes: draw_prediction_distribution(axes, prediction, limit_bps=1000))
    (steps,) = axes.patches
    counts, edges, _ = steps.get_data()
    assert counts.sum() == 4
    assert counts[np.searchsorted(edges, 3.0) - 1] == 2
    assert axes.get_xlim() == pytest.approx((-1100, 1100))
    limits = [line.get_xdata()[0] for line in axes.get_lines()]
    assert limits == [-1000, 1000, 0]
    assert texts(axes) == ["limit −1,000", "limit +1,000"]
    assert "smallest −500, largest +700" in axes.get_xlabel()
    assert "70% of the limit" in axes.get_xlabel()


def test_predictions_beyond_the_limit_are_drawn_too():
    axes = drawn(lambda axes: draw_prediction_distribution(axes, [1500.0], limit_bps=1000))
    (steps,) = axes.patches
    assert steps.get_data()[0].sum() == 1
    assert axes.get_xlim()[1] > 1500


def test_no_predictions_are_said():
    axes = drawn(lambda axes: draw_prediction_distribution(axes, [], limit_bps=1000))
    assert texts(axes) == ["no predictions"]
