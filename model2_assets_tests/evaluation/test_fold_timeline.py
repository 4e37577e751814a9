import subprocess
import sys
from io import BytesIO

import numpy as np
import pytest
from matplotlib.image import imread

from model2_assets.config import CrossValidationConfig
from model2_assets.cross_validation import Role, build_cv_splits
from model2_assets.evaluation import plot_fold_timeline
from model2_assets.evaluation._fold_timeline import _BAR_INCHES, _DPI, COLOURS, _roles_by_date
from model2_assets_tests.cross_validation._panels import full_panel, labels_table


def made(n_dates=500, window=30, **settings):
    index, label_end = full_panel(2, n_dates, window=window)
    labels = labels_table(index, end_30d=label_end)
    return build_cv_splits(index, labels, CrossValidationConfig(**settings))


def shares(picture: bytes) -> dict[Role, float]:
    """Return the share of pixels in each role's colour."""
    pixels = (imread(BytesIO(picture))[..., :3] * 255).round().astype(int)
    found = {}
    for role, colour in COLOURS.items():
        rgb = [int(colour[i : i + 2], 16) for i in (1, 3, 5)]
        found[role] = float((np.abs(pixels - rgb).max(axis=-1) <= 2).mean())
    return found


def test_picture_is_a_png_with_every_role_in_proportion():
    picture = plot_fold_timeline(made())
    assert picture.startswith(b"\x89PNG")
    assert imread(BytesIO(picture)).shape[1] >= 900
    found = shares(picture)
    splits = made()
    roles = splits.filter(like="split_").to_numpy()
    ratio = found[Role.TEST] / found[Role.TRAIN]
    assert ratio == pytest.approx((roles == 1).sum() / (roles == 0).sum(), rel=0.05)
    assert found[Role.PURGED_BEFORE] == pytest.approx(found[Role.PURGED_AFTER], rel=0.1)


def test_the_same_splits_give_the_same_bytes():
    splits = made(n_groups=6, n_test_groups=2)
    assert plot_fold_timeline(splits) == plot_fold_timeline(splits)


def test_a_short_embargo_in_a_long_history_stays_visible():
    without = shares(plot_fold_timeline(made(n_dates=8000, embargo_days=0)))
    with_embargo = shares(plot_fold_timeline(made(n_dates=8000, embargo_days=5)))
    assert with_embargo[Role.EMBARGOED] > without[Role.EMBARGOED] + 4e-4


@pytest.mark.parametrize("settings", [{"n_groups": 10, "n_test_groups": 3}, {"n_groups": 2}])
@pytest.mark.parametrize("n_dates", [12, 80])
def test_short_histories_and_many_splits_can_be_drawn(n_dates, settings):
    assert plot_fold_timeline(made(n_dates=n_dates, window=1, **settings)).startswith(b"\x89PNG")


def test_unused_dates_of_a_walk_forward_are_drawn_and_named_only_there():
    forward = shares(plot_fold_timeline(made(scheme="walk_forward")))
    # Splits of 4 test 1 group of 5, and leave 3, 2, 1 and none of them unused.
    assert forward[Role.UNUSED] / forward[Role.TEST] == pytest.approx(6 / 4, rel=0.05)
    assert shares(plot_fold_timeline(made()))[Role.UNUSED] < forward[Role.UNUSED] / 100


def test_splits_per_horizon_are_drawn_below_each_other():
    index, label_end = full_panel(2, 300, window=30)
    labels = labels_table(index, end_5d=label_end, end_30d=label_end)
    config = CrossValidationConfig(purge="per_horizon")
    per_horizon = plot_fold_timeline(build_cv_splits(index, labels, config))
    once = plot_fold_timeline(build_cv_splits(index, labels, CrossValidationConfig()))
    height = imread(BytesIO(per_horizon)).shape[0] - imread(BytesIO(once)).shape[0]
    assert height == pytest.approx(5 * _BAR_INCHES * _DPI, abs=1)


def test_a_date_has_the_role_of_most_of_its_rows():
    roles = np.array([0, 0, 2, 2, 2, 0, 4, 4, 3, 3], dtype=np.int8)
    codes = np.array([0, 0, 0, 1, 1, 1, 2, 2, 3, 4])
    assert _roles_by_date(roles, codes, 5).tolist() == [0, 2, 4, 3, 3]


def test_importing_is_light_and_no_global_state_of_pyplot_is_touched():
    code = (
        "import sys\n"
        "import pandas as pd\n"
        "from model2_assets.evaluation import plot_fold_timeline\n"
        "assert not {'matplotlib', 'sklearn', 'xgboost'} & set(sys.modules)\n"
        "levels = [['A'], pd.bdate_range('2020-01-01', periods=4)]\n"
        "index = pd.MultiIndex.from_product(levels, names=['instrument', 'datetime'])\n"
        "plot_fold_timeline(pd.DataFrame({'split_0': [0, 2, 1, 1]}, index=index))\n"
        "assert 'matplotlib.pyplot' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True)
