"""What the quantiles of the predictions earned."""

import pandas as pd

from model2_assets.charts import (
    draw_cumulative_spread,
    draw_quantile_returns,
    svg,
)
from model2_assets.evaluation import (
    LAG_OVERLAPS,
    cumulative_quantile_spread,
    mean_quantile_returns,
)
from model2_assets.reports._document import Chart, Column, Row, Section, Table
from model2_assets.reports._numbers import number
from model2_assets.reports._partition_statistics import PartitionStatistics
from model2_assets.reports._sizes import FULL_PX


def quantile_section(found: PartitionStatistics) -> Section:
    """Return what the quantiles of the predictions earned, and the spread added up."""
    means = mean_quantile_returns(found.quantiles, lag=LAG_OVERLAPS * found.overlap_days)
    cumulative = cumulative_quantile_spread(found.spread, horizon_days=found.horizon_days)
    days = found.horizon_days
    return Section(
        "quantile-returns-section",
        "Returns by quantile",
        (
            Chart(
                "quantile-returns",
                f"Mean {days}-day label by quantile of the prediction",
                svg(
                    lambda axes: draw_quantile_returns(axes, means),
                    width_px=FULL_PX,
                    height_px=270,
                ),
            ),
            _quantile_table(means, found),
            Chart(
                "cumulative-spread",
                "Top less bottom quantile, added up",
                svg(
                    lambda axes: draw_cumulative_spread(axes, cumulative),
                    width_px=FULL_PX,
                    height_px=280,
                ),
                note=f"No window is counted twice: {days} books, each renewed every {days} dates "
                f"and started a date apart. The line is their mean, which equals the sum of the "
                f"daily spreads over {days}; the band is their range. Sums of bps at the dates of "
                f"the signals, not compounded.",
            ),
        ),
        text=f"Quantiles are of one date's names. Everything is per window of {days} trading "
        f"days, in bps, gross of costs.",
    )


def _quantile_table(means: pd.DataFrame, found: PartitionStatistics) -> Table:
    n_quantiles = len(means)
    rows = tuple(
        Row(
            (
                _quantile_name(int(quantile), n_quantiles),
                number(row["mean"], "+.1f"),
                number(row["standard_error"], ".1f"),
                number(row["mean"] / row["standard_error"], "+.2f"),
                number(found.quantiles[quantile].count(), ",d"),
            )
        )
        for quantile, row in zip(means.index, means.to_dict("records"), strict=True)
    )
    return Table(
        "quantile-table",
        "Mean label by quantile",
        (
            Column("Quantile", is_text=True),
            Column("Mean", "bps"),
            Column("Std. error", "bps"),
            Column("t"),
            Column("Dates"),
        ),
        rows,
        note="Standard errors are Newey–West, over twice the dates that labels overlap."
        if rows
        else "With fewer than 10 names on most dates there are no quantiles.",
    )


def _quantile_name(quantile: int, n_quantiles: int) -> str:
    ends = {1: "1 (lowest)", n_quantiles: f"{n_quantiles} (highest)"}
    return ends.get(quantile, str(quantile))
