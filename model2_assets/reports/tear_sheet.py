"""The tear sheet of one horizon and model."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING

import pandas as pd

from model2_assets.config import LabelsConfig, RegionConfig
from model2_assets.config.partition import horizon_days
from model2_assets.evaluation import METRICS, quantiles, stability
from model2_assets.evaluation.ic import daily_ic, fold_rank_ic
from model2_assets.evaluation.inference import standard_error_lag
from model2_assets.evaluation.metrics import number
from model2_assets.evaluation.scores import has_several_paths, overall_scores
from model2_assets.labels import realized_returns
from model2_assets.panel import aligned
from model2_assets.reports import data_charts, score_charts
from model2_assets.reports.canvas import Draw
from model2_assets.reports.data_charts import Gallery
from model2_assets.reports.document import (
    Block,
    Chart,
    Column,
    KeyFigure,
    Report,
    Row,
    Section,
    Table,
    columns,
    period,
    render,
)
from model2_assets.reports.score_charts import DAILY_RANK_IC, RANK_IC
from model2_assets.reports.tables import (
    STANDARD_ERRORS,
    caveats,
    fold_table,
    path_table,
    provenance_section,
    search_table,
    split_table,
)
from model2_assets.storage.data_version import INPUTS, data_versions_of, facts_of, require_made_from
from model2_assets.training.base_models import main_importance_kind

if TYPE_CHECKING:
    from model2_assets.storage.models import Manifest

TOP_FEATURES = 20
REGION_REPORT = "../../../region_report/report.html"
"""From a tear sheet's folder."""

_MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]


@dataclass(frozen=True, eq=False)
class PartitionStatistics:
    """Daily statistics of the out-of-fold predictions of one horizon and model, as asked for.

    `oof` and `labels` are tables as stored; spreads and quantiles are of realized returns, in bps.
    """

    oof: pd.DataFrame
    labels: pd.DataFrame
    horizon: str
    config: LabelsConfig

    @property
    def days(self) -> int:
        """Dates after which a label is over."""
        return horizon_days(self.horizon)

    @property
    def lag(self) -> int:
        """Lag of standard errors, in dates."""
        lag = self.config.execution_lag_days
        return standard_error_lag(self.horizon, execution_lag_days=lag)

    @cached_property
    def rows(self) -> tuple[pd.Series, pd.Series, pd.MultiIndex]:
        """Prediction and realized return (bps) of every out-of-fold row, and the rows' index."""
        index = self.oof.index
        assert isinstance(index, pd.MultiIndex)
        realized = realized_returns(self.labels, self.horizon, excess=self.config.excess)
        return self.oof["prediction"], aligned(realized, index), index

    @property
    def label(self) -> pd.Series:
        """Label (bps) of every out-of-fold row: what the models were fitted to."""
        return aligned(self.labels[f"label_{self.horizon}"], self.oof.index)

    @cached_property
    def rank_ic(self) -> pd.Series:
        """By date."""
        return daily_ic(*self.rows)["rank_ic"]

    @cached_property
    def spread(self) -> pd.Series:
        """Top less bottom quantile by date."""
        return quantiles.decile_spread(*self.rows)

    @cached_property
    def quantiles(self) -> pd.DataFrame:
        """As `quantile_returns`."""
        return quantiles.quantile_returns(*self.rows)

    @cached_property
    def mean_quantiles(self) -> pd.DataFrame:
        """As `mean_quantile_returns`."""
        return quantiles.mean_quantile_returns(self.quantiles, lag=self.lag)

    @cached_property
    def turnover(self) -> dict[int, pd.Series]:
        """Turnover of the top quantile by distance in dates."""
        prediction, _, index = self.rows
        return {
            lag: quantiles.top_quantile_turnover(prediction, index, period_dates=lag)
            for lag in sorted({1, 5, self.days})
        }


