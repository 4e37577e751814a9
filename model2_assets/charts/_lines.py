"""How several lines of a chart are told apart: by colour, then by dashes."""

from dataclasses import dataclass
from typing import Literal

from model2_assets.charts._palette import ACCENT, ACCENT_2, GOOD, MUTED


@dataclass(frozen=True)
class LineStyle:
    """Colour and dashes of a line."""

    colour: str
    dashes: Literal["-"] | tuple[int, tuple[int, int]] = "-"


_DASHED = (0, (4, 2))
_COLOURS = (ACCENT, ACCENT_2, GOOD, MUTED)

LINE_STYLES = (
    *(LineStyle(colour) for colour in _COLOURS),
    *(LineStyle(colour, _DASHED) for colour in _COLOURS),
)
"""In the order in which lines take them."""
