"""The predictions themselves."""

import pandas as pd

from model2_assets.charts import (
    draw_calibration,
    draw_prediction_distribution,
    svg,
)
from model2_assets.evaluation import (
    LAG_OVERLAPS,
    calibration,
)
from model2_assets.reports._document import Chart, Section
from model2_assets.reports._partition_statistics import PartitionStatistics
from model2_assets.reports._sizes import FULL_PX


def prediction_section(found: PartitionStatistics, oof: pd.DataFrame, limit_bps: float) -> Section:
    """Return how predictions are distributed, and what came of them."""
    index = oof.index
    assert isinstance(index, pd.MultiIndex)
    calibrated = calibration(
        found.prediction, found.label, index, lag=LAG_OVERLAPS * found.overlap_days
    )
    return Section(
        "predictions",
        "Predictions",
        (
            Chart(
                "calibration",
                "Realized label against prediction",
                svg(
                    lambda axes: draw_calibration(axes, calibrated),
                    width_px=FULL_PX,
                    height_px=300,
                ),
            ),
            Chart(
                "prediction-distribution",
                "Distribution of the predictions",
                svg(
                    lambda axes: draw_prediction_distribution(
                        axes, found.prediction, limit_bps=limit_bps
                    ),
                    width_px=FULL_PX,
                    height_px=240,
                ),
            ),
        ),
    )
