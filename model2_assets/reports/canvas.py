"""One drawing, two pictures: a small PNG for metadata, an SVG that a page restyles."""

import hashlib
import re
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from functools import cache
from io import BytesIO, StringIO
from typing import Any, Literal

import numpy as np
import pandas as pd
from cycler import cycler
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg, RendererAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.collections import PolyCollection
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter, date2num
from matplotlib.figure import Figure
from matplotlib.font_manager import findfont, get_font
from matplotlib.text import Text
from numpy.typing import NDArray
from PIL.Image import Image, fromarray

from model2_assets.evaluation.ic import Values
from model2_assets.evaluation.metrics import number

INK = "#1b1f24"  # text that is read, strongest marks
MUTED = "#5f6b78"  # axes, tick labels, secondary text and marks
GRID = "#d8dde3"  # grid and zero lines
BAND = "#c8cdd3"  # neutral areas, such as train dates
FAINT = "#f1f3f5"  # areas that are hardly there, such as unused dates
ACCENT = "#0072b2"  # first series; positive cells of a heatmap
ACCENT_2 = "#d55e00"  # second series; negative cells of a heatmap
CAUTION = "#f0c000"  # third series, such as purged dates
GOOD = "#009e73"  # gains
BAD = "#b3263c"  # losses

VARIABLES = {
    INK: "--ink",
    MUTED: "--muted",
    GRID: "--grid",
    BAND: "--band",
    FAINT: "--faint",
    ACCENT: "--accent",
    ACCENT_2: "--accent-2",
    CAUTION: "--caution",
    GOOD: "--good",
    BAD: "--bad",
}
"""Custom properties by colour. Hues after Okabe and Ito (2008): colour-blind readers tell them
apart. Text takes the page's font from ``--chart-font``, else ``sans-serif``."""

Draw = Callable[..., None]
"""Draws data on empty axes of a figure of its own: called with the axes and the data."""

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


def png(draw: Draw, *data: Any, width_px: int = WIDTH_PX, height_px: int = HEIGHT_PX) -> bytes:
    """Return a drawing as a small PNG on white, of at most 64 colours: some kilobytes."""
    with _style():
        canvas = _drawn(draw, data, width_px, height_px)
        canvas.draw()
    pixels = np.asarray(canvas.buffer_rgba())[..., :3]
    picture = BytesIO()
    _with_few_colours(pixels).save(picture, format="png", compress_level=6)
    return picture.getvalue()


def svg(draw: Draw, *data: Any, width_px: int = WIDTH_PX, height_px: int = HEIGHT_PX) -> str:
    """Return a drawing as an ``<svg>`` element to be put into a page.

    It has no background and shrinks to the width of what contains it. Every colour is a custom
    property of `VARIABLES`, every text is text in the font ``--chart-font``, nothing outside is
    referred to, and ids are those of no other drawing on the page.
    """
    with _style():
        figure = _drawn(draw, data, width_px, height_px).figure
        figure.patch.set_visible(False)
        written = StringIO()
        # savefig would draw once more, for a layout that it does not know to be done.
        FigureCanvasSVG(figure).print_svg(written, metadata=dict.fromkeys(_SVG_METADATA))
    return _embeddable(written.getvalue(), width_px, height_px)


def _with_few_colours(pixels: NDArray[np.uint8]) -> Image:
    """Return a picture in its most frequent colours, which areas and lines keep exactly."""
    packed = pixels.astype(np.int32) @ np.array([1 << 16, 1 << 8, 1], dtype=np.int32)
    found, place, counts = np.unique(packed, return_inverse=True, return_counts=True)
    colours = np.stack([found >> 16, found >> 8 & 255, found & 255], axis=1)
    palette = colours[np.argsort(-counts, kind="stable")[:_PNG_COLOURS]]
    nearest = np.square(colours[:, np.newaxis] - palette).sum(axis=2).argmin(axis=1)
    picture = fromarray(nearest.astype(np.uint8)[place])
    picture.putpalette(palette.astype(np.uint8).tobytes())
    return picture


def _style() -> AbstractContextManager[None]:
    return rc_context({**_STYLE, "axes.prop_cycle": cycler(color=[ACCENT, ACCENT_2])})


def _drawn(draw: Draw, data: tuple[Any, ...], width_px: int, height_px: int) -> FigureCanvasAgg:
    figure = Figure(figsize=(width_px / _DPI, height_px / _DPI), dpi=_DPI)
    canvas = FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    _lay_out(figure, _MARGINS_PX)
    draw(axes, *data)
    renderer = canvas.get_renderer()
    _lay_out(figure, np.max([_margins_px(each, renderer) for each in figure.axes], axis=0))
    return canvas


def _lay_out(figure: Figure, margins_px: Values) -> None:
    """Set margins; what is too long for the picture is cut off, and leaves a tenth to it."""
    shares = margins_px / np.tile([figure.bbox.width, figure.bbox.height], 2)
    left, bottom, right, top = shares * np.minimum(0.9 / np.tile(shares[:2] + shares[2:], 2), 1.0)
    figure.subplots_adjust(left=left, bottom=bottom, right=1 - right, top=1 - top)


_MARGINS_PX = np.array([50.0, 40.0, 10.0, 20.0])
"""Left, bottom, right, top, as most charts need them: how many ticks there are depends on it."""

_PAD_PX = 5.0
_LINE_PX = 15.0
_TITLE_PX = 25.0
_TO_TICK_LABELS_PX = 9.0


