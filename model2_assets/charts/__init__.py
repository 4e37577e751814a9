"""Charts: each draws on matplotlib axes; `png` and `svg` make pictures of them.

A chart is a function ``draw_x(axes, data)``. ``png(lambda axes: draw_x(axes, data))`` is its
small picture for metadata, ``svg`` the same as an element that a page restyles through the
CSS custom properties of `VARIABLES`. Statistics are those of `model2_assets.evaluation`.
"""

from model2_assets.charts._calibration import draw_calibration
from model2_assets.charts._canvas import (
    HEIGHT_PX,
    WIDTH_PX,
    Draw,
    png,
    svg,
)
from model2_assets.charts._cumulative_spread import draw_cumulative_spread
from model2_assets.charts._estimates import draw_estimates
from model2_assets.charts._feature_coverage import draw_feature_coverage
from model2_assets.charts._fold_rank_ic import draw_fold_rank_ic
from model2_assets.charts._fold_timeline import (
    draw_fold_timeline,
    fold_timeline_height,
)
from model2_assets.charts._heatmap import (
    draw_heatmap,
    heatmap_height,
)
from model2_assets.charts._ic_histogram import draw_ic_histogram
from model2_assets.charts._importances import (
    draw_importances,
    importances_height,
)
from model2_assets.charts._label_distribution import draw_label_distribution
from model2_assets.charts._normal_quantiles import draw_normal_quantiles
from model2_assets.charts._palette import VARIABLES
from model2_assets.charts._period_means import draw_period_means
from model2_assets.charts._prediction_distribution import draw_prediction_distribution
from model2_assets.charts._quantile_returns import draw_quantile_returns
from model2_assets.charts._rank_ic import draw_rank_ic
from model2_assets.charts._rank_ic_heatmap import draw_rank_ic_heatmap
from model2_assets.charts._running_sums import draw_running_sums
from model2_assets.charts._score_distribution import draw_score_distribution
from model2_assets.charts.galleries import (
    TOP_FEATURES,
    Gallery,
    feature_pictures,
    importance_pictures,
    label_pictures,
    prediction_pictures,
    score_pictures,
    split_pictures,
)

__all__ = [
    "HEIGHT_PX",
    "TOP_FEATURES",
    "VARIABLES",
    "WIDTH_PX",
    "Draw",
    "Gallery",
    "draw_calibration",
    "draw_cumulative_spread",
    "draw_estimates",
    "draw_feature_coverage",
    "draw_fold_rank_ic",
    "draw_fold_timeline",
    "draw_heatmap",
    "draw_ic_histogram",
    "draw_importances",
    "draw_label_distribution",
    "draw_normal_quantiles",
    "draw_period_means",
    "draw_prediction_distribution",
    "draw_quantile_returns",
    "draw_rank_ic",
    "draw_rank_ic_heatmap",
    "draw_running_sums",
    "draw_score_distribution",
    "feature_pictures",
    "fold_timeline_height",
    "heatmap_height",
    "importance_pictures",
    "importances_height",
    "label_pictures",
    "png",
    "prediction_pictures",
    "score_pictures",
    "split_pictures",
    "svg",
]
