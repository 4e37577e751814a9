"""All models and horizons of a region side by side."""

from collections.abc import Collection, Mapping, Sequence

import pandas as pd

from model2_assets.charts import draw_estimates, draw_heatmap, svg
from model2_assets.evaluation import OOFCorrelation
from model2_assets.reports._document import Chart, Column, Row, Section, Table
from model2_assets.reports._keys import split_key
from model2_assets.reports._numbers import MISSING, number
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