def _margins_px(axes: Axes, renderer: RendererAgg) -> Values:
    """Return the margins that labels, legend and title of axes need: left, bottom, right, top.

    matplotlib's layouts measure every text again and again, which is half of the time of a chart.
    """
    left = bottom = right = top = _PAD_PX
    if not axes.axison:
        return np.array([left, bottom, right, top])
    texts = [label.get_text() for label in axes.yaxis.get_ticklabels()]
    beside = _PAD_PX + _TO_TICK_LABELS_PX + max(map(_width_px, texts), default=0.0)
    beside += (_LINE_PX + _PAD_PX) * bool(axes.get_ylabel())
    on_right = not axes.xaxis.get_visible()  # as `right_axis` makes them
    if not on_right:
        labels = axes.xaxis.get_ticklabels()
        offset = axes.xaxis.get_major_formatter().get_offset()
        written = [labels[0].get_text() if labels else "", axes.get_xlabel(), offset]
        lines = [text.count("\n") + 1 for text in written if text]
        bottom += _TO_TICK_LABELS_PX + _PAD_PX * (len(lines) - 1) + _LINE_PX * sum(lines)
        right += max([0.0, *(_beyond_px(axes, label) for label in labels)])
    legend = axes.get_legend()
    top += legend.get_window_extent(renderer).height if legend else _LINE_PX / 2
    top += _TITLE_PX * bool(axes.get_title(loc="left"))
    return np.array([0 if on_right else beside, bottom, beside if on_right else right, top])


def _beyond_px(axes: Axes, label: Text) -> float:
    """Return how far a label below axes reaches beyond their right end; 0 or less: not."""
    place = axes.transLimits.transform((label.get_position()[0], 0.0))[0]
    inside = (1 - place) * axes.bbox.width
    return _width_px(label.get_text()) / 2 - inside if inside >= 0 else 0.0


def _width_px(text: str) -> float:
    """Return the width of the longest line of a text."""
    return max(sum(map(_advance_px, line)) for line in text.split("\n"))


@cache
def _advance_px(character: str) -> float:
    font = get_font(findfont("DejaVu Sans"))
    font.set_size(_STYLE["font.size"], _DPI)
    advance: float = font.load_char(ord(character)).linearHoriAdvance / 65536
    return advance


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


_OFFSETS = ["", "%Y", "%Y", "%Y-%m-%d", "%Y-%m-%d", "%Y-%m-%d %H:%M"]
"""What the last tick of each unit, years first, leaves to say."""


def left_empty(axes: Axes, is_empty: bool, reason: str) -> bool:
    """Say in a chart's place why there is none, if so, and return whether it is."""
    if is_empty:
        place: Any = {"ha": "center", "va": "center", "transform": axes.transAxes}
        axes.set_axis_off()
        axes.text(0.5, 0.5, reason, color=MUTED, **place)
    return is_empty


def dress(
    axes: Axes,
    *,
    x: str = "",
    y: str = "",
    grid: Literal["x", "y", ""] = "y",
    legend: int = 0,
    dates: list[Any] | pd.Index | None = None,
) -> None:
    """Name the axes, with grid lines of the values alone, and a legend above in so many columns.

    With ascending dates, the horizontal axis runs from the first to the last, with short ticks.
    """
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    if grid:
        axes.grid(axis=grid)
        axes.tick_params(axis="y", length=0)
    if dates is not None:
        calendar = pd.DatetimeIndex(dates)
        locator = AutoDateLocator(minticks=4, maxticks=12)
        axes.xaxis.set_major_locator(locator)
        axes.xaxis.set_major_formatter(ConciseDateFormatter(locator, offset_formats=_OFFSETS))
        first, last = date2num(calendar[[0, -1]].to_numpy())
        axes.set_xlim(first - 0.5, last + 0.5)
    if legend:
        axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=legend, borderaxespad=0.2)


def name_rows(axes: Axes, names: Sequence[object]) -> None:
    """Name rows from the top down in place of an axis; of many, only some."""
    step = max(1, -(-len(names) // 40))
    axes.set_yticks(range(0, len(names), step), [str(name) for name in names[::step]])
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)


def thinned(series: Any) -> Any:
    """Return at most as many rows of a table or series as there are pixels, the last included."""
    step = -(-len(series) // WIDTH_PX)
    return series.iloc[::-1].iloc[::step].iloc[::-1]


def zero_lines(axes: Axes, of: Literal["x", "y", "xy"] = "y") -> None:
    """Draw the line where an axis is zero, or those of both."""
    for axis, draw in (("x", axes.axvline), ("y", axes.axhline)):
        if axis in of:
            draw(0, color=MUTED, linewidth=0.8, zorder=1.5)


MEAN: Any = {"color": INK, "linewidth": 1, "linestyle": (0, (4, 3))}
"""Look of a line at a mean, or at any other value to compare with."""


def whole_numbers(axes: Axes) -> None:
    """Write the values of the vertical axis without decimals, in groups of three digits."""
    axes.yaxis.set_major_formatter(lambda value, _: number(value, ",.0f"))


def right_axis(axes: Axes, label: str) -> Axes:
    """Return axes of the same width with a scale of their own on the right."""
    right = axes.twinx()
    right.spines[:].set_visible(False)
    right.tick_params(axis="y", length=0)
    right.set_ylabel(label)
    return right


def boxes(axes: Axes, x: tuple[Values, Values], y: tuple[Values, Values], **look: Any) -> None:
    """Draw boxes between edges as one artist: as many rectangles would take most of the time."""
    (left, right), (low, high) = x, y
    corners = [(left, low), (left, high), (right, high), (right, low)]
    polygons = np.stack([np.stack(corner, axis=1) for corner in corners], axis=1)
    axes.add_collection(PolyCollection(list(polygons), linewidths=0, **look))
