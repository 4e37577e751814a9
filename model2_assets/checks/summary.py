"""Checks of what puts partitions side by side: leaderboard and stacking frame."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from model2_assets.checks.catalogue import Finding, Values
from model2_assets.checks.subjects import TableChecks
from model2_assets.config.partition import Partition
from model2_assets.cross_validation.intervals import horizon_keys
from model2_assets.evaluation.leaderboard import folds_of
from model2_assets.labels import realized_returns
from model2_assets.panel import date_codes, instrument_codes, joined_index
from model2_assets.stacking import PURGE_GUARANTEES, base_columns, column_of
from model2_assets.storage.data_version import INPUTS, data_version_of, data_versions_of, facts_of
from model2_assets.storage.models import Manifest
from model2_assets.training.resources import total_costs

_SHARED_INPUTS = ("labels", "features", "cv_splits")
_WARN_SHARE = 0.8
_BUDGETS = {
    "models_mb": ("fold models take", "MB"),
    "hours": ("steps took", "hours"),
    "rss_gb": ("memory peaked at", "GB"),
}


@dataclass(frozen=True, eq=False)
class RunHistory:
    """What only a run knows of a leaderboard that it makes."""

    changes: pd.DataFrame
    no_comparison: str
    problems: Mapping[str, str]
    costs: pd.DataFrame


@dataclass(frozen=True, eq=False)
class LeaderboardChecks(TableChecks):
    """A leaderboard; of a candidate, with what only its run knows."""

    history: RunHistory | None = None

    @property
    def oof(self) -> Mapping[str, pd.DataFrame]:
        """Predictions of every partition that has some."""
        return self.evidence.every("oof_predictions")

    @property
    def manifests(self) -> Mapping[str, Manifest]:
        """What is known of the fold models of every partition that has some."""
        models = self.evidence.every("fitted_models")
        return {key: stored.manifest for key, stored in models.items()}

    def board_current(self) -> Finding:
        """Compare with the stored predictions."""
        board, stored = self.table, {key: data_version_of(t) for key, t in self.oof.items()}
        keys = map(Partition, board["horizon"], board["model"])
        versions = map(str, board["data_version"])
        shown = {key.key: version for key, version in zip(keys, versions, strict=True)}
        other = sorted(key for key in {*shown, *stored} if shown.get(key) != stored.get(key))
        problems = [f"shows other predictions than those stored of {', '.join(other)}"]
        return Finding.of(
            problems if other else [],
            f"shows the stored predictions of {len(shown)} partitions",
            {"partitions": len(shown), "other_partitions": len(other)},
            remedy="materialize leaderboard again",
        )

    def scores_complete(self) -> Finding:
        """Count the folds and splits that have scores.

        A partition without some of them is an error; one that is missing altogether is counted,
        and named by `partitions_current`.
        """
        n_folds, scores = folds_of(self.oof), self.evidence.every("cv_scores")
        folds, splits = (
            {key: _count(scores[key], scope) for key in sorted(scores)}
            for scope in ("fold", "split")
        )
        n_splits = {key: len(manifest.folds) for key, manifest in self.manifests.items()}
        short = [
            f"partition {key} has {count} of {n_folds.get(key, 0)} folds"
            for key, count in folds.items()
            if count != n_folds.get(key)
        ]
        short += [
            f"partition {key} has scores of {count} of {n_splits[key]} splits; materialize its "
            f"cv_scores again"
            for key, count in splits.items()
            if key in n_splits and count != n_splits[key]
        ]
        partitions, found = self.evidence.partition_keys, sum(folds.values())
        missing = len(set(partitions) - set(folds))
        expected = max(n_folds.values(), default=0) * len(partitions)
        absent = f"; partitions missing: {missing}" if missing else ""
        values = {"fold_scores": found, "expected": expected, "missing_partitions": missing}
        return Finding.of(short, f"{found} of {expected} fold scores{absent}", values)

    def same_inputs(self) -> Finding:
        """Compare what the partitions were made from, and whether of models still stored."""
        inputs = {key: facts_of(frame).get(INPUTS, {}) for key, frame in self.oof.items()}
        models = {key: manifest.data_version for key, manifest in self.manifests.items()}
        vintages: dict[tuple[str, ...], list[str]] = {}
        for key, versions in inputs.items():
            vintage = tuple(versions.get(name, "") for name in _SHARED_INPUTS)
            vintages.setdefault(vintage, []).append(key)
        replaced = sorted(k for k in inputs if inputs[k].get("fitted_models") != models.get(k))
        problems = [f"{key}: its models were replaced since it was predicted" for key in replaced]
        if len(vintages) > 1:
            groups = " and ".join(f"({', '.join(keys)})" for keys in vintages.values())
            problems.append(f"made from different labels, features or splits: {groups}")
        return Finding.of(
            problems,
            f"{len(inputs)} partitions share labels, features and splits, and are of their models",
            {"vintages": len(vintages), "replaced_models": len(replaced)},
            remedy="materialize the older ones again",
        )

    def rank_ic_held(self) -> Finding:
        """Compare with the leaderboard before.

        A rank IC that was known and no longer is counts as fallen; a fall without a standard
        error to hold it against, as in too short a history, is named and does not fail.
        """
        assert self.history is not None
        changes = self.history.changes
        change, error = changes["rank_ic_change"], changes["rank_ic_se"]
        lost = changes["rank_ic"].isna() & changes["rank_ic_before"].notna()
        fallen = changes[(change < -error) | lost]
        unjudged = changes[(change < 0) & error.isna()]
        compared = int(changes["rank_ic_before"].notna().sum())
        holds = (
            f"{compared} rank ICs compared with the leaderboard before, none fell by more than "
            f"its standard error"
        )
        if self.history.no_comparison:
            holds = f"nothing to compare with: {self.history.no_comparison}"
        elif not unjudged.empty:
            keys = ", ".join(_key(row) for row in unjudged.to_dict("records"))
            holds += f"; too short a history for a standard error, and fell: {keys}"
        values: Values = {
            "compared_partitions": compared,
            "fallen_partitions": len(fallen),
            "largest_fall": float(np.fmax.reduce(-change.to_numpy(), initial=0.0)),
        }
        falls = "; ".join(_fall(row) for row in fallen.to_dict("records"))
        problem = (
            f"rank IC fell by more than its standard error since the leaderboard before: {falls}"
        )
        remedy = "look at what changed before these predictions are used"
        return Finding.of([problem] if falls else [], holds, values, remedy=remedy)

    def partitions_current(self) -> Finding:
        """Look at what the event log and the store say of the partitions."""
        assert self.history is not None
        partitions, by_phrase = self.evidence.partition_keys, defaultdict(list)
        for key in (key for key in partitions if key in self.history.problems):
            by_phrase[self.history.problems[key]].append(key)
        named = "; ".join(f"{', '.join(keys)}: {phrase}" for phrase, keys in by_phrase.items())
        found, total = sum(map(len, by_phrase.values())), len(partitions)
        problems = [f"{found} of {total} partitions are missing or outdated: {named}"]
        return Finding.of(
            problems if found else [],
            f"all {total} partitions are there and made from what is current",
            {"outdated_partitions": found, "partitions": total},
            remedy="materialize what is named, and what is made from it",
        )

    def within_budget(self) -> Finding:
        """Add up what the region costs; on disk, only the models are looked at.

        Something that takes 80% of its budget warns; what reaches its budget is beyond it.
        """
        models = sum(manifest.total_bytes for manifest in self.manifests.values())
        used = {"models_mb": models / 1e6}
        unknown: tuple[str, ...] = ()
        if self.history is not None:
            used["hours"], used["rss_gb"], unknown = total_costs(self.history.costs)
        budgets = {name: getattr(self.evidence.limits, name) for name in used}
        shares = {name: value / budgets[name] for name, value in used.items()}
        dear = [name for name, share in shares.items() if share >= _WARN_SHARE]
        figures = {name: _figure(name, used[name], budgets[name]) for name in used}
        text = ", ".join(figures.values())
        if dear:
            named = "; ".join(f"{figures[name]} (checks.{name})" for name in dear)
            text = f"{named}: make the region smaller or its models cheaper, or raise the budget"
        if unknown:
            text += f"; not counted, since not known: {', '.join(unknown)}"
        values = {**used, **{f"{name}_share": share for name, share in shares.items()}}
        return Finding(
            passed=not dear,
            description=text,
            values={**values, "steps_without_costs": len(unknown)},
            only_warns=bool(dear) and max(shares.values()) < 1,
        )


def _count(scores: pd.DataFrame, scope: str) -> int:
    return int(scores.loc[scores["scope"] == scope, f"{scope}_id"].nunique())


def _figure(name: str, used: float, limit: float) -> str:
    what, unit = _BUDGETS[name]
    return f"{what} {used:,.3g} of {limit:,g} {unit}, {used / limit:.0%}"


def _key(row: Mapping[Any, Any]) -> str:
    return Partition(row["horizon"], row["model"]).key


def _fall(row: Mapping[Any, Any]) -> str:
    if pd.isna(row["rank_ic"]):
        return f"{_key(row)} from {row['rank_ic_before']:+.4f} to undefined"
    cause = "new predictions" if row["predictions_changed"] else "the same predictions"
    return (
        f"{_key(row)} from {row['rank_ic_before']:+.4f} to {row['rank_ic']:+.4f} "
        f"(by {-row['rank_ic_change']:.4f}, standard error {row['rank_ic_se']:.4f}; {cause})"
    )


@dataclass(frozen=True, eq=False)
class StackingChecks(TableChecks):
    """A stacking frame."""

    @property
    def oof(self) -> Mapping[str, pd.DataFrame]:
        """Predictions of every partition that has some."""
        return self.evidence.every("oof_predictions")

    def complete(self) -> Finding:
        """Compare with predictions and labels, otherwise than the join does.

        Predictions are compared by position, since file and frame have the same order, labels and
        realized returns through a table of dates by instruments of its own, and rows by counting
        those of all predictions together.
        """
        frame, labels = self.table, self.evidence.table("labels")
        excess = self.evidence.settings.labels.excess
        realized = (realized_returns(labels, h, excess=excess) for h in horizon_keys(labels))
        of_labels = (labels[name] for name in labels.columns if name.startswith("label_"))
        problems = [
            *(problem for key, table in self.oof.items() for problem in _moved(frame, table, key)),
            *_wrong_outcomes(frame, labels.index, chain(of_labels, realized)),
        ]
        rows = _distinct([table.index for table in self.oof.values()])
        if rows != len(frame):
            problems.append(f"{len(frame):,} rows for {rows:,} distinct rows that are predicted")
        without = {
            name: int(frame[name].isna().sum())
            for name in map(str, frame.columns)
            if name.startswith("label_") and not name.startswith("label_end_")
        }
        lacking = ", ".join(f"{count:,} without {name}" for name, count in without.items())
        return Finding.of(
            problems,
            f"{len(frame):,} rows, each once, with all {len(self.oof)} columns of predictions; "
            f"{lacking}",
            {"rows": len(frame), "columns": len(base_columns(frame))}
            | {f"rows_without_{name}": count for name, count in without.items()},
        )

    def same_inputs(self) -> Finding:
        """Compare what the predictions were made from with what is at hand."""
        labels, cv_splits = self.evidence.table("labels"), self.evidence.table("cv_splits")
        current = data_versions_of(labels=labels, cv_splits=cv_splits)
        current["features"] = facts_of(cv_splits).get(INPUTS, {}).get("features", "")
        made_from = {key: facts_of(table).get(INPUTS, {}) for key, table in self.oof.items()}
        differ = {
            key: [name for name in _SHARED_INPUTS if versions.get(name, "") != current[name]]
            for key, versions in made_from.items()
        }
        old = {key: " and ".join(names) for key, names in differ.items() if names}
        return Finding.of(
            [f"{key} was made from other {names} than those at hand" for key, names in old.items()],
            f"{len(differ)} partitions were made from the labels, features and splits at hand",
            {"partitions": len(differ), "of_other_inputs": len(old)},
            remedy=f"materialize oof_predictions of {', '.join(old)} again, with fitted_models",
        )

    def columns(self) -> Finding:
        """Look for missing columns."""
        partitions = self.evidence.partition_keys
        expected = {key: column_of(Partition.parse(key)) for key in partitions}
        missing = {key: name for key, name in expected.items() if name not in self.table.columns}
        named = ", ".join(missing.values())
        problems = [f"{len(missing)} of {len(expected)} columns are missing: {named}"]
        return Finding.of(
            problems if missing else [],
            f"all {len(expected)} models and horizons have their column",
            {"columns": len(expected) - len(missing), "missing_columns": len(missing)},
            remedy=f"materialize oof_predictions of {', '.join(missing)}, then stacking_frame",
        )

    def side_by_side(self) -> Finding:
        """Look at how the splits were purged."""
        purge = str(facts_of(self.table).get("purge", "unknown"))
        horizons = {column.horizon for column in base_columns(self.table).values()}
        passed = purge == "longest_horizon" or len(horizons) < 2
        text = PURGE_GUARANTEES.get(purge, f"purge {purge}: nothing is known of its guarantee")
        if not passed:
            text += ", or set cross_validation.purge to longest_horizon and retrain"
        return Finding(passed, text, {"purge": purge, "horizons": len(horizons)})


def _moved(frame: pd.DataFrame, table: pd.DataFrame, partition: str) -> list[str]:
    """Return how a partition's column differs from its predictions, by position."""
    column = column_of(Partition.parse(partition))
    if column not in frame.columns:
        return [f"column {column} is missing"]
    predicted = frame[column].notna().to_numpy()
    if int(predicted.sum()) != len(table):
        return [f"{column} has {int(predicted.sum()):,} values for {len(table):,} predictions"]
    if not frame.index[predicted].equals(table.index):
        return [f"{column} has its values in other rows than its predictions"]
    wrong = frame[column].to_numpy()[predicted] != table["prediction"].to_numpy()
    torn = frame["fold_id"].to_numpy()[predicted] != table["fold_id"].to_numpy()
    return [
        f"{int(rows.sum()):,} {text}"
        for rows, text in (
            (wrong, f"values of {column} are not its predictions"),
            (torn, f"rows have another fold_id than {column} was predicted in"),
        )
        if rows.any()
    ]