PARTITION_PARTS = (
    "figures", "caveats", "scores", "scores-by-fold", "rank-ic-by-fold", "scores-by-path",
    "information-coefficient", "ic-series", "ic-monthly", "ic-histogram", "ic-qq",
    "quantile-returns", "quantile-table", "cumulative-spread", "turnover", "rank-autocorrelation",
    "persistence-table", "calibration", "prediction-distribution", "top-features",
    "importance-stability", "features-alone", "provenance",
)  # fmt: skip
"""Ids in a tear sheet of one horizon and model."""


@dataclass(frozen=True, eq=False)
class PartitionResults:
    """What is stored of one horizon and model, with its provenance.

    Attributes
    ----------
    oof : DataFrame of shape (n_rows, 2)
        Out-of-fold predictions.
    scores : DataFrame of shape (n_scores, 8)
        Their scores (``cv_scores``).
    importance : DataFrame of shape (n_features, n_columns)
        Importances of the fold models.
    labels : DataFrame of shape (n_labels, 3 * n_horizons)
        Labels of the region.
    manifest : Manifest
        Of the fold models that predicted.
    """

    oof: pd.DataFrame
    scores: pd.DataFrame
    importance: pd.DataFrame
    labels: pd.DataFrame
    manifest: "Manifest"


def partition_report(
    made: PartitionResults, *, config: RegionConfig, prediction_bps: float, stored: bool = True
) -> str:
    """Write the tear sheet of one horizon and model.

    Parameters
    ----------
    made : PartitionResults
        What is stored of it.
    config : RegionConfig
        Settings of the region.
    prediction_bps : float
        Largest absolute prediction allowed, bps.
    stored : bool, default True
        Whether the page belongs beside the region's report, to which it leads.

    Returns
    -------
    str
        A self-contained HTML document, the same for the same input.

    Raises
    ------
    StoreError
        If predictions, scores, importances, labels and models are not of each other.
    """
    oof, scores, importance, manifest = made.oof, made.scores, made.importance, made.manifest
    made_from = facts_of(oof).get(INPUTS, {})
    at_hand = data_versions_of(labels=made.labels, oof_predictions=oof)
    at_hand["fitted_models"] = manifest.data_version
    require_made_from("oof_predictions", made_from, at_hand)
    require_made_from("cv_scores", facts_of(scores).get(INPUTS, {}), at_hand)
    require_made_from("feature_importance", facts_of(importance).get(INPUTS, {}), at_hand)
    found = PartitionStatistics(oof, made.labels, manifest.horizon, config.labels)
    inputs = data_versions_of(oof_predictions=oof, cv_scores=scores, feature_importance=importance)
    predictions = (calibration_chart(found), prediction_chart(oof, prediction_bps))
    report = Report(
        title=f"{manifest.model}, {found.days} days",
        subtitle=_subtitle(oof, manifest, found),
        home=(f"All models of region {manifest.region}", REGION_REPORT) if stored else None,
        figures=_figures(overall_scores(scores), found),
        inputs={**made_from, **inputs},
        caveats=caveats(config, several_paths=has_several_paths(scores)),
        sections=(
            _score_section(scores, found, manifest),
            information_section(found),
            _quantile_section(found),
            _turnover_section(found),
            Section("predictions", "Predictions", predictions),
            _feature_section(importance, found.lag),
            provenance_section(oof, manifest, config),
        ),
    )
    return render(report)


def _subtitle(oof: pd.DataFrame, manifest: "Manifest", found: PartitionStatistics) -> str:
    n_names = len(oof.index.unique("instrument"))
    dates = period(pd.DatetimeIndex(found.rank_ic.index))
    return (
        f"Out-of-fold predictions of region {manifest.region}: {n_names:,} instruments, "
        f"{dates}, {len(oof):,} rows, {facts_of(oof)['n_folds']} folds"
    )


