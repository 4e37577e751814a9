"""The colours of all charts, each of which a page can restyle.

A chart draws with the constants of this module and with no other colour. In a PNG they are
what they say; in an SVG each becomes a CSS custom property of the name in `VARIABLES`, with
the constant as its fallback, so that a page gives its own values to light, dark and print.
Shades are made by opacity, never by further colours.
"""

from types import MappingProxyType

INK = "#1b1f24"
MUTED = "#5f6b78"
GRID = "#d8dde3"
BAND = "#c8cdd3"
FAINT = "#f1f3f5"
ACCENT = "#0072b2"
ACCENT_2 = "#d55e00"
CAUTION = "#f0c000"
GOOD = "#009e73"
BAD = "#b3263c"

VARIABLES = MappingProxyType(
    {
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
)
"""Custom properties by colour:

============ ==========================================================
--ink        text that is read, strongest marks
--muted      axes, tick labels, secondary text and marks
--grid       grid and zero lines
--band       neutral areas, such as train dates
--faint      areas that are hardly there, such as unused dates
--accent     first series; positive cells of a heatmap
--accent-2   second series; negative cells of a heatmap
--caution    third series, such as purged dates
--good       gains
--bad        losses
============ ==========================================================

Text takes the page's font from ``--chart-font``, else ``sans-serif``. Hues after Okabe and
Ito (2008): colour-blind readers tell them apart.
"""
