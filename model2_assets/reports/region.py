"""The report of a region: every model and horizon side by side."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from model2_assets.config import RegionConfig
from model2_assets.config.partition import Partition, horizon_days
from model2_assets.evaluation import (
    OOFCorrelation,
    cumulative_quantile_spread,
    daily_ic,
    decile_spread,
    leaderboard_version,
    oof_rank_correlation,
)
from model2_assets.reports.canvas import svg
from model2_assets.reports.data_charts import draw_heatmap
from model2_assets.reports.document import (
    HALF_PX,
    MISSING,
    Chart,
    Column,
    Facts,
    KeyFigure,
    Report,
    Row,
    Section,
    Table,
    number,
    period,
    render,
)
from model2_assets.reports.score_charts import draw_estimates, draw_running_sums
from model2_assets.reports.tables import METRICS, Metric, caveats, region_settings
from model2_assets.reports.tear_sheet import labels_of
from model2_assets.storage.provenance import INPUTS, data_version_of, data_versions_of, facts_of


@dataclass(frozen=True, eq=False)
class DailyHistory:
    """Daily statistics of one horizon and model.

    Attributes
    ----------
    rank_ic : Series of shape (n_dates,)
        Daily rank IC.
    spread : Series of shape (n_dates,)
        What the top quantile earned over the bottom one, as the share of it that a date adds to
        the mean of the books of `cumulative_quantile_spread`, bps.
    """

    rank_ic: pd.Series
    spread: pd.Series


def daily_histories(
    oof: Mapping[str, pd.DataFrame], labels: pd.DataFrame
) -> dict[str, DailyHistory]:
    """Return the daily statistics of every partition that was made from the labels at hand.

    Parameters
    ----------
    oof : mapping of str to DataFrame
        Out-of-fold predictions by partition key, with their provenance.
    labels : DataFrame of shape (n_labels, 3 * n_horizons)
        Stored labels, with their provenance.

    Returns
    -------
    dict of str to DailyHistory
        In the order of `oof`.
    """
    version = data_versions_of(labels=labels)["labels"]
    return {
        key: _history(frame, labels)
        for key, frame in oof.items()
        if facts_of(frame).get(INPUTS, {}).get("labels", version) == version
    }


def _history(oof: pd.DataFrame, labels: pd.DataFrame) -> DailyHistory:
    horizon = str(facts_of(oof)["horizon"])
    label, index = labels_of(oof, labels, horizon), oof.index
    assert isinstance(index, pd.MultiIndex)
    spread = decile_spread(oof["prediction"], label, index)
    books = cumulative_quantile_spread(spread, horizon_days=horizon_days(horizon))
    return DailyHistory(
        rank_ic=daily_ic(oof["prediction"], label, index)["rank_ic"],
        spread=books["mean"].diff().fillna(books["mean"]),
    )


def history_section(histories: Mapping[str, DailyHistory], *, horizons: Sequence[str]) -> Section:
    """Return the running sums of rank IC and spread, the models of a horizon in one chart."""
    charts: list[Chart] = []
    for horizon in horizons:
        models = {
            Partition.parse(key)[1]: found
            for key, found in histories.items()
            if Partition.parse(key)[0] == horizon
        }
        rank_ic = {model: found.rank_ic for model, found in models.items()}
        spread = {model: found.spread for model, found in models.items()}
        charts += [
            _running(f"rank-ic-{horizon}", f"Rank IC, {horizon}", rank_ic, "sum of daily rank ICs"),
            _running(
                f"spread-{horizon}",
                f"Top less bottom quantile, {horizon}",
                spread,
                "sum of spreads, bps",
            ),
        ]
    return Section(
        "history",
        "Over time",
        tuple(charts),
        text="Running sums: slopes are to be compared, not heights. A date adds its spread over "
        "the days of its horizon, which is the mean of books that do not overlap; see the tear "
        "sheets for the range over their starting dates.",
    )


def _running(chart_id: str, title: str, series: Mapping[str, pd.Series], label: str) -> Chart:
    drawing = svg(
        lambda axes: draw_running_sums(axes, series, label=label),
        width_px=HALF_PX,
        height_px=280,
    )
    return Chart(chart_id, title, drawing, width="half")


_BOARD = {
    "rank_ic": METRICS["rank_ic"],
    "rank_ic_t": METRICS["rank_ic_t"],
    "n_effective": METRICS["n_effective"],
    "rank_ic_path_min": Metric("Worst path", "+.4f"),
    "rank_ic_path_max": Metric("Best path", "+.4f"),
    "icir": METRICS["icir"],
    "r2": METRICS["r2"],
    "decile_spread_bps": METRICS["decile_spread_bps"],
    "top_quantile_turnover": Metric("Turnover", ".1%", "a date"),
    "deflated_sharpe": METRICS["deflated_sharpe"],
    "pbo": Metric("PBO", ".2f"),
}
"""Scores of the leaderboard."""

_EVIDENCE = {
    "coverage": Metric("Coverage", ".2%"),
    "largest_prediction": Metric("Largest", ",.0f", "bps"),
    "determinism_difference": Metric("Refit", ".0e", "bps"),
    "mse": Metric("MSE", ",.0f", "bps²"),
    "models_bytes": Metric("Models", ",.2f", "MB", scale=1e-6),
}
"""Columns of the leaderboard on the predictions themselves; time and memory differ from run to
run and are left out."""

_ROW_PX, _MARGIN_PX = 34, 60


def leaderboard_section(
    board: pd.DataFrame,
    correlation: OOFCorrelation,
    *,
    partitions: Sequence[str],
    reports: Collection[str],
) -> Section:
    """Return all models and horizons side by side, those that are missing included."""
    several_paths = bool((board["rank_ic_path_min"] < board["rank_ic_path_max"]).any())
    shown = {
        name: metric
        for name, metric in _BOARD.items()
        if several_paths or not name.startswith("rank_ic_path")
    }
    rows = [_board_row(line, shown, reports) for line in _records(board)]
    evidence = [_board_row(line, _EVIDENCE, ()) for line in _records(board)]
    there = {f"{line['horizon']}|{line['model']}" for line in _records(board)}
    missing = [key for key in partitions if key not in there]
    rows += [_missing_row(key, len(shown)) for key in missing]
    return Section(
        "leaderboard-section",
        "Leaderboard",
        (
            Table(
                "leaderboard", "All models and horizons", _columns(shown), tuple(rows), note=_NOTE
            ),
            _estimates(board),
            _likeness(correlation),
            Table(
                "evidence",
                "Predictions and models",
                _columns(_EVIDENCE),
                tuple(evidence),
                note=_EVIDENCE_NOTE,
            ),
        ),
        text=_missing_text(missing),
    )


def _columns(shown: Mapping[str, Metric]) -> tuple[Column, ...]:
    named = (Column("Model", is_text=True), Column("Horizon", is_text=True))
    return (*named, *(metric.column for metric in shown.values()))


def _records(board: pd.DataFrame) -> list[dict[str, object]]:
    return [{str(name): value for name, value in line.items()} for line in board.to_dict("records")]


def _board_row(
    line: Mapping[str, object], shown: Mapping[str, Metric], reports: Collection[str]
) -> Row:
    horizon, model = str(line["horizon"]), str(line["model"])
    cells = tuple(
        number(float(str(line[name])) * metric.scale, metric.spec) for name, metric in shown.items()
    )
    link = f"../tear_sheet/{horizon}/{model}/report.html"
    return Row((model, horizon, *cells), link=link if f"{horizon}|{model}" in reports else None)


def _missing_row(key: str, n_figures: int) -> Row:
    horizon, model = Partition.parse(key)
    return Row((model, horizon, *[MISSING] * n_figures))


def _missing_text(missing: Sequence[str]) -> str:
    if not missing:
        return ""
    return f"Not materialized, or not complete: {', '.join(missing)}."


def _estimates(board: pd.DataFrame) -> Chart:
    names = [
        f"{horizon} {model}"
        for horizon, model in zip(board["horizon"], board["model"], strict=True)
    ]
    columns = {"rank_ic": "mean", "rank_ic_se": "standard_error"}
    estimates = board[list(columns)].rename(columns=columns).set_axis(names)
    return Chart(
        "rank-ic",
        "Mean daily rank IC",
        svg(
            lambda axes: draw_estimates(axes, estimates, label="mean daily rank IC"),
            width_px=HALF_PX,
            height_px=_MARGIN_PX + _ROW_PX * max(len(board), 2),
        ),
        note="Standard errors are Newey–West, over twice the dates that labels overlap. Models of "
        "one region share its data and dates, so their errors are alike: intervals that overlap do "
        "not show that two models are equal, nor intervals apart that they differ.",
        width="half",
    )


def _likeness(correlation: OOFCorrelation) -> Chart:
    matrix = correlation.matrix.rename(
        index=lambda key: " ".join(Partition.parse(key)),
        columns=lambda key: "\n".join(Partition.parse(key)),
    )
    return Chart(
        "likeness",
        "Rank correlation of the predictions",
        svg(
            lambda axes: draw_heatmap(axes, matrix, limit=1.0),
            width_px=HALF_PX,
            height_px=_MARGIN_PX + _ROW_PX * max(len(matrix), 2),
        ),
        note=f"Mean over dates of the Spearman correlation across names, on the "
        f"{correlation.n_rows:,} rows of {correlation.n_dates:,} dates that all have. What a stack "
        f"can gain lies in the differences.",
        width="half",
    )


_NOTE = (
    "Best rank IC of a horizon first; the name leads to the tear sheet. t: Newey–West. Eff. dates: "
    "independent dates worth as much. ICIR: daily, not annualized. Spread: top less bottom "
    "quantile per window of the horizon, gross of costs. Turnover: of the top quantile. DSR: "
    "probability that the spread's Sharpe ratio exceeds the best expected of as many worthless "
    "models. PBO: probability that the best model of a horizon on one half of history is below "
    "the median on the other; withheld below four models."
)

_EVIDENCE_NOTE = (
    "Coverage: tested rows with a prediction. Largest: largest absolute prediction. Refit: "
    "largest difference after a fold is fitted again."
)


def fold_section(scores: Mapping[str, pd.DataFrame]) -> Section:
    """Return the rank IC of every fold and, where there are several, of every path."""
    tables = [_unit_table(scores, "fold")]
    if any(int(frame["path_id"].nunique()) > 1 for frame in scores.values()):
        tables.append(_unit_table(scores, "path"))
    return Section("folds", "Rank IC by fold and path", tuple(tables))


def _unit_table(scores: Mapping[str, pd.DataFrame], scope: str) -> Table:
    by_key = {}
    for key, frame in scores.items():
        chosen = frame[(frame["scope"] == scope) & (frame["metric"] == "rank_ic")]
        ids = chosen[f"{scope}_id"].astype("int64")
        by_key[key] = dict(zip(ids.tolist(), chosen["value"].tolist(), strict=True))
    units = sorted(set().union(*by_key.values())) if by_key else []
    spec = METRICS["rank_ic"].spec
    rows = []
    for key, values in by_key.items():
        horizon, model = Partition.parse(key)
        found = [values.get(unit, float("nan")) for unit in units]
        spread = float(np.nanstd(found, ddof=1)) if np.isfinite(found).sum() > 1 else float("nan")
        rows.append(
            Row((model, horizon, *(number(value, spec) for value in found), number(spread, ".4f")))
        )
    name = scope.capitalize()
    return Table(
        f"rank-ic-by-{scope}",
        f"Mean daily rank IC by {scope}",
        (
            Column("Model", is_text=True),
            Column("Horizon", is_text=True),
            *(Column(f"{name} {unit}") for unit in units),
            Column(f"Std. dev. over {scope}s"),
        ),
        tuple(rows),
        note=_UNIT_NOTES[scope],
    )


_UNIT_NOTES = {
    "fold": "A fold holds few independent windows: its rank IC alone proves little.",
    "path": "A path is one complete history of single predictions. Paths share models and dates, "
    "so their spread is no standard error.",
}


def versions_section(
    oof: Mapping[str, pd.DataFrame], settings: Sequence[tuple[str, str]]
) -> Section:
    """Return the data versions behind every partition."""
    inputs = ("market_data", "labels", "features", "cv_splits", "fitted_models")
    made_from = {key: facts_of(frame).get(INPUTS, {}) for key, frame in oof.items()}
    shown = [name for name in inputs if any(name in versions for versions in made_from.values())]
    rows = tuple(
        Row(
            (
                Partition.parse(key)[1],
                Partition.parse(key)[0],
                data_version_of(frame)[:12],
                *(made_from[key].get(name, MISSING)[:12] for name in shown),
            )
        )
        for key, frame in oof.items()
    )
    columns = ("Model", "Horizon", "oof_predictions", *shown)
    return Section(
        "provenance",
        "Provenance",
        (
            Table(
                "versions",
                "Data versions",
                tuple(Column(name, is_text=True) for name in columns),
                rows,
                note="Partitions compare where labels, features and splits are of one version.",
            ),
            Facts("settings", tuple(settings)),
        ),
        text="The same data versions and settings give this file again, byte for byte.",
    )


def region_report(
    board: pd.DataFrame,
    scores: Mapping[str, pd.DataFrame],
    oof: Mapping[str, pd.DataFrame],
    labels: pd.DataFrame,
    *,
    region: str,
    config: RegionConfig,
    partitions: Sequence[str],
    reports: Collection[str],
) -> str:
    """Write the report of a region.

    Parameters
    ----------
    board : DataFrame of shape (n_partitions, n_columns)
        The leaderboard.
    scores, oof : mapping of str to DataFrame
        Scores and out-of-fold predictions by partition key, such as ``21d|ridge``.
    labels : DataFrame of shape (n_labels, 3 * n_horizons)
        Stored labels, with their provenance; charts leave out predictions of other labels.
    region : str
        Its name.
    config : RegionConfig
        Its settings.
    partitions : sequence of str
        Keys of all its partitions; those that are not in the leaderboard are named.
    reports : collection of str
        Keys of those that have a tear sheet to link to.

    Returns
    -------
    str
        A self-contained HTML document, the same for the same input.
    """
    several_paths = any(int(frame["path_id"].nunique()) > 1 for frame in scores.values())
    horizons = list(dict.fromkeys(Partition.parse(key)[0] for key in partitions))
    report = Report(
        title=f"Region {region}",
        subtitle=_subtitle(oof),
        figures=_figures(board, horizons=horizons, n_partitions=len(partitions)),
        inputs={**data_versions_of(labels=labels), "leaderboard": leaderboard_version(board)},
        caveats=(*caveats(config, several_paths=several_paths), _CHOICE),
        sections=(
            leaderboard_section(
                board, oof_rank_correlation(oof), partitions=partitions, reports=reports
            ),
            history_section(daily_histories(oof, labels), horizons=horizons),
            fold_section(scores),
            versions_section(oof, region_settings(config)),
        ),
    )
    return render(report)


_CHOICE = (
    "Chosen as best",
    "The best of several models flatters by having been chosen; DSR and PBO say by how much it "
    "may be luck.",
)


def _subtitle(oof: Mapping[str, pd.DataFrame]) -> str:
    if not oof:
        return "Out-of-fold predictions: none yet"
    dates = pd.DatetimeIndex(
        sorted(
            {
                end
                for frame in oof.values()
                for end in frame.index.get_level_values("datetime").sort_values()[[0, -1]]
            }
        )
    )
    n_names = max(frame.index.get_level_values("instrument").nunique() for frame in oof.values())
    return f"Out-of-fold predictions of {n_names:,} instruments, {period(dates)}"


def _figures(
    board: pd.DataFrame, *, horizons: Sequence[str], n_partitions: int
) -> tuple[KeyFigure, ...]:
    best = [_best(board[board["horizon"] == horizon], horizon) for horizon in horizons]
    scored = KeyFigure(
        "Partitions", f"{len(board)} of {n_partitions}", "models × horizons that are scored"
    )
    return (scored, *best)


def _best(board: pd.DataFrame, horizon: str) -> KeyFigure:
    known = board.dropna(subset=["rank_ic"])
    if known.empty:
        return KeyFigure(f"Best rank IC, {horizon}", number(float("nan"), "+.4f"), "no score yet")
    line = known.iloc[0]
    return KeyFigure(
        f"Best rank IC, {horizon}",
        number(line["rank_ic"], "+.4f"),
        f"{line['model']}, t {number(line['rank_ic_t'], '+.2f')}",
    )
