import subprocess
import sys
from io import BytesIO

import numpy as np
import pytest
from matplotlib.image import imread

from model2_assets.evaluation import (
    has_several_paths,
    plot_score_distribution,
    score_partition,
)
from model2_assets.evaluation._score_distribution import _COLOURS
from model2_assets_tests.evaluation.paths_example import example, stored


def scored(**settings):
    made = stored(example(**settings))
    return score_partition(*made, horizon="5d", model="ridge", execution_lag_days=1, n_trials=4)


def pixels_of(picture, colour):
    found = (imread(BytesIO(picture))[..., :3] * 255).round().astype(int)
    rgb = [int(colour[i : i + 2], 16) for i in (1, 3, 5)]
    return np.argwhere(np.abs(found - rgb).max(axis=-1) <= 4)


def test_picture_shows_the_mean_to_the_right_of_its_paths():
    picture = plot_score_distribution(scored(n_groups=6, n_dates=300, n_names=30))
    assert picture.startswith(b"\x89PNG")
    assert imread(BytesIO(picture)).shape[1] >= 900
    median_bar = pixels_of(picture, _COLOURS["path"])[:, 1].mean()
    black = pixels_of(picture, _COLOURS["all"])
    plot = black[(black[:, 0] > 180) & (black[:, 0] < 300) & (black[:, 1] > 300)]
    assert plot[:, 1].mean() > median_bar


def test_the_same_scores_give_the_same_bytes():
    scores = scored()
    assert plot_score_distribution(scores) == plot_score_distribution(scores)


@pytest.mark.parametrize(
    "settings", [{"n_groups": 2, "k": 1}, {"n_groups": 9, "k": 3}, {"n_names": 2}]
)
def test_one_path_many_splits_and_undefined_scores_can_be_drawn(settings):
    assert plot_score_distribution(scored(**settings)).startswith(b"\x89PNG")


def test_one_path_has_no_distribution():
    assert has_several_paths(scored())
    assert not has_several_paths(scored(n_groups=5, k=1))


def test_no_global_state_of_pyplot_is_touched():
    code = (
        "import sys\n"
        "from model2_assets_tests.evaluation.test_score_distribution import scored\n"
        "from model2_assets.evaluation import plot_score_distribution\n"
        "plot_score_distribution(scored())\n"
        "assert 'matplotlib.pyplot' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True)
