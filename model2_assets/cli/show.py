"""What the terminal is shown: scores, versions, proposed numbers of groups."""

import math
from typing import TYPE_CHECKING

from rich import box
from rich.console import Console
from rich.measure import Measurement
from rich.table import Table

from model2_assets.config import RegionConfig
from model2_assets.evaluation.leaderboard import has_path_range, times_of
from model2_assets.evaluation.metrics import METRICS, MISSING, PBO_WITHHELD, explained, metrics_of
from model2_assets.evaluation.scores import overall_scores
from model2_assets.storage import Address, Store
from model2_assets.storage.record import Record
from model2_assets.storage.rollback import scores_of

if TYPE_CHECKING:
    import pandas as pd

    from model2_assets.cross_validation import CPCVProposal


WIDE = 180
"""Columns of text that are enough for a table with one row per model and horizon."""


def fitting_scores_table(console: Console, region: str, board: "pd.DataFrame") -> Table:
    """Return a region's leaderboard in the form that fits a terminal.

    One row per model and horizon where the terminal is wide enough, else one column.
    """
    table = scores_table(region, board)
    unlimited = console.options.update(max_width=10 * WIDE)
    needed = Measurement.get(console, unlimited, table).minimum
    return table if needed <= console.width else scores_table(region, board, wide=False)


def scores_table(region: str, board: "pd.DataFrame", *, wide: bool = True) -> Table:
    """Return a region's leaderboard, a row (`wide`) or else a column per model and horizon.

    Units stand in the headings. Paths are left out where there is one, and so is what is not
    known of any partition: the change of rank IC, and when models were trained.
    """
    several_paths = has_path_range(board)
    metrics = [
        metric
        for metric in metrics_of("scores", "making", "details", several_paths=several_paths)
        if metric.name != "rank_ic_change" or board[metric.name].notna().any()
    ]
    columns = {
        metric.numeric_heading: [metric.numeric_text(value) for value in board[metric.name]]
        for metric in metrics
    }
    if board["trained_at"].notna().any():
        columns["trained UTC"] = times_of(board, "%m-%d %H:%M")
    withheld = PBO_WITHHELD if board["pbo"].isna().any() else ""
    table = Table(
        title=f"region {region}: out-of-fold scores",
        caption=f"{_CAPTION} {explained(metrics)} {withheld}".rstrip(),
        caption_justify="left",
        box=box.SIMPLE_HEAD,
        padding=0 if wide else (0, 0, 0, 1),
    )
    table.add_column("model", no_wrap=wide)
    if wide:
        table.add_column("horizon", no_wrap=True)
        for heading, texts in columns.items():
            lines = _narrow(heading, max(map(len, texts), default=0))
            table.add_column(lines, justify="right", vertical="bottom", no_wrap=True)
        for row in zip(board["model"], board["horizon"], *columns.values(), strict=True):
            table.add_row(*row)
        return table
    for model in board["model"]:
        table.add_column(model, justify="right", no_wrap=True)
    table.add_row("horizon", *board["horizon"])
    for heading, texts in columns.items():
        table.add_row(heading, *texts)
    return table


def _narrow(heading: str, width: int) -> str:
    """Return a heading a word a line; a long word over narrow cells is hyphenated."""
    return "\n".join(
        f"{word[:4]}-\n{word[4:]}" if len(word) > max(width + 2, 6) else word
        for word in heading.split()
    )


_CAPTION = (
    "Combinatorial cross-validation trains on the future of its test blocks: it validates a "
    "forecaster and is never a backtest."
)


def versions_table(store: Store, predictions: Address) -> Table | None:
    """Return the kept versions of one model and horizon, the last published first.

    The rank IC is that of the scores kept with a version, and a dash where they are not kept or
    cannot be read. None if no version is kept.
    """
    versions = store.archive.versions(predictions)
    if not versions:
        return None
    table = Table(
        title=f"{predictions.region} {predictions.horizon} {predictions.model}",
        title_justify="left",
        box=box.SIMPLE_HEAD,
    )
    for heading in ("version", "", "published (UTC)", "first published"):
        table.add_column(heading, no_wrap=True)
    for heading in (METRICS["samples"].heading, METRICS["rank_ic"].heading):
        table.add_column(heading, justify="right", no_wrap=True)
    for heading in _MADE_FROM:
        table.add_column(heading.replace("fitted_", ""), no_wrap=True)
    current = store.current_version(predictions)
    scores = scores_of(store, predictions, versions)
    for version in versions:
        is_current = current is not None and version.sha256 == current.sha256
        table.add_row(
            version.short,
            "current" if is_current else "",
            f"{version.published:%Y-%m-%d %H:%M:%S}",
            f"{version.first_published:%Y-%m-%d %H:%M:%S}",
            MISSING if version.rows is None else f"{version.rows:,}",
            METRICS["rank_ic"].numeric_text(
                _rank_ic(store, predictions, scores.get(version.sha256))
            ),
            *(version.inputs.get(name, MISSING)[:12] for name in _MADE_FROM),
        )
    return table


_MADE_FROM = ("fitted_models", "labels", "features")


def _rank_ic(store: Store, predictions: Address, scores: Record | None) -> float:
    from model2_assets.errors import Model2Error

    if scores is None:
        return math.nan
    address = Address(predictions.region, "cv_scores", predictions.horizon, predictions.model)
    try:
        frame: pd.DataFrame = store.read_version(address, scores)
    except Model2Error:
        return math.nan
    return overall_scores(frame).get("rank_ic", math.nan)


SHOWN = 12


def labelled_dates(region: RegionConfig) -> int:
    """Count the dates of a region's market data that can be split.

    Dates that no row has a label on are left out, and so are the first
    ``features.min_history_bars`` dates, on which no row has features.
    """
    from model2_assets.cross_validation.intervals import longest_label_end
    from model2_assets.labels import make_labels
    from model2_assets.market_data import load_market_data

    panel = load_market_data(region.market_data).panel
    label_end = longest_label_end(make_labels(panel, region.labels))
    first_dates = panel.index.unique("datetime").sort_values()[: region.features.min_history_bars]
    return len(label_end.dropna().index.unique("datetime").difference(first_dates))


_PROPOSAL = {
    "n_groups": ("n_groups", ".0f"),
    "n_test_groups": ("n_test_groups", ".0f"),
    "n_splits": ("splits", ".0f"),
    "n_paths": ("paths", ".0f"),
    "test_dates": ("test", ",.0f"),
    "ideal_train_dates": ("ideal train", ",.0f"),
    "purged_dates": ("purged", ",.0f"),
    "embargoed_dates": ("embargoed", ",.0f"),
    "train_dates": ("train", ",.0f"),
    "least_train_dates": ("least", ",.0f"),
    "train_share": ("of all dates", ".1%"),
    "kept_share": ("of ideal", ".1%"),
    "shortfall": ("shortfall", ".2f"),
}
"""Columns of a proposal: heading and format."""


def proposal_table(region: str, proposal: "CPCVProposal") -> Table:
    """Return the best candidates, best first, a row each; dates are means over the splits."""
    table = Table(
        title=f"region {region}: {proposal.n_dates:,} labelled dates",
        caption="best first; dates are means over the splits, least is the split with fewest",
    )
    for heading, _ in _PROPOSAL.values():
        table.add_column(heading, justify="right")
    for row in proposal.candidates.head(SHOWN).to_dict("records"):
        table.add_row(*(format(row[name], spec) for name, (_, spec) in _PROPOSAL.items()))
    return table
