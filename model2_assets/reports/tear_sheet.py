"""The tear sheet of one horizon and model."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from model2_assets.config import RegionConfig
from model2_assets.config.partition import horizon_days
from model2_assets.errors import StoreError
from model2_assets.evaluation import (
    LAG_OVERLAPS,
    calibration,
    cumulative_quantile_spread,
    daily_ic,
    decile_spread,
    fold_rank_ic,
    has_several_paths,
    ic_distribution,
    importance_stability,
    importances_by_fold,
    label_overlap_days,
    main_importance_kind,
    mean_quantile_returns,
    monthly_mean_ic,
    normal_quantiles,
    quantile_returns,
    rank_autocorrelation,
    top_quantile_turnover,
)
from model2_assets.reports.canvas import svg
from model2_assets.reports.data_charts import (
    draw_heatmap,
    draw_importances,
    draw_prediction_distribution,
    heatmap_height,
    importances_height,
)
from model2_assets.reports.document import (
    FULL_PX,
    HALF_PX,
    Chart,
    Column,
    KeyFigure,
    Report,
    Row,
    Section,
    Table,
    number,
    period,
    render,
)
from model2_assets.reports.galleries import TOP_FEATURES
from model2_assets.reports.score_charts import (
    draw_calibration,
    draw_cumulative_spread,
    draw_fold_rank_ic,
    draw_ic_histogram,
    draw_normal_quantiles,
    draw_period_means,
    draw_quantile_returns,
    draw_rank_ic,
    draw_score_distribution,
)
from model2_assets.reports.tables import (
    caveats,
    fold_table,
    overall_scores,
    path_table,
    provenance_section,
    split_table,
)
from model2_assets.storage.provenance import INPUTS, data_versions_of, facts_of, require_made_from

if TYPE_CHECKING:
    from model2_assets.storage.models import Manifest


_AGREES = 1e-9
_SHORT_LAGS = (1, 5)


@dataclass(frozen=True, eq=False)
class PartitionStatistics:
    """Daily statistics of the out-of-fold predictions of one horizon and model.

    Attributes
    ----------
    horizon_days, overlap_days : int
        Dates after which a label is over, and over which labels overlap.
    prediction, label : ndarray of shape (n_rows,), float64
        In the order of the out-of-fold table, bps.
    rank_ic, spread : Series of shape (n_dates,)
        Daily rank IC, and what the top quantile earned over the bottom one, bps.
    names : Series of shape (n_dates,)
        Instruments of every date.
    quantiles : DataFrame of shape (n_dates, n_quantiles)
        As `quantile_returns`, bps.
    turnover, autocorrelation : mapping of int to Series of shape (n_dates,)
        Of the top quantile and of the ranks, by distance in dates.
    """

    horizon_days: int
    overlap_days: int
    prediction: NDArray[np.float64]
    label: NDArray[np.float64]
    rank_ic: pd.Series
    spread: pd.Series
    names: pd.Series
    quantiles: pd.DataFrame
    turnover: Mapping[int, pd.Series]
    autocorrelation: Mapping[int, pd.Series]

    @property
    def dates(self) -> pd.DatetimeIndex:
        """The dates with predictions, ascending."""
        return pd.DatetimeIndex(self.rank_ic.index)


def partition_statistics(
    oof: pd.DataFrame, labels: pd.DataFrame, *, horizon: str, execution_lag_days: int
) -> PartitionStatistics:
    """Compute the daily statistics of one horizon and model.

    Parameters
    ----------
    oof : DataFrame of shape (n_rows, 2)
        Out-of-fold predictions.
    labels : DataFrame of shape (n_labels, 3 * n_horizons)
        The labels that they were made from.
    horizon : str
        Such as ``21d``.
    execution_lag_days : int
        Trading bars from signal to entry.

    Returns
    -------
    PartitionStatistics
        Over every date with predictions.
    """
    index = oof.index
    assert isinstance(index, pd.MultiIndex)
    prediction = oof["prediction"].to_numpy(dtype=np.float64)
    label = labels_of(oof, labels, horizon)
    daily = daily_ic(prediction, label, index)
    days = horizon_days(horizon)
    lags = sorted({*_SHORT_LAGS, days})
    return PartitionStatistics(
        horizon_days=days,
        overlap_days=label_overlap_days(horizon, execution_lag_days=execution_lag_days),
        prediction=prediction,
        label=label,
        rank_ic=daily["rank_ic"],
        spread=decile_spread(prediction, label, index),
        names=daily["n"],
        quantiles=quantile_returns(prediction, label, index),
        turnover={lag: top_quantile_turnover(prediction, index, period_dates=lag) for lag in lags},
        autocorrelation={lag: rank_autocorrelation(prediction, index, lag=lag) for lag in lags},
    )


def labels_of(oof: pd.DataFrame, labels: pd.DataFrame, horizon: str) -> NDArray[np.float64]:
    """Return the label of every out-of-fold row, bps, shape (n_rows,)."""
    aligned: NDArray[np.float64] = (
        labels[f"label_{horizon}"].reindex(oof.index).to_numpy(dtype=np.float64)
    )
    return aligned


def require_scores_of(rank_ic: pd.Series, scores: pd.DataFrame) -> None:
    """Refuse scores that are not those of the predictions at hand.

    Parameters
    ----------
    rank_ic : Series of shape (n_dates,)
        Daily rank IC of the predictions at hand.
    scores : DataFrame of shape (n_scores, n_columns)
        Stored scores of the partition.

    Raises
    ------
    StoreError
        If their mean rank IC differs.
    """
    of_all = scores[(scores["scope"] == "all") & (scores["metric"] == "rank_ic")]["value"]
    scored, found = float(of_all.iloc[0]), float(rank_ic.mean())
    if not np.isclose(scored, found, rtol=0, atol=_AGREES, equal_nan=True):
        raise StoreError(
            f"cv_scores state a rank IC of {scored:.6f} where oof_predictions have {found:.6f}: "
            f"they are of other predictions; materialize cv_scores again"
        )


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


def score_section(scores: pd.DataFrame, oof: pd.DataFrame, found: PartitionStatistics) -> Section:
    """Return the scores by fold and path, and by split where these differ from folds."""
    label = pd.Series(found.label, index=oof.index)
    folds = fold_rank_ic(oof, label, lag=LAG_OVERLAPS * found.overlap_days)
    blocks: list[Table | Chart] = [
        fold_table(scores, oof),
        Chart(
            "rank-ic-by-fold",
            "Rank IC of every fold",
            svg(lambda axes: draw_fold_rank_ic(axes, folds), width_px=FULL_PX, height_px=230),
        ),
        path_table(scores),
    ]
    if has_several_paths(scores):
        blocks += [
            Chart(
                "score-distribution",
                "Rank IC of every split and path",
                svg(
                    lambda axes: draw_score_distribution(axes, scores),
                    width_px=FULL_PX,
                    height_px=250,
                ),
            ),
            split_table(scores),
        ]
    return Section("scores", "Scores", tuple(blocks))


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


REGION_REPORT = "../../../region_report/report.html"
"""From a tear sheet's folder."""


