"""The report of a region: every model and horizon side by side."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import pandas as pd

from model2_assets.config import RegionConfig
from model2_assets.config.partition import Partition
from model2_assets.evaluation import OOFCorrelation, oof_rank_correlation
from model2_assets.evaluation.leaderboard import has_path_range, leaderboard_version
from model2_assets.evaluation.metrics import (
    METRICS,
    MISSING,
    PBO_WITHHELD,
    Metric,
    explained,
    metrics_of,
    number,
)
from model2_assets.evaluation.quantiles import cumulative_quantile_spread
from model2_assets.evaluation.scores import has_several_paths, rank_ics
from model2_assets.reports import score_charts
from model2_assets.reports.data_charts import draw_heatmap
from model2_assets.reports.document import (
    Chart,
    Column,
    Facts,
    KeyFigure,
    Report,
    Row,
    Section,
    Table,
    columns,
    period,
    render,
)
from model2_assets.reports.score_charts import DAILY_RANK_IC, MEAN_DAILY_RANK_IC, RANK_IC
from model2_assets.reports.tables import STANDARD_ERRORS, caveats, cells, region_settings
from model2_assets.reports.tear_sheet import PartitionStatistics
from model2_assets.storage.data_version import INPUTS, data_version_of, data_versions_of, facts_of

_CHOICE = (
    "Chosen as best",
    "The best of several models flatters by having been chosen; DSR and PBO say by how much it "
    "may be luck.",
)

REGION_PARTS = (
    "figures", "caveats", "leaderboard", "rank-ic", "likeness", "evidence", "history",
    "rank-ic-by-fold", "provenance", "versions",
)  # fmt: skip
"""Ids in a region's report."""


@dataclass(frozen=True, eq=False)
class RegionResults:
    """What is stored of the models of a region, with its provenance.

    Attributes
    ----------
    leaderboard : DataFrame of shape (n_partitions, n_columns)
        All that have scores, side by side.
    scores, oof : mapping of str to DataFrame
        Scores and out-of-fold predictions by partition key, such as ``21d|ridge``.
    labels : DataFrame of shape (n_labels, 3 * n_horizons)
        Labels; charts leave out predictions of other labels.
    """

    leaderboard: pd.DataFrame
    scores: Mapping[str, pd.DataFrame]
    oof: Mapping[str, pd.DataFrame]
    labels: pd.DataFrame