def _figures(overall: dict[str, float], found: PartitionStatistics) -> tuple[KeyFigure, ...]:
    days = found.days
    text = {name: METRICS[name].text(value) for name, value in overall.items()}
    turnover = number(found.turnover[days].mean(), ".0%")
    notes = {
        "rank_ic": f"± {text['rank_ic_se']} standard error",
        "rank_ic_t": f"Newey–West, {found.lag} dates",
        "n_effective": f"of {text['dates']}",
        "icir": "daily, not annualized",
        "decile_spread_bps": f"realized, top less bottom, per {days} days",
        "top_quantile_turnover": f"of the top, per {days} days",
        "r2": "against the mean label",
        "deflated_sharpe": "probability of beating luck",
    }
    values = {**text, "top_quantile_turnover": turnover}
    values["decile_spread_bps"] += f" {METRICS['decile_spread_bps'].unit}"
    return tuple(
        KeyFigure(METRICS[name].long or METRICS[name].title, values[name], note)
        for name, note in notes.items()
    )


def _score_section(
    scores: pd.DataFrame, found: PartitionStatistics, manifest: "Manifest"
) -> Section:
    blocks: list[Block] = [fold_table(scores, found.oof), fold_chart(found), path_table(scores)]
    if has_several_paths(scores):
        blocks += [score_distribution_chart(scores), split_table(scores)]
    if manifest.search:
        blocks.append(search_table(manifest))
    return Section("scores", "Scores", tuple(blocks))


def fold_chart(found: PartitionStatistics) -> Chart:
    """Return the rank IC of every fold."""
    title, draw = f"{RANK_IC.title} of every fold", score_charts.draw_fold_rank_ic
    folds = fold_rank_ic(found.oof, found.rows[1], lag=found.lag)
    return Chart("rank-ic-by-fold", title, draw, folds, height_px=230)


def score_distribution_chart(scores: pd.DataFrame) -> Chart:
    """Return how the rank IC scatters over splits and paths."""
    title, draw = f"{RANK_IC.title} of every split and path", score_charts.draw_score_distribution
    return Chart("score-distribution", title, draw, scores, height_px=250)


def rank_ic_chart(found: PartitionStatistics) -> Chart:
    """Return the daily rank IC over time."""
    title, draw = f"{RANK_IC.title} over time", score_charts.draw_rank_ic
    note = (
        f"Bars: means of the {DAILY_RANK_IC} over calendar periods. Line: running sum of the "
        f"daily values; its slope matters, not its height."
    )
    return Chart("ic-series", title, draw, found.rank_ic, note)


def information_section(found: PartitionStatistics) -> Section:
    """Return the daily rank IC: over time, month by month, and its distribution."""
    known = found.rank_ic.dropna()
    spread, share = number(known.std(), ".3f"), number((known > 0).mean(), ".1%")
    moments = float(known.skew()), float(known.kurt())  # type: ignore[arg-type]
    skewness, kurtosis = (number(moment, "+.2f") for moment in moments)
    monthly = (100 * score_charts.monthly_means(known)).round() + 0.0
    monthly = monthly.rename_axis(index=None).set_axis(pd.Index(_MONTHS), axis="columns")
    by_month = Chart(
        "ic-monthly",
        f"Mean {RANK_IC.heading} by month, hundredths",
        partial(data_charts.draw_heatmap, text=".0f"),
        monthly,
        "A month holds at most two independent windows of 21 days, and less than one of longer "
        "horizons: neighbouring cells repeat each other.",
        "tall",
        60 + 17 * max(len(monthly), 2),
    )
    histogram = Chart(
        "ic-histogram",
        f"Distribution of the {DAILY_RANK_IC}",
        score_charts.draw_ic_histogram,
        known,
        f"{len(known):,} dates, standard deviation {spread}, {share} above zero.",
        "half",
    )
    against_normal = Chart(
        "ic-qq",
        f"Daily {RANK_IC.heading} against the normal distribution",
        score_charts.draw_normal_quantiles,
        known,
        f"Skewness {skewness}, excess kurtosis {kurtosis}; both are 0 for a normal distribution.",
        "half",
    )
    charts = (rank_ic_chart(found), by_month, histogram, against_normal)
    return Section("information-coefficient", "Information coefficient", charts)


