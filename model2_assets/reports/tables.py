"""Tables and sentences that reports share."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd

from model2_assets.config import CrossValidationConfig, LabelsConfig, RegionConfig
from model2_assets.evaluation import wide_scores
from model2_assets.reports.document import Column, Facts, Row, Section, Table, date, number
from model2_assets.storage.provenance import INPUTS, data_version_of, facts_of

if TYPE_CHECKING:
    from model2_assets.storage.models import Manifest


@dataclass(frozen=True)
class Metric:
    """A score as people read it: heading, format of the value times `scale`, unit."""

    heading: str
    spec: str
    unit: str = ""
    scale: float = 1.0

    @property
    def column(self) -> Column:
        """The column of a table of it."""
        return Column(self.heading, self.unit)


METRICS = {
    "rank_ic": Metric("Rank IC", "+.4f"),
    "rank_ic_se": Metric("Std. error", ".4f"),
    "rank_ic_t": Metric("t", "+.2f"),
    "n_effective": Metric("Eff. dates", ",.0f"),
    "ic": Metric("IC", "+.4f"),
    "icir": Metric("ICIR", "+.3f"),
    "r2": Metric("R²", "+.4f"),
    "rmse": Metric("RMSE", ",.0f", "bps"),
    "mae": Metric("MAE", ",.0f", "bps"),
    "hit_rate": Metric("Hit rate", ".2%"),
    "decile_spread_bps": Metric("Spread", "+.1f", "bps"),
    "deflated_sharpe": Metric("DSR", ".2f"),
    "samples": Metric("Rows", ",.0f"),
    "dates": Metric("Dates", ",.0f"),
}
"""Scores in the order of the tables."""

_OF_FOLDS = ("rank_ic", "ic", "icir", "r2", "rmse", "mae", "hit_rate", "samples", "dates")
_OF_HISTORIES = (
    "rank_ic", "rank_ic_se", "rank_ic_t", "n_effective", "ic", "icir", "r2", "hit_rate",
    "decile_spread_bps", "deflated_sharpe", "samples",
)  # fmt: skip


def overall_scores(scores: pd.DataFrame) -> dict[str, float]:
    """Return the scores of all rows by metric."""
    overall = scores[scores["scope"] == "all"]
    return {
        str(name): float(value)
        for name, value in zip(overall["metric"], overall["value"], strict=True)
    }


def fold_table(scores: pd.DataFrame, oof: pd.DataFrame) -> Table:
    """Return the scores of every fold, with the dates that it tests."""
    dates = oof.index.get_level_values("datetime").to_series()
    tested = dates.groupby(oof["fold_id"].to_numpy()).agg(["min", "max"])
    wide = wide_scores(scores)
    rows = [
        Row(
            (
                str(fold["id"]),
                date(tested.loc[fold["id"], "min"]),
                date(tested.loc[fold["id"], "max"]),
                *_cells(fold, _OF_FOLDS),
            )
        )
        for _, fold in wide[wide["scope"] == "fold"].iterrows()
    ]
    first, last = date(dates.min()), date(dates.max())
    overall = wide[wide["scope"] == "all"].iloc[0]
    return Table(
        id="scores-by-fold",
        caption="By fold",
        columns=(
            Column("Fold", is_text=True),
            Column("First date", is_text=True),
            Column("Last date", is_text=True),
            *(METRICS[name].column for name in _OF_FOLDS),
        ),
        rows=(*rows, Row(("All", first, last, *_cells(overall, _OF_FOLDS)), is_total=True)),
        note=_FOLD_NOTE,
    )


def path_table(scores: pd.DataFrame) -> Table:
    """Return the scores of every complete path, and of the mean over paths."""
    wide = wide_scores(scores)
    paths = wide[wide["scope"] == "path"]
    several = len(paths) > 1
    return Table(
        id="scores-by-path",
        caption="By path",
        columns=_columns("Path", _OF_HISTORIES),
        rows=(
            *_rows(paths, _OF_HISTORIES),
            *_rows(
                wide[wide["scope"] == "all"],
                _OF_HISTORIES,
                name="Mean of predictions" if several else "All",
            ),
        ),
        note=_PATH_NOTE.format(
            paths=_SEVERAL_PATHS if several else "With one test group a split there is one path."
        ),
    )


def split_table(scores: pd.DataFrame) -> Table:
    """Return the scores of every split: of the predictions of one fitted model."""
    wide = wide_scores(scores)
    return Table(
        id="scores-by-split",
        caption="By split",
        columns=_columns("Split", _OF_FOLDS),
        rows=tuple(_rows(wide[wide["scope"] == "split"], _OF_FOLDS)),
        note="A split is one fitted model, scored on all groups that it tests.",
    )


def _columns(first: str, metrics: Sequence[str]) -> tuple[Column, ...]:
    return (Column(first, is_text=True), *(METRICS[name].column for name in metrics))


def _rows(wide: pd.DataFrame, metrics: Sequence[str], name: str | None = None) -> list[Row]:
    return [
        Row((name or str(row["id"]), *_cells(row, metrics)), is_total=name is not None)
        for _, row in wide.iterrows()
    ]


def _cells(row: pd.Series, metrics: Sequence[str]) -> tuple[str, ...]:
    return tuple(number(row.get(name, float("nan")), METRICS[name].spec) for name in metrics)


_FOLD_NOTE = (
    "Rank IC and IC: mean over dates of the Spearman and Pearson correlation across names. "
    "ICIR: mean over standard deviation of the daily rank IC, not annualized. R² is against "
    "the mean label. Hit rate: share of rows whose prediction has the label's sign. A single "
    "fold holds few independent windows: its errors are below."
)

_SEVERAL_PATHS = (
    "A path is one complete history of single predictions; the last line scores their mean, "
    "which no single model makes: averaging flatters."
)

_PATH_NOTE = (
    "{paths} Std. error: Newey–West, over twice the dates that labels overlap. Eff. dates: "
    "independent dates that would give the same error. Spread: mean label of the top quantile "
    "less that of the bottom one. DSR: probability that the spread's Sharpe ratio, on windows "
    "that do not overlap, exceeds the best expected of as many worthless models as the region "
    "has partitions."
)

Caveat = tuple[str, str]


def caveats(config: RegionConfig, *, several_paths: bool) -> tuple[Caveat, ...]:
    """Return what a reader must know before quoting a number.

    Parameters
    ----------
    config : RegionConfig
        Settings of the region.
    several_paths : bool
        Whether a row has several predictions, whose mean is scored.

    Returns
    -------
    tuple of (str, str)
        A keyword and a sentence each.
    """
    found = [
        _validation(config.cross_validation),
        (
            "Overlapping labels",
            "Labels of neighbouring dates share most of their returns. t-statistics and standard "
            "errors are corrected for it; histogram, QQ plot and heatmap describe and prove "
            "nothing.",
        ),
        _labels(config.labels),
        (
            "No costs",
            "Spreads are gross of commissions, market impact, borrowing and financing.",
        ),
    ]
    if several_paths:
        found.insert(
            1,
            (
                "Means flatter",
                "A row's prediction is the mean of several models', which none of them makes. "
                "The table by path scores the predictions as they were made.",
            ),
        )
    return tuple(found)


def _validation(config: CrossValidationConfig) -> Caveat:
    if config.splitter is not None:
        return (
            "Not a backtest",
            "Out-of-fold predictions of a splitter of your own: whether a fold was trained on "
            "its past alone, only that splitter says.",
        )
    if config.scheme == "walk_forward":
        return (
            "Not a backtest",
            "Every fold was trained on its past alone, but nothing was traded: there are no "
            "portfolios, fills or costs here, and the first groups are never tested.",
        )
    return (
        "Never a backtest",
        "Combinatorial cross-validation trains on the future of its test blocks as well as on "
        "their past. It validates a forecaster, and no history here could have been lived.",
    )


def _labels(config: LabelsConfig) -> Caveat:
    if config.builder is not None:
        return ("Labels as given", "Returns are the labels of a builder of your own, in bps.")
    parts = []
    if config.excess:
        parts.append("in excess of the date's equal-weight mean")
    if config.winsorize:
        parts.append(
            f"winsorized at {config.winsorize:.0%} on either side of each date, which makes "
            f"spreads smaller than what names earned"
        )
    treated = ", ".join(parts) or "as they are"
    return (
        "Labels, not returns",
        f"Every return here is a label: a forward return from {config.execution_lag_days} "
        f"trading {'day' if config.execution_lag_days == 1 else 'days'} after the signal, "
        f"{treated}.",
    )


def provenance_section(oof: pd.DataFrame, manifest: "Manifest", config: RegionConfig) -> Section:
    """Return the settings and data versions behind a tear sheet."""
    versions = {"oof_predictions": data_version_of(oof), **facts_of(oof).get(INPUTS, {})}
    return Section(
        "provenance",
        "Provenance",
        (
            Facts(
                "settings",
                (
                    ("Trainer", manifest.trainer),
                    ("Parameters", _settings(manifest.params)),
                    ("Seed", str(manifest.seed)),
                    ("Sample weights", manifest.sample_weights),
                    ("Features used", f"{len(manifest.feature_names):,}"),
                    *region_settings(config),
                    ("Libraries", _settings(manifest.library_versions)),
                    *((f"Version of {name}", version) for name, version in versions.items()),
                ),
            ),
            _models_table(manifest),
        ),
        text="The same data versions, settings and libraries give this file again, byte for byte.",
    )


def region_settings(config: RegionConfig) -> tuple[tuple[str, str], ...]:
    """Return the settings of a region that its scores depend on."""
    # Whether nested predictions are made besides changes none of these.
    splits = config.cross_validation.model_dump(exclude={"nested"})
    return (
        ("Labels", _settings(config.labels.model_dump())),
        ("Features", _settings(config.features.model_dump())),
        ("Cross-validation", _settings(splits)),
    )


def _settings(values: Mapping[str, Any]) -> str:
    """Return settings as ``name value`` pairs; what is not set is left out."""
    return ", ".join(
        f"{name} {_value(value)}" for name, value in values.items() if value not in (None, {}, ())
    )


def _value(value: object) -> str:
    if isinstance(value, tuple | list):
        return " and ".join(map(str, value))
    return f"{value:g}" if isinstance(value, float) else str(value)


def _models_table(manifest: "Manifest") -> Table:
    return Table(
        "models",
        "Fold models",
        (
            Column("Split", is_text=True),
            Column("Train rows"),
            Column("Test rows"),
            Column("Size", "kB"),
            Column("Digest of the fitted values", is_text=True),
        ),
        tuple(
            Row(
                (
                    str(fold.split_id),
                    number(fold.n_train, ",d"),
                    number(fold.n_test, ",d"),
                    number(fold.bytes / 1e3, ",.1f"),
                    fold.digest[:16],
                )
            )
            for fold in manifest.folds
        ),
    )