def region_report(
    made: RegionResults,
    *,
    region: str,
    config: RegionConfig,
    partitions: Sequence[str],
    reports: Collection[str],
) -> str:
    """Write the report of a region.

    Parameters
    ----------
    made : RegionResults
        What is stored of it.
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
    board = made.leaderboard
    several_paths = any(has_several_paths(frame) for frame in made.scores.values())
    horizons = list(dict.fromkeys(Partition.parse(key).horizon for key in partitions))
    version = data_versions_of(labels=made.labels)
    report = Report(
        title=f"Region {region}",
        subtitle=_subtitle(made.oof),
        figures=_figures(board, horizons=horizons, n_partitions=len(partitions)),
        inputs={**version, "leaderboard": leaderboard_version(board)},
        caveats=(*caveats(config, several_paths=several_paths), _CHOICE),
        sections=(
            _leaderboard_section(made, partitions=partitions, reports=reports),
            _history_section(_statistics(made, config), horizons),
            _fold_section(made.scores, several_paths=several_paths),
            _versions_section(made.oof, config),
        ),
    )
    return render(report)


def _subtitle(oof: Mapping[str, pd.DataFrame]) -> str:
    if not oof:
        return "Out-of-fold predictions: none yet"
    dates = [frame.index.get_level_values("datetime") for frame in oof.values()]
    ends = pd.DatetimeIndex([min(each.min() for each in dates), max(each.max() for each in dates)])
    n_names = max(len(frame.index.unique("instrument")) for frame in oof.values())
    return f"Out-of-fold predictions of {n_names:,} instruments, {period(ends)}"


def _figures(
    board: pd.DataFrame, *, horizons: Sequence[str], n_partitions: int
) -> tuple[KeyFigure, ...]:
    scored = f"{len(board)} of {n_partitions}"
    best = (_best(board[board["horizon"] == horizon], horizon) for horizon in horizons)
    return KeyFigure("Partitions", scored, "models × horizons that are scored"), *best


def _best(board: pd.DataFrame, horizon: str) -> KeyFigure:
    known = board.dropna(subset=["rank_ic"])
    name = f"Best {RANK_IC.heading}, {horizon}"
    if known.empty:
        return KeyFigure(name, MISSING, "no score yet")
    line, t = known.iloc[0], METRICS["rank_ic_t"]
    note = f"{line['model']}, {t.heading} {t.text(line['rank_ic_t'])}"
    return KeyFigure(name, RANK_IC.text(line["rank_ic"]), note)


_BOARD_NOTE = f"Best {RANK_IC.heading} of a horizon first; the name leads to the tear sheet."


def _leaderboard_section(
    made: RegionResults, *, partitions: Sequence[str], reports: Collection[str]
) -> Section:
    """Return all models and horizons side by side, those that are missing included."""
    board = made.leaderboard
    shown = metrics_of("ranking", several_paths=has_path_range(board))
    lines = board.to_dict("records")
    there = {Partition(line["horizon"], line["model"]).key for line in lines}
    missing = [key for key in partitions if key not in there]
    rows = [_board_row(line, shown, reports) for line in lines]
    rows += [Row((*_named(key), *[MISSING] * len(shown))) for key in missing]
    note = f"{_BOARD_NOTE} {explained(shown)} {PBO_WITHHELD}"
    heads = columns(*_NAMED, *shown)
    ranking = Table("leaderboard", "All models and horizons", heads, tuple(rows), note)
    # Time and memory differ from run to run and are left out.
    shown = metrics_of("evidence")
    found, heads = [_board_row(line, shown, ()) for line in lines], columns(*_NAMED, *shown)
    title, note = "Predictions and models", explained(shown)
    evidence = Table("evidence", title, heads, tuple(found), note)
    blocks = (ranking, _estimates(board), _likeness(oof_rank_correlation(made.oof)), evidence)
    absent = f"Not materialized, or not complete: {', '.join(missing)}." if missing else ""
    return Section("leaderboard-section", "Leaderboard", blocks, absent)


_NAMED = ("Model", "Horizon")


def _named(key: str) -> tuple[str, str]:
    partition = Partition.parse(key)
    return partition.model, partition.horizon


def _board_row(line: Mapping[Any, Any], shown: Sequence[Metric], reports: Collection[str]) -> Row:
    partition = Partition(line["horizon"], line["model"])
    link = f"../tear_sheet/{partition.horizon}/{partition.model}/report.html"
    named = (partition.model, partition.horizon, *cells(line, shown))
    return Row(named, link=link if partition.key in reports else None)


def _estimates(board: pd.DataFrame) -> Chart:
    named = {"rank_ic": "mean", "rank_ic_se": "standard_error"}
    estimates = board[list(named)].rename(columns=named)
    return Chart(
        "rank-ic",
        f"Mean {DAILY_RANK_IC}",
        partial(score_charts.draw_estimates, label=MEAN_DAILY_RANK_IC),
        estimates.set_axis(board["horizon"] + " " + board["model"]),
        f"{STANDARD_ERRORS} Models of one region share its data and dates, so their errors are "
        f"alike: intervals that overlap do not show that two models are equal, nor intervals apart "
        f"that they differ.",
        "half",
        60 + 34 * max(len(board), 2),
    )


def _likeness(correlation: OOFCorrelation) -> Chart:
    matrix = correlation.matrix.rename(
        index=lambda key: " ".join(Partition.parse(key)),
        columns=lambda key: "\n".join(Partition.parse(key)),
    )
    return Chart(
        "likeness",
        "Rank correlation of the predictions",
        partial(draw_heatmap, limit=1.0),
        matrix,
        f"Mean over dates of the Spearman correlation across names, on the "
        f"{correlation.n_rows:,} rows of {correlation.n_dates:,} dates that all have. What a stack "
        f"can gain lies in the differences.",
        "half",
        60 + 34 * max(len(matrix), 2),
    )


def _statistics(made: RegionResults, config: RegionConfig) -> dict[Partition, PartitionStatistics]:
    """Return the statistics of every partition that was made from the labels at hand."""
    version = data_versions_of(labels=made.labels)["labels"]
    return {
        partition: PartitionStatistics(frame, made.labels, partition.horizon, config.labels)
        for partition, frame in ((Partition.parse(key), frame) for key, frame in made.oof.items())
        if facts_of(frame).get(INPUTS, {}).get("labels", version) == version
    }


def daily_spread(found: PartitionStatistics) -> pd.Series:
    """Return what a date adds to the mean of the books of `cumulative_quantile_spread`, bps."""
    books = cumulative_quantile_spread(found.spread, horizon_days=found.days)
    return books["mean"].diff().fillna(books["mean"])


def _history_section(
    statistics: Mapping[Partition, PartitionStatistics], horizons: Sequence[str]
) -> Section:
    """Return the running sums of rank IC and spread, the models of a horizon in one chart."""
    charts: list[Chart] = []
    for horizon in horizons:
        models = {key.model: found for key, found in statistics.items() if key.horizon == horizon}
        rank_ic = {model: found.rank_ic for model, found in models.items()}
        spread = {model: daily_spread(found) for model, found in models.items()}
        for name, title, label, series in (
            ("rank-ic", RANK_IC.title, f"sum of {DAILY_RANK_IC}s", rank_ic),
            ("spread", "Top less bottom quantile", "sum of spreads, bps", spread),
        ):
            draw = partial(score_charts.draw_running_sums, label=label)
            named = f"{name}-{horizon}", f"{title}, {horizon}"
            charts.append(Chart(*named, draw, series, width="half"))
    text = (
        "Running sums, of realized returns: slopes are to be compared, not heights. A date adds "
        "its spread over the days of its horizon, which is the mean of books that do not overlap; "
        "see the tear sheets for the range over their starting dates."
    )
    return Section("history", "Over time", tuple(charts), text)


def _fold_section(scores: Mapping[str, pd.DataFrame], *, several_paths: bool) -> Section:
    """Return the rank IC of every fold and, where there are several, of every path."""
    tables = [_unit_table(scores, scope) for scope in ("fold", *["path"] * several_paths)]
    return Section("folds", f"{RANK_IC.title} by fold and path", tuple(tables))


def _unit_table(scores: Mapping[str, pd.DataFrame], scope: str) -> Table:
    by_unit = {key: rank_ics(frame, scope) for key, frame in scores.items()}
    units = sorted(set().union(*(found.index for found in by_unit.values())))
    rows = []
    for key, found in by_unit.items():
        values = found.reindex(units)
        deviation = number(values.std(ddof=1), ".4f")
        rows.append(Row((*_named(key), *map(RANK_IC.text, values), deviation)))
    of_units = [f"{scope.capitalize()} {unit}" for unit in units]
    shown = columns(*_NAMED, *map(Column, [*of_units, f"Std. dev. over {scope}s"]))
    title = f"Mean {DAILY_RANK_IC} by {scope}"
    return Table(f"rank-ic-by-{scope}", title, shown, tuple(rows), _UNIT_NOTES[scope])


_UNIT_NOTES = {
    "fold": f"A fold holds few independent windows: its {RANK_IC.heading} alone proves little.",
    "path": "A path is one complete history of single predictions. Paths share models and dates, "
    "so their spread is no standard error.",
}


def _versions_section(oof: Mapping[str, pd.DataFrame], config: RegionConfig) -> Section:
    """Return the data versions behind every partition."""
    inputs = ("market_data", "labels", "features", "cv_splits", "fitted_models")
    made_from = {key: facts_of(frame).get(INPUTS, {}) for key, frame in oof.items()}
    shown = [name for name in inputs if any(name in versions for versions in made_from.values())]
    rows = []
    for key, frame in oof.items():
        versions = (data_version_of(frame), *(made_from[key].get(name, MISSING) for name in shown))
        rows.append(Row((*_named(key), *(version[:12] for version in versions))))
    heads = columns(*_NAMED, "oof_predictions", *shown)
    note = "Partitions compare where labels, features and splits are of one version."
    table = Table("versions", "Data versions", heads, tuple(rows), note)
    blocks = (table, Facts("settings", region_settings(config)))
    text = "The same data versions and settings give this file again, byte for byte."
    return Section("provenance", "Provenance", blocks, text)
