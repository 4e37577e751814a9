"""Charts: each draws on matplotlib axes; `png` and `svg` make pictures of them.

A chart is a function ``draw_x(axes, data)``. ``png(lambda axes: draw_x(axes, data))`` is its
small picture for metadata, ``svg`` the same as an element that a page restyles through the
CSS custom properties of `VARIABLES`. Statistics are those of `model2_assets.evaluation`.
"""

from model2_assets.charts._canvas import HEIGHT_PX, WIDTH_PX, Draw, png, svg
from model2_assets.charts._cumulative_spread import draw_cumulative_spread
from model2_assets.charts._estimates import draw_estimates
from model2_assets.charts._heatmap import draw_heatmap
from model2_assets.charts._ic_histogram import draw_ic_histogram
from model2_assets.charts._normal_quantiles import draw_normal_quantiles
from model2_assets.charts._palette import VARIABLES
from model2_assets.charts._period_means import draw_period_means
from model2_assets.charts._quantile_returns import draw_quantile_returns
from model2_assets.charts._rank_ic import draw_rank_ic
from model2_assets.charts._running_sums import draw_running_sums

__all__ = [
    "HEIGHT_PX",
    "VARIABLES",
    "WIDTH_PX",
    "Draw",
    "draw_cumulative_spread",
    "draw_estimates",
    "draw_heatmap",
    "draw_ic_histogram",
    "draw_normal_quantiles",
    "draw_period_means",
    "draw_quantile_returns",
    "draw_rank_ic",
    "draw_running_sums",
    "png",
    "svg",
]
