import numpy as np
import pytest

from model2_assets.config.partition import Partition
from model2_assets.evaluation.scores import has_several_paths, score_partition
from model2_assets.reports.score_charts import draw_score_distribution
from model2_assets_tests.charts.axes import drawn
from model2_assets_tests.evaluation.paths_example import example, stored


def scored(**settings):
    made = stored(example(**settings))
    partition = Partition("5d", "ridge")
    return score_partition(*made, partition, execution_lag_days=1, n_trials=4)


def dots(axes, marker):
    return [line for line in axes.get_lines() if line.get_marker() == marker]


def test_the_mean_lies_to_the_right_of_its_paths():
    scores = scored(n_groups=6, n_dates=300, n_names=30)
    axes = drawn(lambda axes: draw_score_distribution(axes, scores))
    splits, paths = (line.get_xdata() for line in dots(axes, "o"))
    (mean,) = dots(axes, "D")
    assert (len(splits), len(paths)) == (15, 5)
    assert mean.get_xdata()[0] > np.median(paths)
    names = [label.get_text() for label in axes.get_yticklabels()]
    assert names == ["15 splits", "5 paths", "mean of predictions\n± 2 standard errors"]


@pytest.mark.parametrize(
    "settings", [{"n_groups": 2, "k": 1}, {"n_groups": 9, "k": 3}, {"n_names": 2}]
)
def test_one_path_many_splits_and_undefined_scores_can_be_drawn(settings):
    low, high = drawn(lambda axes: draw_score_distribution(axes, scored(**settings))).get_xlim()
    assert low < 0 < high


def test_one_path_has_no_distribution():
    assert has_several_paths(scored())
    assert not has_several_paths(scored(n_groups=5, k=1))
