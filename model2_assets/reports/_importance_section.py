"""What the fold models make of their features."""

import pandas as pd

from model2_assets.charts import (
    TOP_FEATURES,
    draw_heatmap,
    draw_importances,
    heatmap_height,
    importances_height,
    svg,
)
from model2_assets.evaluation import (
    importance_stability,
    importances_by_fold,
    main_importance_kind,
)
from model2_assets.reports._document import Chart, Section
from model2_assets.reports._sizes import HALF_PX


def importance_section(importance: pd.DataFrame) -> Section:
    """Return the most important features, and whether the fold models agree on them."""
    kind = main_importance_kind(importance)
    by_fold = importances_by_fold(importance, kind)
    top = by_fold.head(TOP_FEATURES)
    stability = importance_stability(by_fold).rename_axis(index=None, columns=None)
    return Section(
        "importances",
        "Features",
        (
            Chart(
                "top-features",
                f"The {len(top)} most important of {len(by_fold)} features",
                svg(
                    lambda axes: draw_importances(axes, top, kind=kind),
                    width_px=HALF_PX,
                    height_px=importances_height(len(top)),
                ),
                width="half",
            ),
            Chart(
                "importance-stability",
                "Rank correlation of importances between fold models",
                svg(
                    lambda axes: draw_heatmap(axes, stability, limit=1.0),
                    width_px=HALF_PX,
                    height_px=heatmap_height(len(stability)),
                ),
                note="By split. Models of combinatorial splits share most of their train rows, "
                "which makes them alike.",
                width="half",
            ),
        ),
    )