def quantile_chart(found: PartitionStatistics) -> Chart:
    """Return what the quantiles of the predictions earned."""
    title, draw = (
        "Realized return by quantile of the prediction",
        score_charts.draw_quantile_returns,
    )
    return Chart("quantile-returns", title, draw, found.mean_quantiles, height_px=270)


def _quantile_section(found: PartitionStatistics) -> Section:
    days = found.days
    added_up = Chart(
        "cumulative-spread",
        "Top less bottom quantile, added up",
        score_charts.draw_cumulative_spread,
        quantiles.cumulative_quantile_spread(found.spread, horizon_days=days),
        f"No window is counted twice: {days} books, each renewed every {days} dates and started "
        f"a date apart. The line is their mean, which equals the sum of the daily spreads over "
        f"{days}; the band is their range. Sums of bps at the dates of the signals, not "
        f"compounded.",
    )
    text = (
        f"Quantiles are of one date's names. Everything is of realized returns, never winsorized, "
        f"per window of {days} trading days, in bps, gross of costs."
    )
    blocks = (quantile_chart(found), _quantile_table(found), added_up)
    return Section("quantile-returns-section", "Returns by quantile", blocks, text)


def _quantile_table(found: PartitionStatistics) -> Table:
    means, error, t = found.mean_quantiles, METRICS["rank_ic_se"], METRICS["rank_ic_t"]
    ends = {1: "1 (lowest)", len(means): f"{len(means)} (highest)"}
    rows = []
    for quantile, mean, deviation in means.itertuples():
        dates = number(found.quantiles[quantile].count(), ",d")
        values = (number(mean, "+.1f"), number(deviation, ".1f"), t.text(mean / deviation), dates)
        rows.append(Row((ends.get(quantile, str(quantile)), *values)))
    in_bps = Column("Mean", "bps"), Column(error.title, "bps")
    shown = columns("Quantile", *in_bps, t, METRICS["dates"])
    note = (
        STANDARD_ERRORS
        if rows
        else "With fewer than 10 names on most dates there are no quantiles."
    )
    return Table("quantile-table", "Realized return by quantile", shown, tuple(rows), note)


def _turnover_section(found: PartitionStatistics) -> Section:
    prediction, _, index = found.rows
    turnover = found.turnover
    correlation = {
        lag: quantiles.rank_autocorrelation(prediction, index, lag=lag) for lag in turnover
    }
    over_time = _over_time(
        "turnover",
        "Turnover of the top quantile",
        {lag: turnover[lag] for lag in (1, found.days)},
        partial(score_charts.draw_period_means, label="share of names replaced", percent=True),
    )
    persistence = _over_time(
        "rank-autocorrelation",
        "Rank autocorrelation of the predictions",
        {lag: correlation[lag] for lag in (1, found.days)},
        partial(score_charts.draw_period_means, label="rank autocorrelation"),
    )
    replaced = {lag: daily.mean() for lag, daily in turnover.items()}
    rows = tuple(
        Row((str(lag), number(replaced[lag], ".1%"), number(correlation[lag].mean(), "+.3f")))
        for lag in replaced
    )
    headings = METRICS["top_quantile_turnover"].title, "Rank autocorrelation"
    table = Table(
        "persistence-table",
        "By distance",
        columns("Dates apart", *map(Column, headings)),
        rows,
        "Means over dates. Turnover: share of the top quantile's names that were not in it that "
        "many dates before. Rank autocorrelation: Spearman correlation of the two dates' "
        "predictions, over the names of both.",
    )
    text = (
        f"A book of the top quantile, renewed every {found.days} dates, replaces "
        f"{number(replaced[found.days], '.0%')} of its names each time. Neighbouring folds are "
        f"predicted by different models, which adds some turnover at their borders."
    )
    blocks = (over_time, persistence, table)
    return Section("turnover-section", "Turnover and persistence", blocks, text)


