"""Charts: each draws on matplotlib axes; `png` and `svg` make pictures of them.

A chart is a function ``draw_x(axes, data)``. ``png(lambda axes: draw_x(axes, data))`` is its
small picture for metadata, ``svg`` the same as an element that a page restyles through the
CSS custom properties of `VARIABLES`. Statistics are those of `model2_assets.evaluation`.
"""

from model2_assets.charts._canvas import HEIGHT_PX, WIDTH_PX, Draw, png, svg
from model2_assets.charts._heatmap import draw_heatmap
from model2_assets.charts._palette import VARIABLES
from model2_assets.charts._quantile_returns import draw_quantile_returns
from model2_assets.charts._rank_ic import draw_rank_ic

__all__ = [
    "HEIGHT_PX",
    "VARIABLES",
    "WIDTH_PX",
    "Draw",
    "draw_heatmap",
    "draw_quantile_returns",
    "draw_rank_ic",
    "png",
    "svg",
]