def partition_report(
    oof: pd.DataFrame,
    scores: pd.DataFrame,
    importance: pd.DataFrame,
    labels: pd.DataFrame,
    manifest: "Manifest",
    *,
    config: RegionConfig,
    prediction_bps: float,
) -> str:
    """Write the tear sheet of one horizon and model.

    Parameters
    ----------
    oof : DataFrame of shape (n_rows, 2)
        Stored out-of-fold predictions, with their provenance.
    scores : DataFrame of shape (n_scores, 8)
        Their stored scores (``cv_scores``).
    importance : DataFrame of shape (n_features, n_columns)
        Stored importances of the fold models, with their provenance.
    labels : DataFrame of shape (n_labels, 3 * n_horizons)
        Stored labels, with their provenance.
    manifest : Manifest
        Of the fold models that predicted.
    config : RegionConfig
        Settings of the region.
    prediction_bps : float
        Largest absolute prediction allowed, bps.

    Returns
    -------
    str
        A self-contained HTML document, the same for the same input.

    Raises
    ------
    StoreError
        If predictions, scores, importances, labels and models are not of each other.
    """
    made_from = facts_of(oof).get(INPUTS, {})
    at_hand = {**data_versions_of(labels=labels), "fitted_models": manifest.data_version}
    require_made_from("oof_predictions", made_from, at_hand)
    require_made_from("feature_importance", facts_of(importance).get(INPUTS, {}), at_hand)
    found = partition_statistics(
        oof,
        labels,
        horizon=manifest.horizon,
        execution_lag_days=config.labels.execution_lag_days,
    )
    require_scores_of(found.rank_ic, scores)
    several_paths = has_several_paths(scores)
    report = Report(
        title=f"{manifest.model}, {found.horizon_days} days",
        subtitle=_subtitle(oof, manifest, found),
        home=(f"All models of region {manifest.region}", REGION_REPORT),
        figures=_figures(overall_scores(scores), found),
        inputs={
            **made_from,
            **data_versions_of(
                oof_predictions=oof, cv_scores=scores, feature_importance=importance
            ),
        },
        caveats=caveats(config, several_paths=several_paths),
        sections=(
            score_section(scores, oof, found),
            information_section(found),
            quantile_section(found),
            turnover_section(found),
            prediction_section(found, oof, prediction_bps),
            importance_section(importance),
            provenance_section(oof, manifest, config),
        ),
    )
    return render(report)


def _subtitle(oof: pd.DataFrame, manifest: "Manifest", found: PartitionStatistics) -> str:
    n_names = oof.index.get_level_values("instrument").nunique()
    return (
        f"Out-of-fold predictions of region {manifest.region}: {n_names:,} instruments, "
        f"{period(found.dates)}, {len(oof):,} rows, {facts_of(oof)['n_folds']} folds"
    )


def _figures(overall: dict[str, float], found: PartitionStatistics) -> tuple[KeyFigure, ...]:
    days = found.horizon_days
    return (
        KeyFigure(
            "Rank IC",
            number(overall["rank_ic"], "+.4f"),
            f"± {number(overall['rank_ic_se'], '.4f')} standard error",
        ),
        KeyFigure(
            "t-statistic",
            number(overall["rank_ic_t"], "+.2f"),
            f"Newey–West, {LAG_OVERLAPS * found.overlap_days} dates",
        ),
        KeyFigure(
            "Effective dates",
            number(overall["n_effective"], ",.0f"),
            f"of {number(overall['dates'], ',.0f')}",
        ),
        KeyFigure("ICIR", number(overall["icir"], "+.3f"), "daily, not annualized"),
        KeyFigure(
            "Spread",
            f"{number(overall['decile_spread_bps'], '+.1f')} bps",
            f"top less bottom, per {days} days",
        ),
        KeyFigure(
            "Turnover", number(found.turnover[days].mean(), ".0%"), f"of the top, per {days} days"
        ),
        KeyFigure("R²", number(overall["r2"], "+.4f"), "against the mean label"),
        KeyFigure(
            "Deflated Sharpe",
            number(overall["deflated_sharpe"], ".2f"),
            "probability of beating luck",
        ),
    )