def _over_time(part: str, title: str, by_lag: Mapping[int, pd.Series], draw: Draw) -> Chart:
    series = {
        "1 date apart" if lag == 1 else f"{lag} dates apart": daily for lag, daily in by_lag.items()
    }
    return Chart(part, title, draw, series, width="half")


def calibration_chart(found: PartitionStatistics) -> Chart:
    """Return how well predictions are scaled to the labels that models are fitted to."""
    title, draw = "Label against prediction", score_charts.draw_calibration
    prediction, _, index = found.rows
    data = quantiles.calibration(prediction, found.label, index, lag=found.lag)
    note = "On labels, to which the models are fitted, not on realized returns."
    return Chart("calibration", title, draw, data, note, height_px=300)


def prediction_chart(oof: pd.DataFrame, limit_bps: float) -> Chart:
    """Return how predictions are distributed against their limits."""
    draw = partial(data_charts.draw_prediction_distribution, limit_bps=limit_bps)
    title, data = "Distribution of the predictions", oof["prediction"]
    return Chart("prediction-distribution", title, draw, data, height_px=240)


def importance_charts(importance: pd.DataFrame) -> tuple[Chart, Chart]:
    """Return the most important features, and whether the fold models agree on them."""
    kind = main_importance_kind(importance)
    by_fold = stability.importances_by_fold(importance, kind)
    top = by_fold.head(TOP_FEATURES)
    features = Chart(
        "top-features",
        f"The {len(top)} most important of {len(by_fold)} features",
        partial(data_charts.draw_importances, kind=kind),
        top,
        width="half",
        height_px=60 + 18 * max(len(top), 3),
    )
    likeness = by_fold.corr(method="spearman").rename_axis(index=None, columns=None)
    agreement = Chart(
        "importance-stability",
        "Rank correlation of importances between fold models",
        partial(data_charts.draw_heatmap, limit=1.0),
        likeness,
        "By split. Models of combinatorial splits share most train rows, which makes them alike.",
        width="half",
        height_px=min(60 + 30 * max(len(likeness), 2), 900),
    )
    return features, agreement


def _feature_section(importance: pd.DataFrame, lag: int) -> Section:
    rank_ic, t = METRICS["rank_ic"], METRICS["rank_ic_t"]
    top = importance.reindex(columns=["feature", "rank_ic", "rank_ic_t"]).head(TOP_FEATURES)
    alone = Table(
        "features-alone",
        f"What the {len(top)} most important features say alone",
        columns("Feature", rank_ic, t),
        tuple(
            Row((name, rank_ic.text(mean), t.text(ratio))) for name, mean, ratio in top.to_numpy()
        ),
        f"Rank IC of the feature itself with realized returns, on every row that has both; no "
        f"model is in between. t: Newey–West, {lag} dates. Of many worthless features some have "
        f"a large one by luck.",
    )
    return Section("importances", "Features", (*importance_charts(importance), alone))


def prediction_pictures(oof: pd.DataFrame, *, limit_bps: float) -> Gallery:
    """Return the distribution of the predictions against their limits, bps."""
    return _pictures(prediction_chart(oof, limit_bps))


def score_pictures(
    oof: pd.DataFrame,
    labels: pd.DataFrame,
    scores: pd.DataFrame,
    *,
    horizon: str,
    config: LabelsConfig,
) -> Gallery:
    """Return how good the predictions of one horizon and model were."""
    found = PartitionStatistics(oof, labels, horizon, config)
    charts = [build(found) for build in (rank_ic_chart, fold_chart, quantile_chart)]
    several = [score_distribution_chart(scores)] if has_several_paths(scores) else []
    return _pictures(*charts, calibration_chart(found), *several)


def importance_pictures(importance: pd.DataFrame) -> Gallery:
    """Return the most important features, and whether several fold models agree on them."""
    features, agreement = importance_charts(importance)
    return _pictures(features, *[agreement] * (len(agreement.data) > 1))


def _pictures(*charts: Chart) -> Gallery:
    return {chart.title: chart.png for chart in charts}
