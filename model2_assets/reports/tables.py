"""Tables and sentences that reports share."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import pandas as pd

from model2_assets.config import LabelsConfig, RegionConfig
from model2_assets.evaluation.metrics import METRICS, Metric, explained, metrics_of, number
from model2_assets.evaluation.overfitting import overfitting_of_search
from model2_assets.evaluation.scores import has_several_paths, wide_scores
from model2_assets.reports.document import Column, Facts, Row, Section, Table, columns, date
from model2_assets.storage.data_version import INPUTS, data_version_of, facts_of

if TYPE_CHECKING:
    from model2_assets.storage.models import Calibration, Manifest

OF_FOLDS = metrics_of("folds")
OF_PATHS = metrics_of("paths")
STANDARD_ERRORS = "Standard errors are Newey–West, over twice the dates that labels overlap."


def fold_table(scores: pd.DataFrame, oof: pd.DataFrame) -> Table:
    """Return the scores of every fold, with the dates that it tests."""
    dates = oof.index.get_level_values("datetime").to_series()
    tested = dates.groupby(oof["fold_id"].to_numpy()).agg(["min", "max"])
    units = [(str(fold["id"]), *tested.loc[fold["id"]], fold) for fold in _scope(scores, "fold")]
    (overall,) = _scope(scores, "all")
    units.append(("All", dates.min(), dates.max(), overall))
    rows = tuple(
        Row((name, date(first), date(last), *cells(values, OF_FOLDS)), is_total=name == "All")
        for name, first, last, values in units
    )
    shown = columns("Fold", "First date", "Last date", *OF_FOLDS)
    note = "A single fold holds few independent windows: its errors are below."
    return Table("scores-by-fold", "By fold", shown, rows, f"{explained(OF_FOLDS)} {note}")


def path_table(scores: pd.DataFrame) -> Table:
    """Return the scores of every complete path, and of the mean over paths."""
    if has_several_paths(scores):
        of_all = "Mean of predictions"
        paths = (
            "A path is one complete history of single predictions; the last line scores their "
            "mean, which no single model makes: averaging flatters."
        )
    else:
        of_all, paths = "All", "With one test group a split there is one path."
    (overall,) = _scope(scores, "all")
    total = Row((of_all, *cells(overall, OF_PATHS)), is_total=True)
    note = f"{paths} {explained(metric for metric in OF_PATHS if metric not in OF_FOLDS)}"
    rows = (*_numbered(scores, "path", OF_PATHS), total)
    return Table("scores-by-path", "By path", columns("Path", *OF_PATHS), rows, note)


def split_table(scores: pd.DataFrame) -> Table:
    """Return the scores of every split: of the predictions of one fitted model."""
    rows = _numbered(scores, "split", OF_FOLDS)
    note = "A split is one fitted model, scored on all groups that it tests."
    return Table("scores-by-split", "By split", columns("Split", *OF_FOLDS), rows, note)


def search_table(manifest: "Manifest") -> Table:
    """Return the parameters that every split has searched, and how far the search overfits."""
    objective = manifest.search["objective"]
    score = Column("Inner rank IC") if objective == "rank_ic" else Column("Inner MSE saved", "bps²")
    names = tuple(manifest.search["space"])
    trials = Column("Trials"), Column("Pruned"), score
    overfitting = METRICS["pbo"], METRICS["deflated_sharpe"]
    rows = []
    for fold in manifest.folds:
        assert fold.search is not None
        chosen = (_value(fold.chosen_params[name]) for name in names)
        counts = str(fold.search.trials), str(fold.search.pruned)
        found = zip(overfitting, overfitting_of_search(fold.search), strict=True)
        shown_values = (number(fold.search.score, "+.4g"), *(m.text(value) for m, value in found))
        rows.append(Row((str(fold.split_id), *chosen, *counts, *shown_values)))
    note = (
        "Every split chose on inner folds of its train rows. Out-of-fold predictions were never "
        "selected on, and their scores are not deflated for these trials. The inner scores were: "
        "the best of many worthless trials has one above zero. PBO and DSR are theirs."
    )
    shown = columns("Split", *map(Column, names), *trials, *overfitting)
    return Table("search", "Searched parameters, by split", shown, tuple(rows), note)


def cells(values: Mapping[Any, Any], metrics: Iterable[Metric]) -> tuple[str, ...]:
    """Return metrics as cells of a table; a dash for those that are not there."""
    return tuple(metric.text(float(values.get(metric.name, "nan"))) for metric in metrics)


def _scope(scores: pd.DataFrame, scope: str) -> list[dict[Any, Any]]:
    wide = wide_scores(scores)
    return wide[wide["scope"] == scope].to_dict("records")


def _numbered(scores: pd.DataFrame, scope: str, metrics: Iterable[Metric]) -> tuple[Row, ...]:
    units = _scope(scores, scope)
    return tuple(Row((str(unit["id"]), *cells(unit, metrics))) for unit in units)


Caveat = tuple[str, str]

*_FIRST, _LAST = (metric.heading for metric in OF_FOLDS if metric.on == "labels")

_MEANS_FLATTER = (
    "Means flatter",
    "A row's prediction is the mean of several models', which none of them makes. The table by "
    "path scores the predictions as they were made.",
)
_OVERLAPPING_LABELS = (
    "Overlapping labels",
    "Labels of neighbouring dates share most of their returns. t-statistics and standard errors "
    "are corrected for it; histogram, QQ plot and heatmap describe and prove nothing.",
)
_NO_COSTS = (
    "No costs",
    "Spreads are gross of commissions, market impact, borrowing and financing.",
)
_OWN_SPLITTER = (
    "Not a backtest",
    "Out-of-fold predictions of a splitter of your own: whether a fold was trained on its past "
    "alone, only that splitter says.",
)
_SCHEMES = {
    "walk_forward": (
        "Not a backtest",
        "Every fold was trained on its past alone, but nothing was traded: there are no "
        "portfolios, fills or costs here, and the first groups are never tested.",
    ),
    "cpcv": (
        "Never a backtest",
        "Combinatorial cross-validation trains on the future of its test blocks as well as on "
        "their past. It validates a forecaster, and no history here could have been lived.",
    ),
}


def caveats(config: RegionConfig, *, several_paths: bool) -> tuple[Caveat, ...]:
    """Return what a reader must know before quoting a number: a keyword and a sentence each."""
    splits = config.cross_validation
    validation = _SCHEMES[splits.scheme] if splits.splitter is None else _OWN_SPLITTER
    flatter = [_MEANS_FLATTER] if several_paths else []
    return validation, *flatter, _OVERLAPPING_LABELS, _realized(config.labels), _NO_COSTS


def _realized(config: LabelsConfig) -> Caveat:
    days = config.execution_lag_days
    earned = (
        f"forward returns from {days} trading {'day' if days == 1 else 'days'} after the signal"
    )
    labels = "are on labels, the same returns"
    if config.winsorize:
        labels += f" winsorized at {config.winsorize:.0%} on either side of each date"
        labels += " and centred again" if config.excess else ""
    if config.builder is not None:
        earned = "forward returns that a builder of your own supplies"
        labels = "are on its labels"
    if config.excess:
        earned += ", in excess of the date's equal-weight mean"
    return (
        "Realized returns",
        f"Ranks, quantiles and spreads are on realized returns: {earned}, never winsorized. "
        f"{', '.join(_FIRST)} and {_LAST} {labels}.",
    )


def provenance_section(oof: pd.DataFrame, manifest: "Manifest", config: RegionConfig) -> Section:
    """Return the settings and data versions behind a tear sheet."""
    versions = {"oof_predictions": data_version_of(oof), **facts_of(oof).get(INPUTS, {})}
    settings = (
        ("Trainer", manifest.trainer),
        ("Parameters", _settings(manifest.params)),
        ("Seed", str(manifest.seed)),
        ("Sample weights", manifest.sample_weights),
        ("Calibration", manifest.calibration),
        *([("Search", _settings(manifest.search))] if manifest.search else []),
        ("Features used", f"{len(manifest.feature_names):,}"),
        *region_settings(config),
        ("Libraries", _settings(manifest.library_versions)),
        *((f"Version of {name}", version) for name, version in versions.items()),
    )
    rows = []
    for fold in manifest.folds:
        sizes = (number(fold.n_train, ",d"), number(fold.n_test, ",d"))
        size = number(fold.bytes / 1e3, ",.1f")
        slope = "–" if fold.calibration is None else _slope(fold.calibration)
        rows.append(Row((str(fold.split_id), *sizes, slope, size, fold.digest[:16])))
    sizes_of = (Column("Train rows"), Column("Test rows"), Column("Slope"), Column("Size", "kB"))
    shown = columns("Split", *sizes_of, "Digest of the fitted values")
    blocks = (Facts("settings", settings), Table("models", "Fold models", shown, tuple(rows)))
    text = "The same data versions, settings and libraries give this file again, byte for byte."
    return Section("provenance", "Provenance", blocks, text)


def _slope(calibration: "Calibration") -> str:
    error = calibration.standard_error
    return number(calibration.slope, ".2f") + (f" ± {error:.2f}" if error is not None else "")


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
    if isinstance(value, Mapping):
        return f"({_settings(value)})"
    if isinstance(value, tuple | list):
        return " and ".join(map(str, value))
    return f"{value:g}" if isinstance(value, float) else str(value)