def _distinct(indexes: Sequence[pd.Index]) -> int:
    """Count the distinct rows of tables, in a table of instruments by dates."""
    rows = joined_index(indexes)
    seen = np.zeros(rows.levshape, dtype=bool)
    seen[tuple(rows.codes)] = True
    return int(np.count_nonzero(seen))


def _rows_by_cell(frame: pd.Index, labels: pd.Index) -> NDArray[np.int64]:
    """Return the row of `labels` for each row of the frame, by date and instrument; -1: none."""
    dates, names = date_codes(labels), instrument_codes(labels)
    cells = np.full((len(dates.values), len(names.values)), -1)
    cells[dates.codes, names.codes] = np.arange(len(labels))
    date, name = (
        there.values.get_indexer(asked.values)[asked.codes]  # noqa: PD011
        for there, asked in ((dates, date_codes(frame)), (names, instrument_codes(frame)))
    )
    return np.where((date < 0) | (name < 0), -1, cells[date, name])


def _wrong_outcomes(
    frame: pd.DataFrame, labels: pd.Index, outcomes: Iterable[pd.Series]
) -> Iterator[str]:
    """Yield the columns of outcomes whose values are not those of the same rows of labels."""
    rows = _rows_by_cell(frame.index, labels)
    for outcome in outcomes:
        name, wrong = outcome.name, len(frame)
        if name in frame.columns:
            found, expected = frame[name].to_numpy(), outcome.to_numpy()[rows]
            same = (found == expected) | (pd.isna(found) & pd.isna(expected))
            wrong = int(np.count_nonzero(~same | (rows < 0)))
        if wrong:
            yield f"{wrong:,} values of {name} are not those of labels"
