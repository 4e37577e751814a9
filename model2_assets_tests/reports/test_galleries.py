import pytest

from model2_assets.config.partition import Partition
from model2_assets.evaluation.scores import score_partition
from model2_assets.reports.galleries import importance_pictures, score_pictures
from model2_assets_tests.evaluation.paths_example import example, stored
from model2_assets_tests.evaluation.test_stability import importance

PICTURES = [
    "Rank IC over time",
    "Rank IC of every fold",
    "Returns by quantile of prediction",
    "Realized label against prediction",
]


def scored(**settings):
    oof, paths, labels = stored(example(**settings))
    partition = Partition("5d", "ridge")
    scores = score_partition(oof, paths, labels, partition, execution_lag_days=1, n_trials=4)
    return score_pictures(oof, labels, scores, horizon="5d", execution_lag_days=1)


@pytest.mark.parametrize("settings", [{"n_groups": 5, "k": 1}, {"n_groups": 2, "k": 1}])
def test_one_path_has_four_pictures_of_its_scores(settings):
    assert list(scored(**settings)) == PICTURES


@pytest.mark.parametrize("settings", [{}, {"n_names": 2}])
def test_several_paths_have_a_picture_of_their_scatter_too(settings):
    assert list(scored(**settings)) == [*PICTURES, "Scores of splits and paths"]


def test_importances_have_a_matrix_where_there_are_two_models():
    assert list(importance_pictures(importance())) == [
        "Top 4 features",
        "Rank correlation of importances between folds",
    ]
    one = importance(folds=((4.0, 3, 2, 1),))
    assert list(importance_pictures(one)) == ["Top 4 features"]


def test_models_that_use_no_feature_can_be_drawn():
    unused = importance(folds=((0.0,) * 4, (0.0,) * 4))
    assert len(importance_pictures(unused)) == 2
