from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from model2_assets.config import CrossValidationConfig
from model2_assets.cross_validation import Role, build_cv_splits
from model2_assets.reports.data_charts import BAR_PX, ROLE_COLOURS, fold_timeline_height
from model2_assets.reports.galleries import split_pictures
from model2_assets_tests.cross_validation._panels import full_panel, labels_table


def made(n_dates=500, window=30, **settings):
    index, label_end = full_panel(2, n_dates, window=window)
    labels = labels_table(index, end_30d=label_end)
    return build_cv_splits(index, labels, CrossValidationConfig(**settings))


def picture_of(splits) -> bytes:
    return split_pictures(splits)["Fold timeline"]


def shares(picture: bytes) -> dict[Role, float]:
    """Return the share of pixels in each role's colour."""
    with Image.open(BytesIO(picture)) as image:
        pixels = np.asarray(image.convert("RGB"), dtype=int)
    found = {}
    for role, colour in ROLE_COLOURS.items():
        rgb = [int(colour[i : i + 2], 16) for i in (1, 3, 5)]
        found[role] = float((np.abs(pixels - rgb).max(axis=-1) <= 2).mean())
    return found


def test_picture_has_every_role_in_proportion():
    splits = made()
    picture = picture_of(splits)
    found = shares(picture)
    roles = splits.filter(like="split_").to_numpy()
    ratio = found[Role.TEST] / found[Role.TRAIN]
    assert ratio == pytest.approx((roles == 1).sum() / (roles == 0).sum(), rel=0.05)
    assert found[Role.PURGED_BEFORE] == pytest.approx(found[Role.PURGED_AFTER], rel=0.1)
    assert len(picture) < 20_000


def test_a_short_embargo_in_a_long_history_stays_visible():
    without = shares(picture_of(made(n_dates=8000, embargo_days=0)))
    with_embargo = shares(picture_of(made(n_dates=8000, embargo_days=5)))
    assert with_embargo[Role.EMBARGOED] > without[Role.EMBARGOED] + 4e-4


@pytest.mark.parametrize("settings", [{"n_groups": 10, "n_test_groups": 3}, {"n_groups": 2}])
@pytest.mark.parametrize("n_dates", [12, 80])
def test_short_histories_and_many_splits_can_be_drawn(n_dates, settings):
    splits = made(n_dates=n_dates, window=1, **settings)
    with Image.open(BytesIO(picture_of(splits))) as image:
        assert image.size == (900, fold_timeline_height(splits))
        assert image.height <= 1000


def test_unused_dates_of_a_walk_forward_are_drawn_and_named_only_there():
    forward = shares(picture_of(made(scheme="walk_forward")))
    # Splits of 4 test 1 group of 5, and leave 3, 2, 1 and none of them unused.
    assert forward[Role.UNUSED] / forward[Role.TEST] == pytest.approx(6 / 4, rel=0.05)
    assert shares(picture_of(made()))[Role.UNUSED] < forward[Role.UNUSED] / 100


def test_splits_per_horizon_are_drawn_below_each_other():
    index, label_end = full_panel(2, 300, window=30)
    labels = labels_table(index, end_5d=label_end, end_30d=label_end)
    config = CrossValidationConfig(purge="per_horizon")
    per_horizon = fold_timeline_height(build_cv_splits(index, labels, config))
    once = fold_timeline_height(build_cv_splits(index, labels, CrossValidationConfig()))
    assert per_horizon - once == 5 * BAR_PX
