"""Widths of drawings, CSS pixels: of the page's text, and of one of two columns."""

FULL_PX = 1080
HALF_PX = 526
