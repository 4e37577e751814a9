"""The parts of one horizon and model's tear sheet."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from model2_assets.charts import (
    draw_cumulative_spread,
    draw_heatmap,
    draw_ic_histogram,
    draw_normal_quantiles,
    draw_period_means,
    draw_quantile_returns,
    draw_rank_ic,
    svg,
)
from model2_assets.evaluation import (
    LAG_OVERLAPS,
    cumulative_quantile_spread,
    ic_distribution,
    mean_quantile_returns,
    monthly_mean_ic,
    normal_quantiles,
)
from model2_assets.reports._document import Chart, Column, Row, Section, Table
from model2_assets.reports._numbers import number
from model2_assets.reports._partition_statistics import PartitionStatistics
from model2_assets.reports._score_tables import fold_table, path_table, split_table
from model2_assets.reports._sizes import FULL_PX, HALF_PX

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_YEAR_PX = 17


def score_section(scores: pd.DataFrame, oof: pd.DataFrame) -> Section:
    """Return the scores by fold and path, and by split where these differ from folds."""
    several = int(scores["path_id"].nunique()) > 1
    tables = [fold_table(scores, oof), path_table(scores)]
    if several:
        tables.append(split_table(scores))
    return Section("scores", "Scores", tuple(tables))


def information_section(found: PartitionStatistics) -> Section:
    """Return the daily rank IC: over time, its distribution, and month by month."""
    shape = ic_distribution(found.rank_ic)
    monthly = (100 * monthly_mean_ic(found.rank_ic)).round() + 0.0
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
                note=f"The mean label of all rows is {number(_mean(found.label), '+.1f')} bps: "
                f"winsorizing takes more from the longer tail.",
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


def _mean(label: NDArray[np.float64]) -> float:
    known = label[np.isfinite(label)]
    return float(known.mean()) if len(known) else float("nan")


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
        else "No date has 10 names or more, so there are no quantiles.",
    )


def _quantile_name(quantile: int, n_quantiles: int) -> str:
    ends = {1: "1 (lowest)", n_quantiles: f"{n_quantiles} (highest)"}
    return ends.get(quantile, str(quantile))


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
