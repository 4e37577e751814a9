"""One drawing, two pictures: a small PNG for metadata, an SVG that a page restyles."""

import hashlib
import re
from collections.abc import Callable
from contextlib import AbstractContextManager
from io import BytesIO, StringIO
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from model2_assets.charts._palette import ACCENT, ACCENT_2, GRID, INK, MUTED, VARIABLES

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from PIL.Image import Image

Draw = Callable[["Axes"], None]
"""Draws a chart on empty axes of a figure of its own."""

WIDTH_PX = 900
HEIGHT_PX = 300

_DPI = 100
_PNG_COLOURS = 64

_STYLE: dict[Any, Any] = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 9,
    "text.color": INK,
    "axes.edgecolor": MUTED,
    "axes.labelcolor": INK,
    "axes.labelsize": 9,
    "axes.titlecolor": INK,
    "axes.titlesize": 10,
    "axes.titlelocation": "left",
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.facecolor": "none",
    "grid.color": GRID,
    "grid.linewidth": 0.8,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.labelsize": 9,
    "ytick.labelsize": 9,
    "xtick.major.size": 3,
    "ytick.major.size": 3,
    "legend.frameon": False,
    "legend.fontsize": 9,
    "legend.handlelength": 1.4,
    "patch.linewidth": 0,
    "figure.facecolor": "white",
    "svg.fonttype": "none",
    "svg.hashsalt": "model2_assets",
}


def png(draw: Draw, *, width_px: int = WIDTH_PX, height_px: int = HEIGHT_PX) -> bytes:
    """Return a drawing as a small PNG on white.

    Parameters
    ----------
    draw : callable
        Called with the axes to draw on.
    width_px, height_px : int, default 900 and 300
        Size of the picture, pixels.

    Returns
    -------
    bytes
        A PNG of at most 64 colours: some kilobytes, the same for the same drawing.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    with _style():
        canvas = FigureCanvasAgg(_drawn(draw, width_px, height_px))
        canvas.draw()
    pixels = np.asarray(canvas.buffer_rgba())[..., :3]
    picture = BytesIO()
    _with_few_colours(pixels).save(picture, format="png", compress_level=6)
    return picture.getvalue()


def svg(draw: Draw, *, width_px: int = WIDTH_PX, height_px: int = HEIGHT_PX) -> str:
    """Return a drawing as SVG to be put into a page.

    Parameters
    ----------
    draw : callable
        Called with the axes to draw on.
    width_px, height_px : int, default 900 and 300
        Shape of the picture, CSS pixels; it shrinks to the width of what contains it.

    Returns
    -------
    str
        An ``<svg>`` element without a background. Every colour is a custom property of
        `VARIABLES`, every text is text in the font ``--chart-font``, nothing outside is
        referred to, and ids are those of no other drawing on the page.
    """
    from matplotlib.backends.backend_svg import FigureCanvasSVG

    with _style():
        figure = _drawn(draw, width_px, height_px)
        figure.patch.set_visible(False)
        figure.draw_without_rendering()
        figure.set_layout_engine("none")  # it would be worked out again
        written = StringIO()
        # savefig would draw once more, for a layout that it does not know to be done.
        FigureCanvasSVG(figure).print_svg(written, metadata=dict.fromkeys(_SVG_METADATA))
    return _embeddable(written.getvalue(), width_px, height_px)


def _with_few_colours(pixels: NDArray[np.uint8]) -> "Image":
    """Return a picture in its most frequent colours, which areas and lines keep exactly."""
    from PIL.Image import fromarray

    height, width, _ = pixels.shape
    packed = pixels.astype(np.int32) @ np.array([1 << 16, 1 << 8, 1], dtype=np.int32)
    found = fromarray(pixels).getcolors(height * width)
    counts = sorted(cast(list[tuple[int, tuple[int, int, int]]], found), reverse=True)
    colours = np.array([colour for _, colour in counts], dtype=np.int32)
    palette = colours[:_PNG_COLOURS]
    distance = np.square(colours[:, np.newaxis] - palette).sum(axis=2)
    place = np.zeros(1 << 24, dtype=np.uint8)
    place[colours @ np.array([1 << 16, 1 << 8, 1], dtype=np.int32)] = distance.argmin(axis=1)
    picture = fromarray(place[packed])
    picture.putpalette(palette.astype(np.uint8).tobytes())
    return picture


def _style() -> AbstractContextManager[None]:
    from cycler import cycler
    from matplotlib import rc_context

    return rc_context({**_STYLE, "axes.prop_cycle": cycler(color=[ACCENT, ACCENT_2])})


def _drawn(draw: Draw, width_px: int, height_px: int) -> "Figure":
    from matplotlib.figure import Figure

    size = (width_px / _DPI, height_px / _DPI)
    figure = Figure(figsize=size, dpi=_DPI, layout="constrained")
    draw(figure.add_subplot())
    return figure


_SVG_METADATA = ("Creator", "Date", "Format", "Type")
_COLOUR = re.compile(r"#[0-9a-f]{6}\b")
_FONT = re.compile(r"font-family: [^;\"]*")
_GEOMETRY = re.compile(r'\b(?:d|x|y|width|height|transform)="[^"]*"')
_LONG_NUMBER = re.compile(r"-?\d+\.\d{3,}")
_REFERENCE = re.compile(r'(?:url\(|href=")#([^)"]+)')
_ID = re.compile(r' id="([^"]*)"')


def _embeddable(written: str, width_px: int, height_px: int) -> str:
    """Return matplotlib's SVG document as an element that suits any page."""
    body = written[written.index("<defs>", written.index("<svg")) :]
    body = body[body.index("</defs>") + len("</defs>") :]  # its style sheet would hold page-wide
    body = re.sub(r"<!--.*?-->", "", body, flags=re.DOTALL)
    body = re.sub(r"\s*\n\s*", " ", body).replace("> <", "><")
    body = body.replace("xlink:href=", "href=")
    body = _FONT.sub("font-family: var(--chart-font, sans-serif)", body)
    body = _COLOUR.sub(_variable, body)
    body = _GEOMETRY.sub(lambda found: _LONG_NUMBER.sub(_rounded, found[0]), body)
    view = f"0 0 {width_px * 72 / _DPI:g} {height_px * 72 / _DPI:g}"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" width="{width_px}" '
        f'viewBox="{view}" style="max-width: 100%; height: auto; stroke-linejoin: round; '
        f'stroke-linecap: butt">{_own_ids(body.strip())}'
    )


def _variable(colour: re.Match[str]) -> str:
    if colour[0] not in VARIABLES:
        raise ValueError(f"a chart draws with {colour[0]}, which no page can restyle")
    return f"var({VARIABLES[colour[0]]}, {colour[0]})"


def _rounded(number: re.Match[str]) -> str:
    return f"{float(number[0]):.2f}"


def _own_ids(body: str) -> str:
    """Drop ids that nothing refers to, and make the others those of this drawing alone."""
    used = set(_REFERENCE.findall(body))
    prefix = "chart-" + hashlib.sha256(body.encode()).hexdigest()[:8]
    body = _ID.sub(lambda i: f' id="{prefix}-{i[1]}"' if i[1] in used else "", body)
    return _REFERENCE.sub(lambda r: r[0].replace("#", f"#{prefix}-"), body)
