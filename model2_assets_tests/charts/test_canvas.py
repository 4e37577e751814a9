import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from model2_assets.reports.canvas import ACCENT, BAD, INK, VARIABLES, png, svg

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
