"""The daily rank IC of one horizon and model."""

import pandas as pd

from model2_assets.charts import (
    draw_heatmap,
    draw_ic_histogram,
    draw_normal_quantiles,
    draw_rank_ic,
    svg,
)
from model2_assets.evaluation import (
    ic_distribution,
    monthly_mean_ic,
    normal_quantiles,
)
from model2_assets.reports._document import Chart, Section
from model2_assets.reports._numbers import number
from model2_assets.reports._partition_statistics import PartitionStatistics
from model2_assets.reports._sizes import FULL_PX, HALF_PX

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")

_YEAR_PX = 17


def information_section(found: PartitionStatistics) -> Section:
    """Return the daily rank IC: over time, its distribution, and month by month."""
    shape = ic_distribution(found.rank_ic)
    monthly = (100 * monthly_mean_ic(found.rank_ic)).round() + 0.0
    monthly = monthly.rename_axis(index=None)
    monthly.columns = pd.Index(_MONTHS)
    return Section(
        "information-coefficient",
        "Information coefficient",
        (
            Chart(
                "ic-series",
                "Rank IC over time",
                svg(
                    lambda axes: draw_rank_ic(axes, found.rank_ic), width_px=FULL_PX, height_px=280
                ),
                note="Bars: means of the daily rank IC over calendar periods. Line: running sum "
                "of the daily values; its slope matters, not its height.",
            ),
            Chart(
                "ic-monthly",
                "Mean rank IC by month, hundredths",
                svg(
                    lambda axes: draw_heatmap(axes, monthly, text="{:.0f}"),
                    width_px=HALF_PX,
                    height_px=60 + _YEAR_PX * max(len(monthly), 2),
                ),
                note="A month holds at most two independent windows of 21 days, and less than "
                "one of longer horizons: neighbouring cells repeat each other.",
                width="tall",
            ),
            Chart(
                "ic-histogram",
                "Distribution of the daily rank IC",
                svg(
                    lambda axes: draw_ic_histogram(axes, found.rank_ic),
                    width_px=HALF_PX,
                    height_px=280,
                ),
                note=f"{number(shape.n_dates, ',d')} dates, standard deviation "
                f"{number(shape.standard_deviation, '.3f')}, "
                f"{number(shape.positive_share, '.1%')} above zero.",
                width="half",
            ),
            Chart(
                "ic-qq",
                "Daily rank IC against the normal distribution",
                svg(
                    lambda axes: draw_normal_quantiles(axes, normal_quantiles(found.rank_ic)),
                    width_px=HALF_PX,
                    height_px=280,
                ),
                note=f"Skewness {number(shape.skewness, '+.2f')}, excess kurtosis "
                f"{number(shape.excess_kurtosis, '+.2f')}; both are 0 for a normal distribution.",
                width="half",
            ),
        ),
    )
