"""How fast the top quantile and the ranking change."""

from model2_assets.charts import (
    draw_period_means,
    svg,
)
from model2_assets.reports._document import Chart, Column, Row, Section, Table
from model2_assets.reports._numbers import number
from model2_assets.reports._partition_statistics import PartitionStatistics
from model2_assets.reports._sizes import HALF_PX


def turnover_section(found: PartitionStatistics) -> Section:
    """Return how fast the top quantile and the ranking change."""
    distances = {
        lag: "1 date apart" if lag == 1 else f"{lag} dates apart" for lag in (1, found.horizon_days)
    }
    turnover = {name: found.turnover[lag] for lag, name in distances.items()}
    autocorrelation = {name: found.autocorrelation[lag] for lag, name in distances.items()}
    return Section(
        "turnover-section",
        "Turnover and persistence",
        (
            Chart(
                "turnover",
                "Turnover of the top quantile",
                svg(
                    lambda axes: draw_period_means(
                        axes, turnover, label="share of names replaced", percent=True
                    ),
                    width_px=HALF_PX,
                    height_px=280,
                ),
                width="half",
            ),
            Chart(
                "rank-autocorrelation",
                "Rank autocorrelation of the predictions",
                svg(
                    lambda axes: draw_period_means(
                        axes, autocorrelation, label="rank autocorrelation"
                    ),
                    width_px=HALF_PX,
                    height_px=280,
                ),
                width="half",
            ),
            _persistence_table(found),
        ),
        text=f"A book of the top quantile, renewed every {found.horizon_days} dates, replaces "
        f"{number(found.turnover[found.horizon_days].mean(), '.0%')} of its names each time. "
        f"Neighbouring folds are predicted by different models, which adds some turnover at "
        f"their borders.",
    )


def _persistence_table(found: PartitionStatistics) -> Table:
    return Table(
        "persistence-table",
        "By distance",
        (Column("Dates apart", is_text=True), Column("Turnover"), Column("Rank autocorrelation")),
        tuple(
            Row(
                (
                    str(lag),
                    number(found.turnover[lag].mean(), ".1%"),
                    number(found.autocorrelation[lag].mean(), "+.3f"),
                )
            )
            for lag in found.turnover
        ),
        note="Means over dates. Turnover: share of the top quantile's names that were not in it "
        "that many dates before. Rank autocorrelation: Spearman correlation of the two dates' "
        "predictions, over the names of both.",
    )
