from io import BytesIO

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex
from PIL import Image

from model2_assets.config import CrossValidationConfig
from model2_assets.cross_validation import Role, build_cv_splits
from model2_assets.reports.canvas import ACCENT, ACCENT_2
from model2_assets.reports.data_charts import (
    BAR_PX,
    ROLE_COLOURS,
    draw_feature_coverage,
    draw_heatmap,
    draw_importances,
    draw_label_distribution,
    draw_prediction_distribution,
    draw_rank_ic_heatmap,
    most_frequent_roles,
    split_pictures,
)
from model2_assets_tests.cross_validation.panels import full_panel, labels_table
from model2_assets_tests.reports.axes import drawn, legend_texts, texts


def made(n_dates=500, window=30, **settings):
    index, label_end = full_panel(2, n_dates, window=window)
    labels = labels_table(index, end_30d=label_end)
    return build_cv_splits(index, labels, CrossValidationConfig(**settings))


def picture_of(splits) -> bytes:
    return split_pictures(splits)["Fold timeline"]


def height_of(splits) -> int:
    with Image.open(BytesIO(picture_of(splits))) as image:
        return image.height


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
        assert image.width == 900
        assert image.height == height_of(splits) <= 1000


def test_unused_dates_of_a_walk_forward_are_drawn_and_named_only_there():
    forward = shares(picture_of(made(scheme="walk_forward")))
    # Splits of 4 test 1 group of 5, and leave 3, 2, 1 and none of them unused.
    assert forward[Role.UNUSED] / forward[Role.TEST] == pytest.approx(6 / 4, rel=0.05)
    assert shares(picture_of(made()))[Role.UNUSED] < forward[Role.UNUSED] / 100


def test_splits_per_horizon_are_drawn_below_each_other():
    index, label_end = full_panel(2, 300, window=30)
    labels = labels_table(index, end_5d=label_end, end_30d=label_end)
    config = CrossValidationConfig(purge="per_horizon")
    per_horizon = height_of(build_cv_splits(index, labels, config))
    once = height_of(build_cv_splits(index, labels, CrossValidationConfig()))
    assert per_horizon - once == 5 * BAR_PX


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


COVERAGE = pd.DataFrame(
    {"names": [4, 4, 5], "with_features": [0.0, 0.5, 1.0], "values": [np.nan, 0.9, 1.0]},
    index=pd.bdate_range("2024-01-01", periods=3, name="datetime"),
)


def test_lines_are_shares_in_percent_on_a_scale_from_zero():
    axes = drawn(lambda axes: draw_feature_coverage(axes, COVERAGE))
    with_features, values = axes.get_lines()[:2]
    np.testing.assert_array_equal(with_features.get_ydata(), [0, 50, 100])
    np.testing.assert_array_equal(values.get_ydata(), [np.nan, 90, 100])
    assert axes.get_ylim() == (0, 105)
    assert legend_texts(axes) == [
        "names with features, mean 50.00%",
        "their values that are there, mean 95.00%",
        "names (right)",
    ]


def test_names_stand_on_an_axis_of_their_own():
    axes = drawn(lambda axes: draw_feature_coverage(axes, COVERAGE))
    right = next(other for other in axes.figure.axes if other is not axes)
    (area,) = right.collections
    assert area.get_datalim(right.transData).y1 == 5
    assert right.get_ylabel() == "names"


def test_no_dates_are_said():
    found = texts(drawn(lambda axes: draw_feature_coverage(axes, COVERAGE.iloc[:0])))
    assert found == ["no dates"]


MATRIX = pd.DataFrame(
    [[1.0, -0.5], [0.25, np.nan]], index=["21d", "63d"], columns=["ridge", "xgboost"]
)


def cells(axes):
    (boxes,) = axes.collections
    return {
        (box.vertices[0, 1], box.vertices[0, 0]): (to_hex(colour), colour[3])
        for box, colour in zip(boxes.get_paths(), boxes.get_facecolor(), strict=True)
    }


def test_hue_is_the_sign_and_opacity_the_size():
    found = cells(drawn(lambda axes: draw_heatmap(axes, MATRIX)))
    strongest = found[0, 0][1]
    assert found[0, 0] == (ACCENT, strongest)
    assert found[0, 1] == (ACCENT_2, strongest / 2)
    assert found[1, 0] == (ACCENT, strongest / 4)
    assert found[1, 1][1] == 0


