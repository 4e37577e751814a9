"""What the terminal is shown: scores, versions, proposed numbers of groups."""

import math
import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd
from rich import box
from rich.console import Console
from rich.measure import Measurement
from rich.table import Table

from model2_assets.config import Partition, RegionConfig
from model2_assets.cross_validation import CPCVProposal
from model2_assets.cross_validation.intervals import longest_label_end
from model2_assets.errors import Model2Error
from model2_assets.evaluation.leaderboard import has_path_range, times_of
from model2_assets.evaluation.metrics import METRICS, MISSING, PBO_WITHHELD, explained, metrics_of
from model2_assets.evaluation.scores import overall_scores
from model2_assets.labels import make_labels
from model2_assets.market_data import load_market_data
from model2_assets.storage import Address, Store, default_store
from model2_assets.storage.record import Record
from model2_assets.storage.rollback import scores_of

if TYPE_CHECKING:
    from model2_assets.training.plan import StepCost

WIDE = 180
"""Columns of text that are enough for a table with one row per model and horizon."""

_CAPTION = (
    "Combinatorial cross-validation trains on the future of its test blocks: it validates a "
    "forecaster and is never a backtest."
)


def terminal() -> Console:
    """Return a console as wide as the terminal, or as the widest table where there is none."""
    return Console(width=None if sys.stdout.isatty() else WIDE)


def _table(rows: Iterable[Sequence[str]], *, right: range, **settings: Any) -> Table:
    """Return a table of rows, the first of them headings, with numbers in columns `right`."""
    headings, *others = rows
    table = Table(**settings)
    for position, heading in enumerate(headings):
        table.add_column(heading, vertical="bottom", no_wrap=True)
        table.columns[position].justify = "right" if position in right else "left"
    for row in others:
        table.add_row(*row)
    return table


def print_scores(regions: Iterable[str]) -> bool:
    """Print the leaderboards of regions that have one, and return whether any has."""
    store, console = default_store(), terminal()
    boards = [Address(region, "leaderboard") for region in regions]
    found = [board for board in boards if store.exists(board)]
    for board in found:
        console.print(fitting_scores_table(console, board.region, store.read(board)))
    return bool(found)


def fitting_scores_table(console: Console, region: str, board: pd.DataFrame) -> Table:
    """Return a region's leaderboard in the form that fits a terminal.

    One row per model and horizon where the terminal is wide enough, else one column.
    """
    table = scores_table(region, board)
    unlimited = console.options.update(max_width=10 * WIDE)
    needed = Measurement.get(console, unlimited, table).minimum
    return table if needed <= console.width else scores_table(region, board, wide=False)


def scores_table(region: str, board: pd.DataFrame, *, wide: bool = True) -> Table:
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
    columns = [
        (metric.numeric_heading, *map(metric.numeric_text, board[metric.name]))
        for metric in metrics
    ]
    if board["trained_at"].notna().any():
        columns.append(("trained UTC", *times_of(board, "%m-%d %H:%M")))
    if wide:
        columns = [(_narrow(heading, texts), *texts) for heading, *texts in columns]
    columns = [("model", *board["model"]), ("horizon", *board["horizon"]), *columns]
    withheld = PBO_WITHHELD if board["pbo"].isna().any() else ""
    table = _table(
        zip(*columns, strict=True) if wide else columns,
        right=range(2 if wide else 1, len(columns) + len(board)),
        title=f"region {region}: out-of-fold scores",
        caption=f"{_CAPTION} {explained(metrics)} {withheld}".rstrip(),
        caption_justify="left",
        box=box.SIMPLE_HEAD,
        padding=0 if wide else (0, 0, 0, 1),
    )
    table.columns[0].no_wrap = wide
    return table


_COMPARED = {
    "difference": METRICS["rank_ic_change"],
    "difference_se": METRICS["rank_ic_se"],
    "difference_t": METRICS["rank_ic_t"],
}
"""Columns of a comparison with what is published, and how they read."""


def variants_table(region: str, partition: Partition, variants: pd.DataFrame) -> Table:
    """Return what `try_variants` has found, a row for each variant."""
    columns = []
    for name, metric in (METRICS | _COMPARED).items():
        if name in variants and name != "pbo":
            texts = [metric.numeric_text(value) for value in variants[name]]
            columns.append((_narrow(metric.numeric_heading, texts), *texts))
    columns.append(("verdict", *variants["verdict"].fillna("")))
    n_variants, overfitting = len(variants) - 1, variants.attrs["overfitting"]
    chosen = (
        f" The best of several is chosen on the rows that it is scored on: DSR is for "
        f"{len(variants)} trials, PBO is {overfitting}."
    )
    table = _table(
        zip(("variant", *variants.index), *columns, strict=True),
        right=range(1, len(columns)),
        title=f"region {region}: {partition.horizon} {partition.model}, nothing is published",
        caption=f"Compared date by date, on the same rows; errors are for labels that overlap. "
        f"Luck makes {'one of them' if n_variants > 1 else 'it'} better or worse about one "
        f"time in 20.{chosen if n_variants > 1 else ''} {_CAPTION}",
        caption_justify="left",
        box=box.SIMPLE_HEAD,
        padding=0,
    )
    for column in (table.columns[0], table.columns[-1]):
        column.no_wrap, column.overflow = False, "fold"
    return table


