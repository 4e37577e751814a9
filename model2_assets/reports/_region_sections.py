"""The parts of a region's report."""

from collections.abc import Collection, Mapping, Sequence

import numpy as np
import pandas as pd

from model2_assets.charts import draw_estimates, draw_heatmap, draw_running_sums, svg
from model2_assets.evaluation import OOFCorrelation
from model2_assets.reports._document import Chart, Column, Facts, Row, Section, Table
from model2_assets.reports._numbers import MISSING, number
from model2_assets.reports._region_statistics import DailyHistory
from model2_assets.reports._score_tables import METRICS, Metric
from model2_assets.reports._sizes import HALF_PX

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
    "coverage": Metric("Coverage", ".2%"),
    "largest_prediction": Metric("Largest", ",.0f", "bps"),
    "determinism_difference": Metric("Refit", ".0e", "bps"),
}
"""Columns of the leaderboard that depend on nothing but data and settings."""

_ROW_PX, _MARGIN_PX = 34, 60


def split_key(key: str) -> tuple[str, str]:
    """Return horizon and model of a partition key such as ``21d|ridge``."""
    horizon, _, model = key.partition("|")
    return horizon, model


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
    there = {f"{line['horizon']}|{line['model']}" for line in _records(board)}
    missing = [key for key in partitions if key not in there]
    rows += [_missing_row(key, len(shown)) for key in missing]
    columns = (
        Column("Model", is_text=True),
        Column("Horizon", is_text=True),
        *(metric.column for metric in shown.values()),
    )
    return Section(
        "leaderboard-section",
        "Leaderboard",
        (
            Table("leaderboard", "All models and horizons", columns, tuple(rows), note=_NOTE),
            _estimates(board),
            _likeness(correlation),
        ),
        text=_missing_text(missing),
    )


def _records(board: pd.DataFrame) -> list[dict[str, object]]:
    return [{str(name): value for name, value in line.items()} for line in board.to_dict("records")]


def _board_row(
    line: Mapping[str, object], shown: Mapping[str, Metric], reports: Collection[str]
) -> Row:
    horizon, model = str(line["horizon"]), str(line["model"])
    cells = tuple(number(float(str(line[name])), metric.spec) for name, metric in shown.items())
    link = f"../tear_sheet/{horizon}/{model}/report.html"
    return Row((model, horizon, *cells), link=link if f"{horizon}|{model}" in reports else None)


def _missing_row(key: str, n_figures: int) -> Row:
    horizon, model = split_key(key)
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
        index=lambda key: " ".join(split_key(key)), columns=lambda key: "\n".join(split_key(key))
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


def history_section(histories: Mapping[str, DailyHistory], *, horizons: Sequence[str]) -> Section:
    """Return the running sums of rank IC and spread, the models of a horizon in one chart."""
    charts: list[Chart] = []
    for horizon in horizons:
        models = {
            split_key(key)[1]: found
            for key, found in histories.items()
            if split_key(key)[0] == horizon
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
        horizon, model = split_key(key)
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


def versions_section(
    oof: Mapping[str, pd.DataFrame], settings: Sequence[tuple[str, str]]
) -> Section:
    """Return the data versions behind every partition."""
    from model2_assets.provenance import INPUTS, data_version_of, facts_of

    inputs = ("market_data", "labels", "features", "cv_splits", "fitted_models")
    made_from = {key: facts_of(frame).get(INPUTS, {}) for key, frame in oof.items()}
    shown = [name for name in inputs if any(name in versions for versions in made_from.values())]
    rows = tuple(
        Row(
            (
                split_key(key)[1],
                split_key(key)[0],
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


_NOTE = (
    "Best rank IC of a horizon first; the name leads to the tear sheet. t: Newey–West. Eff. dates: "
    "independent dates worth as much. ICIR: daily, not annualized. Spread: top less bottom "
    "quantile per window of the horizon, gross of costs. DSR: probability that its Sharpe ratio "
    "exceeds the best expected of as many worthless models. PBO: probability that the best model "
    "of a horizon on one half of history is below the median on the other; withheld below four "
    "models. Largest: largest absolute prediction. Refit: largest difference after a fold is "
    "fitted again."
)

_UNIT_NOTES = {
    "fold": "A fold holds few independent windows: its rank IC alone proves little.",
    "path": "A path is one complete history of single predictions. Paths share models and dates, "
    "so their spread is no standard error.",
}