def test_rows_run_down_with_values_and_names():
    axes = drawn(lambda axes: draw_heatmap(axes, MATRIX, text=".1f"))
    assert texts(axes) == ["1.0", "−0.5", "0.2", "–"]
    assert [text.get_position() for text in axes.texts][1:3] == [(1.5, 0.5), (0.5, 1.5)]
    assert axes.get_ylim() == (2, 0)
    assert [label.get_text() for label in axes.get_xticklabels()] == ["ridge", "xgboost"]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["21d", "63d"]


def test_the_limit_is_the_strongest_shade_of_all_that_lies_beyond():
    found = cells(drawn(lambda axes: draw_heatmap(axes, MATRIX, limit=0.5)))
    assert found[0, 0][1] == found[0, 1][1] == 2 * found[1, 0][1]


@pytest.mark.parametrize("value", [0.0, np.nan])
def test_a_matrix_without_any_size_has_no_shade(value):
    axes = drawn(lambda axes: draw_heatmap(axes, pd.DataFrame([[value]])))
    assert [alpha for _, alpha in cells(axes).values()] == [0]


def test_many_cells_have_no_text_and_none_say_so():
    big = pd.DataFrame(np.ones((21, 20)))
    assert texts(drawn(lambda axes: draw_heatmap(axes, big))) == []
    assert texts(drawn(lambda axes: draw_heatmap(axes, MATRIX, text=None))) == []
    assert texts(drawn(lambda axes: draw_heatmap(axes, big.iloc[:0]))) == ["nothing to compare"]


BY_FOLD = pd.DataFrame([[4.0, 6.0], [-3.0, -1.0]], index=pd.Index(["MA5", "STD20"], name="feature"))


def test_bars_are_means_whiskers_deviations_and_dots_folds():
    axes = drawn(lambda axes: draw_importances(axes, BY_FOLD, kind="coefficient"))
    assert [bar.get_width() for bar in axes.patches] == [5, -2]
    assert [to_hex(bar.get_facecolor()) for bar in axes.patches] == [ACCENT, ACCENT_2]
    (whiskers,) = [found for found in axes.containers if hasattr(found, "has_xerr")]
    spread = np.sqrt(2)
    np.testing.assert_allclose(
        whiskers[2][0].get_segments(),
        [[[5 - spread, 0], [5 + spread, 0]], [[-2 - spread, 1], [-2 + spread, 1]]],
    )
    dots = next(line for line in axes.get_lines() if line.get_marker() == "o")
    np.testing.assert_array_equal(dots.get_xydata(), [[4, 0], [6, 0], [-3, 1], [-1, 1]])
    assert [label.get_text() for label in axes.get_yticklabels()] == ["MA5", "STD20"]
    assert axes.get_ylim()[0] > axes.get_ylim()[1]


@pytest.mark.parametrize("kind", ["gain", "coefficient", "weight"])
def test_the_axis_says_the_kind_with_its_unit(kind):
    label = drawn(lambda axes: draw_importances(axes, BY_FOLD, kind=kind)).get_xlabel()
    units = {"gain": "bps²", "coefficient": "bps per standard deviation", "weight": "splits of"}
    assert units[kind] in label


def test_one_fold_has_no_spread_and_none_is_said():
    one = drawn(lambda axes: draw_importances(axes, BY_FOLD[[0]], kind="gain"))
    assert not [line for line in one.get_lines() if line.get_marker() == "o"]
    empty = drawn(lambda axes: draw_importances(axes, BY_FOLD.iloc[:0], kind="gain"))
    assert texts(empty) == ["no importances"]


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
        return [alpha for _, alpha in cells(axes).values()]

    strongest, weak, beyond, missing = shades(RANK_IC)
    assert (beyond, missing) == (strongest, 0)
    assert np.isclose(weak / strongest, 0.0123 / 0.05)
    assert shades(RANK_IC.iloc[:1]) == [strongest, weak]


def test_without_partitions_it_says_so():
    empty = RANK_IC.iloc[:0]
    assert texts(drawn(lambda axes: draw_rank_ic_heatmap(axes, empty, empty))) == [
        "nothing to compare"
    ]


def test_a_date_has_the_role_of_most_of_its_rows():
    roles = np.array([0, 0, 2, 2, 2, 0, 4, 4, 3, 3], dtype=np.int8)
    codes = np.array([0, 0, 0, 1, 1, 1, 2, 2, 3, 4])
    assert most_frequent_roles(roles, codes, 5).tolist() == [0, 2, 4, 3, 3]
