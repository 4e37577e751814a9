import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from io import BytesIO

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from model2_assets.evaluation import Calibration
from model2_assets.reports import canvas
from model2_assets.reports import data_charts as data
from model2_assets.reports import score_charts as score
from model2_assets.reports.canvas import ACCENT, BAD, INK, VARIABLES, png, svg
from model2_assets_tests.reports.test_data_charts import BY_FOLD, COVERAGE, made
from model2_assets_tests.reports.test_score_charts import BINS, folds, scored

SVG = "{http://www.w3.org/2000/svg}"


def line(axes):
    axes.plot([1, 2, 3], [0.12345, -1, 2], "o-", color=ACCENT, label="one & <two>")
    axes.bar([1, 2], [1, 2], color=BAD, alpha=0.5)
    axes.text(1, 1, "0.12345", color=INK)
    axes.legend()


def test_png_has_the_size_asked_for_few_colours_and_few_kilobytes():
    picture = png(line, width_px=700, height_px=210)
    with Image.open(BytesIO(picture)) as image:
        assert image.size == (700, 210)
        assert image.mode == "P"
        assert image.getpixel((0, 0)) == image.getpixel((699, 209))
        assert image.convert("RGB").getpixel((0, 0)) == (255, 255, 255)
        pixels = np.asarray(image.convert("RGB"), dtype=int).reshape(-1, 3)
    accent = [int(ACCENT[i : i + 2], 16) for i in (1, 3, 5)]
    assert (np.abs(pixels - accent).max(axis=1) <= 12).sum() > 200
    assert len(picture) < 15_000


def test_the_same_drawing_gives_the_same_bytes():
    assert png(line) == png(line)
    assert svg(line) == svg(line)


def test_svg_colours_are_all_variables_with_the_png_s_colours_as_fallback():
    text = svg(line)
    root = ET.fromstring(text)
    colours = re.findall(r"(?:fill|stroke|color): ([^;\"]+)", text)
    named = {f"var({name}, {colour})" for colour, name in VARIABLES.items()}
    assert set(colours) <= named | {"none"}
    assert {f"var(--accent, {ACCENT})", f"var(--bad, {BAD})", f"var(--ink, {INK})"} <= set(colours)
    assert root.tag == f"{SVG}svg"
    assert not re.search(r"#[0-9a-f]{6}\b|rgb\(|white|black", re.sub(r"var\([^)]*\)", "", text))


def test_svg_has_no_background():
    first_filled = re.search(r'style="[^"]*fill: var[^"]*"', svg(lambda axes: axes.set_axis_off()))
    assert first_filled is None


def test_svg_refers_to_nothing_outside_and_styles_nothing_but_itself():
    text = svg(line)
    assert text.count("http") == 1
    assert text.count("xmlns") == 1
    assert not re.search(r"<style|<script|<image|<!|<\?|xlink|@import", text)
    references = re.findall(r'(?:url\(|href=")([^)"]+)', text)
    ids = re.findall(r' id="([^"]+)"', text)
    assert {reference.removeprefix("#") for reference in references} == set(ids)
    assert len(ids) == len(set(ids)) > 0


def test_ids_of_two_drawings_on_a_page_differ():
    def other(axes):
        line(axes)
        axes.set_title("another")

    ids = [set(re.findall(r' id="([^"]+)"', svg(draw))) for draw in (line, other)]
    assert not ids[0] & ids[1]


def test_svg_text_is_text_in_the_font_of_the_page_and_keeps_its_digits():
    root = ET.fromstring(svg(line))
    written = [element.text for element in root.iter(f"{SVG}text")]
    assert "one & <two>" in written
    assert "0.12345" in written
    assert all("var(--chart-font" in element.get("style") for element in root.iter(f"{SVG}text"))


def test_svg_has_the_shape_asked_for():
    root = ET.fromstring(svg(line, width_px=640, height_px=160))
    left, top, width, height = map(float, root.get("viewBox").split())
    assert (left, top) == (0, 0)
    assert width / height == 4
    assert root.get("width") == "640"
    assert "max-width: 100%" in root.get("style")


def test_a_colour_of_its_own_is_refused():
    with pytest.raises(ValueError, match="#abcdef, which no page can restyle"):
        svg(lambda axes: axes.plot([1, 2], color="#abcdef"))


def test_no_global_state_is_touched():
    code = (
        "import sys\n"
        "import pandas as pd\n"
        "from model2_assets.reports.canvas import png\n"
        "from model2_assets.reports.data_charts import draw_heatmap\n"
        "assert not {'sklearn', 'xgboost', 'scipy.stats'} & set(sys.modules)\n"
        "png(lambda axes: draw_heatmap(axes, pd.DataFrame([[1.0]])))\n"
        "import matplotlib\n"
        "assert 'matplotlib.pyplot' not in sys.modules\n"
        "assert matplotlib.rcParams['font.size'] == 10\n"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True)


DATES = pd.bdate_range("2020-01-01", periods=300, name="datetime")
DAILY = pd.Series(np.random.default_rng(0).normal(0.01, 0.2, 300), index=DATES)
QUANTILES = pd.DataFrame({"mean": [-3.0, 1.0], "standard_error": [1.0, 2.0]}, index=[1, 2])
ROWS = np.random.default_rng(1).normal(0, 100, 1000)
LINES = {"a": DAILY, "b": -DAILY}
CUMULATIVE = pd.DataFrame({"mean": DAILY, "low": DAILY - 1, "high": DAILY + 1})

CALLS = {
    "draw_cumulative_spread": lambda axes: score.draw_cumulative_spread(axes, CUMULATIVE),
    "draw_estimates": lambda axes: score.draw_estimates(axes, QUANTILES, label="rank IC"),
    "draw_ic_histogram": lambda axes: score.draw_ic_histogram(axes, DAILY),
    "draw_normal_quantiles": lambda axes: score.draw_normal_quantiles(axes, ROWS),
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


def labelled(axes, name):
    axes.barh([0, 1], [1e-7, 2.5])
    axes.set_yticks([0, 1], [name, "short"])
    axes.plot([], [], label="a legend above")
    canvas.dress(axes, x="value, bps\nsecond line", y="feature", grid="x", legend=1)
    canvas.right_axis(axes, "on the right").plot([0, 1], [0, 1e6])


def assert_lies_within(draw, data, width_px):
    with canvas._style():
        drawn = canvas._drawn(draw, data, width_px, 280)
        renderer = drawn.get_renderer()
        # Of what is drawn inside of axes, much is clipped by them.
        inside = [
            axes.get_tightbbox(renderer, for_layout_only=True).extents for axes in drawn.figure.axes
        ]
    left, bottom, right, top = np.transpose(inside)
    assert min(left.min(), bottom.min()) > 2
    assert right.max() < width_px - 2
    assert top.max() < 280 - 2


@pytest.mark.parametrize(("length", "width_px"), [(5, 526), (40, 526), (5, 1080), (80, 1080)])
def test_labels_lie_within_the_picture(length, width_px):
    assert_lies_within(labelled, ("n" * length,), width_px)


@pytest.mark.parametrize("name", CALLS)
def test_nothing_of_a_chart_is_cut_off(name):
    assert_lies_within(CALLS[name], (), canvas.WIDTH_PX)


def test_names_longer_than_a_picture_are_cut_off():
    assert png(labelled, "n" * 500, width_px=526, height_px=100)