def _narrow(heading: str, texts: Sequence[str]) -> str:
    """Return a heading a word a line; a long word over narrow texts is hyphenated."""
    longest = max([6, *(len(text) + 2 for text in texts)])
    return "\n".join(
        f"{word[:4]}-\n{word[4:]}" if len(word) > longest else word for word in heading.split()
    )


_MADE_FROM = ("fitted_models", "labels", "features")


def versions_table(store: Store, predictions: Address) -> Table | None:
    """Return the kept versions of one model and horizon, the last published first.

    The rank IC is that of the scores kept with a version, and a dash where they are not kept or
    cannot be read. None if no version is kept.
    """
    versions = store.archive.versions(predictions)
    if not versions:
        return None
    current = store.current_version(predictions)
    scores = scores_of(store, predictions, versions)
    samples, rank_ic = METRICS["samples"], METRICS["rank_ic"]
    rows = [
        (
            version.short,
            "current" if current is not None and version.sha256 == current.sha256 else "",
            f"{version.published:%Y-%m-%d %H:%M:%S}",
            f"{version.first_published:%Y-%m-%d %H:%M:%S}",
            MISSING if version.rows is None else samples.text(version.rows),
            rank_ic.numeric_text(_rank_ic(store, predictions, scores.get(version.sha256))),
            *(version.inputs.get(name, MISSING)[:12] for name in _MADE_FROM),
        )
        for version in versions
    ]
    headings = ("version", "", "published (UTC)", "first published", samples.heading)
    made_from = (name.removeprefix("fitted_") for name in _MADE_FROM)
    return _table(
        [(*headings, rank_ic.heading, *made_from), *rows],
        right=range(4, 6),
        title=f"{predictions.region} {predictions.horizon} {predictions.model}",
        title_justify="left",
        box=box.SIMPLE_HEAD,
    )


def _rank_ic(store: Store, predictions: Address, scores: Record | None) -> float:
    if scores is None:
        return math.nan
    address = Address(predictions.region, "cv_scores", predictions.horizon, predictions.model)
    try:
        frame: pd.DataFrame = store.read_version(address, scores)
    except Model2Error:
        return math.nan
    return overall_scores(frame).get("rank_ic", math.nan)


def labelled_dates(region: RegionConfig) -> int:
    """Count the dates of a region's market data that can be split.

    Dates that no row has a label on are left out, and so are the first
    ``features.min_history_bars`` dates, on which no row has features.
    """
    panel = load_market_data(region.market_data).panel
    label_end = longest_label_end(make_labels(panel, region.labels))
    first_dates = panel.index.unique("datetime").sort_values()[: region.features.min_history_bars]
    return len(label_end.dropna().index.unique("datetime").difference(first_dates))


_PROPOSALS_SHOWN = 12

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


def proposal_table(region: str, proposal: CPCVProposal) -> Table:
    """Return the best candidates, best first, a row each; dates are means over the splits."""
    best = proposal.candidates.head(_PROPOSALS_SHOWN)
    columns = [
        (heading, *(format(value, spec) for value in best[name]))
        for name, (heading, spec) in _PROPOSAL.items()
    ]
    return _table(
        zip(*columns, strict=True),
        right=range(len(columns)),
        title=f"region {region}: {proposal.n_dates:,} labelled dates",
        caption="best first; dates are means over the splits, least is the split with fewest",
    )


def hours(seconds: float) -> str:
    """Return a duration in the unit in which it is easily read."""
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.0f} s"


def costs_table(title: str, steps: "Sequence[StepCost]") -> Table:
    """Return what steps cost, a row each; memory, disk and network in 10^9 bytes."""
    headings = ("step", "time", "at least", "at most", "GB here", "each worker", "disk", "sent")
    rows = [
        (
            cost.step,
            *map(hours, cost.seconds),
            *(
                f"{n_bytes / 1e9:,.1f}" if n_bytes else MISSING
                for n_bytes in (cost.memory, cost.worker_memory, cost.disk, cost.network)
            ),
        )
        for cost in steps
    ]
    return _table(
        [headings, *rows], right=range(1, len(headings)), title=title, box=box.SIMPLE_HEAD
    )
