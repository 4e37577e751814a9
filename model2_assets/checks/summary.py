"""Checks of a region as a whole: scores, leaderboard, stacking frame, budget."""

from collections.abc import Collection, Mapping
from typing import Any, Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from model2_assets.checks.outcome import CheckOutcome, check_contract
from model2_assets.config.partition import Partition
from model2_assets.panel import date_codes, instrument_codes
from model2_assets.stacking import PURGE_GUARANTEES, base_columns, column_of
from model2_assets.storage.provenance import INPUTS, data_versions_of, facts_of
from model2_assets.training.resources import total_costs

_SHARED_INPUTS = ("labels", "features", "cv_splits")


def check_scores_complete(
    scores: Mapping[str, pd.DataFrame],
    *,
    partitions: Collection[str],
    n_folds: Mapping[str, int],
    n_splits: Mapping[str, int] | None = None,
) -> CheckOutcome:
    """Check that every partition that exists has the scores of every fold and split.

    Parameters
    ----------
    scores : mapping of str to DataFrame
        Scores per partition key, such as ``21d|ridge``.
    partitions : collection of str
        Partition keys of the region.
    n_folds : mapping of str to int
        Folds that each partition's splits have.
    n_splits : mapping of str to int, optional
        Splits that each partition has models of; without it, splits are not counted.

    Returns
    -------
    CheckOutcome
        Named ``scores_complete``. A partition without some of its folds or splits is an error;
        one that is missing altogether is counted, and named by `check_partitions_current`.
    """
    splits_of = n_splits or {}
    found = {key: _count(frame, "fold") for key, frame in scores.items()}
    missing = sorted(set(partitions) - set(found))
    short = [
        f"partition {key} has {found[key]} of {n_folds.get(key, 0)} folds"
        for key in sorted(found)
        if found[key] != n_folds.get(key)
    ]
    splits = {key: _count(scores[key], "split") for key in sorted(set(scores) & set(splits_of))}
    short += [
        f"partition {key} has scores of {count} of {splits_of[key]} splits; materialize "
        f"its cv_scores again"
        for key, count in splits.items()
        if count != splits_of[key]
    ]
    count, expected = sum(found.values()), max(n_folds.values(), default=0) * len(partitions)
    absent = f"; partitions missing: {len(missing)}" if missing else ""
    return CheckOutcome(
        "scores_complete",
        passed=not short,
        description="; ".join(short) or f"{count} of {expected} fold scores{absent}",
        values={"fold_scores": count, "expected": expected, "missing_partitions": len(missing)},
    )


def _count(scores: pd.DataFrame, scope: str) -> int:
    return int(scores.loc[scores["scope"] == scope, f"{scope}_id"].nunique())


def check_same_inputs(
    oof: Mapping[str, pd.DataFrame], *, models: Mapping[str, str]
) -> CheckOutcome:
    """Warn where partitions do not compare: of other inputs, or of models since replaced.

    Parameters
    ----------
    oof : mapping of str to DataFrame
        Out-of-fold predictions by partition key, with their provenance.
    models : mapping of str to str
        Data version of the stored fold models by partition key.

    Returns
    -------
    CheckOutcome
        Named ``same_inputs``, of severity ``warn``.
    """
    inputs = {key: facts_of(frame).get(INPUTS, {}) for key, frame in oof.items()}
    vintages: dict[tuple[str, ...], list[str]] = {}
    for key, versions in inputs.items():
        vintage = tuple(versions.get(name, "") for name in _SHARED_INPUTS)
        vintages.setdefault(vintage, []).append(key)
    replaced = sorted(key for key in oof if inputs[key].get("fitted_models") != models.get(key))
    problems = [f"{key}: its models were replaced since it was predicted" for key in replaced]
    if len(vintages) > 1:
        groups = " and ".join(f"({', '.join(keys)})" for keys in vintages.values())
        problems.append(f"made from different labels, features or splits: {groups}")
    return CheckOutcome(
        "same_inputs",
        passed=not problems,
        severity="warn",
        description="; ".join(problems) + "; materialize the older ones again"
        if problems
        else f"{len(oof)} partitions share labels, features and splits, and are of their models",
        values={"vintages": len(vintages), "replaced_models": len(replaced)},
    )


def check_rank_ic_held(changes: pd.DataFrame, *, no_comparison: str = "") -> CheckOutcome:
    """Warn where a partition's rank IC fell by more than its standard error.

    Parameters
    ----------
    changes : DataFrame of shape (n_partitions, n_columns)
        From `rank_ic_changes`.
    no_comparison : str
        Why there is no leaderboard before to compare with; empty where there is one.

    Returns
    -------
    CheckOutcome
        Named ``rank_ic_held``, of severity ``warn``. A rank IC that was known and no longer
        is counts as fallen; a fall without a standard error to hold it against, as in too
        short a history, is named and does not warn.
    """
    change, error = changes["rank_ic_change"], changes["rank_ic_se"]
    lost = changes["rank_ic"].isna() & changes["rank_ic_before"].notna()
    fallen = changes[(change < -error) | lost]
    unjudged = changes[(change < 0) & error.isna()]
    compared = int(changes["rank_ic_before"].notna().sum())
    return CheckOutcome(
        "rank_ic_held",
        passed=fallen.empty,
        severity="warn",
        description=_verdict(fallen, unjudged, compared, no_comparison),
        values={
            "compared_partitions": compared,
            "fallen_partitions": len(fallen),
            "largest_fall": _largest_fall(change),
        },
    )


def check_partitions_current(
    problems: Mapping[str, str], *, partitions: Collection[str]
) -> CheckOutcome:
    """Warn of partitions that are missing, or made from what has since changed.

    Parameters
    ----------
    problems : mapping of str to str
        Partition key to a phrase that says what is wrong with it; only partitions with a
        problem.
    partitions : collection of str
        Partition keys of the region, in their order.

    Returns
    -------
    CheckOutcome
        Named ``partitions_current``, of severity ``warn``.
    """
    by_phrase: dict[str, list[str]] = {}
    for key in partitions:
        if key in problems:
            by_phrase.setdefault(problems[key], []).append(key)
    named = "; ".join(f"{', '.join(keys)}: {phrase}" for phrase, keys in by_phrase.items())
    found = sum(map(len, by_phrase.values()))
    return CheckOutcome(
        "partitions_current",
        passed=not found,
        severity="warn",
        description=f"{found} of {len(partitions)} partitions are missing or outdated: {named}; "
        f"materialize what is named, and what is made from it"
        if found
        else f"all {len(partitions)} partitions are there and made from what is current",
        values={"outdated_partitions": found, "partitions": len(partitions)},
    )


def _verdict(fallen: pd.DataFrame, unjudged: pd.DataFrame, compared: int, no_reason: str) -> str:
    if not fallen.empty:
        named = "; ".join(_fall(row) for row in fallen.to_dict("records"))
        return (
            f"rank IC fell by more than its standard error since the leaderboard before: {named}; "
            f"look at what changed before these predictions are used"
        )
    if no_reason:
        return f"nothing to compare with: {no_reason}"
    verdict = f"{compared} rank ICs compared with the leaderboard before, none fell by more than "
    verdict += "its standard error"
    if not unjudged.empty:
        keys = ", ".join(_key(row) for row in unjudged.to_dict("records"))
        verdict += f"; too short a history for a standard error, and fell: {keys}"
    return verdict


def _key(row: Mapping[Any, Any]) -> str:
    return f"{row['horizon']}|{row['model']}"


def _fall(row: Mapping[Any, Any]) -> str:
    if pd.isna(row["rank_ic"]):
        return f"{_key(row)} from {row['rank_ic_before']:+.4f} to undefined"
    cause = "new predictions" if row["predictions_changed"] else "the same predictions"
    return (
        f"{_key(row)} from {row['rank_ic_before']:+.4f} to {row['rank_ic']:+.4f} "
        f"(by {-row['rank_ic_change']:.4f}, standard error {row['rank_ic_se']:.4f}; {cause})"
    )


def _largest_fall(change: pd.Series) -> float:
    return float(np.fmax.reduce(-change.to_numpy(), initial=0.0))


def check_stacking_frame(
    frame: pd.DataFrame,
    oof: Mapping[str, pd.DataFrame],
    *,
    labels: pd.DataFrame,
    cv_splits: pd.DataFrame,
    partitions: Collection[str],
) -> list[CheckOutcome]:
    """Check a stacking frame before it is published.

    Parameters
    ----------
    frame : DataFrame of shape (n_rows, n_columns)
        The candidate, with its provenance.
    oof : mapping of str to DataFrame
        The out-of-fold predictions that it was made from, by partition key.
    labels, cv_splits : DataFrame
        The labels and splits at hand, with their provenance.
    partitions : collection of str
        Keys of all partitions of the region.

    Returns
    -------
    list of CheckOutcome
        ``contract``, ``complete``, ``same_inputs``, ``columns`` and ``side_by_side``.
    """
    return [
        check_contract(frame, "StackingFrame"),
        check_join_complete(frame, oof, labels=labels),
        check_one_vintage(oof, labels=labels, cv_splits=cv_splits),
        check_columns(frame, partitions=partitions),
        check_side_by_side(frame),
    ]


def check_join_complete(
    frame: pd.DataFrame, oof: Mapping[str, pd.DataFrame], *, labels: pd.DataFrame
) -> CheckOutcome:
    """Check that every prediction and every label is in the frame, in its own row.

    The join looks rows up by key. Here predictions are compared by position, since file and
    frame have the same order, labels through a table of dates by instruments, and rows
    by counting distinct cells of such a table.

    Parameters
    ----------
    frame : DataFrame of shape (n_rows, n_columns)
        The candidate.
    oof : mapping of str to DataFrame
        Out-of-fold predictions by partition key.
    labels : DataFrame of shape (n_label_rows, n_columns)
        The labels table.

    Returns
    -------
    CheckOutcome
        Named ``complete``; values count the rows, and the rows without each label.
    """
    assert isinstance(frame.index, pd.MultiIndex)
    problems = []
    for key, table in oof.items():
        column = column_of(Partition.parse(key))
        problems += _differences(frame, table, column)
    rows_of_labels = _rows_by_cell(frame, labels)
    for name in map(str, labels.columns):
        if name.startswith("label_"):
            wrong = _wrong_labels(frame, labels, name, rows_of_labels)
            problems += [f"{wrong:,} values of {name} are not those of labels"] if wrong else []
    rows = _distinct_rows([table.index for table in oof.values()])
    if rows != len(frame):
        problems.append(f"{len(frame):,} rows for {rows:,} distinct rows that are predicted")
    without = {
        name: int(frame[name].isna().sum())
        for name in map(str, frame.columns)
        if name.startswith("label_") and not name.startswith("label_end_")
    }
    lacking = ", ".join(f"{count:,} without {name}" for name, count in without.items())
    return CheckOutcome(
        "complete",
        passed=not problems,
        description="; ".join(problems)
        or f"{len(frame):,} rows, each once, with all {len(oof)} columns of predictions; {lacking}",
        values={"rows": len(frame), "columns": len(base_columns(frame))}
        | {f"rows_without_{name}": count for name, count in without.items()},
    )


def check_one_vintage(
    oof: Mapping[str, pd.DataFrame], *, labels: pd.DataFrame, cv_splits: pd.DataFrame
) -> CheckOutcome:
    """Check that all columns were made from the labels and splits at hand, and one another's.

    Parameters
    ----------
    oof : mapping of str to DataFrame
        Out-of-fold predictions by partition key, with their provenance.
    labels, cv_splits : DataFrame
        The tables at hand, with their provenance.

    Returns
    -------
    CheckOutcome
        Named ``same_inputs``; a failure names the partitions to materialize again.
    """
    made_from = {key: facts_of(table).get(INPUTS, {}) for key, table in oof.items()}
    current = data_versions_of(labels=labels, cv_splits=cv_splits)
    current["features"] = facts_of(cv_splits).get(INPUTS, {}).get("features", "")
    old = {
        key: [name for name in _SHARED_INPUTS if versions.get(name, "") != current[name]]
        for key, versions in made_from.items()
    }
    problems = [
        f"{key} was made from other {' and '.join(names)} than those at hand"
        for key, names in old.items()
        if names
    ]
    culprits = ", ".join(key for key, names in old.items() if names)
    return CheckOutcome(
        "same_inputs",
        passed=not problems,
        description="; ".join(problems) + f"; materialize oof_predictions of {culprits} again, "
        f"with fitted_models"
        if problems
        else f"{len(oof)} partitions were made from the labels, features and splits at hand",
        values={"partitions": len(oof), "of_other_inputs": len(problems)},
    )


def check_columns(frame: pd.DataFrame, *, partitions: Collection[str]) -> CheckOutcome:
    """Warn where a model or horizon of the region has no column.

    Parameters
    ----------
    frame : DataFrame of shape (n_rows, n_columns)
        The candidate.
    partitions : collection of str
        Keys of all partitions of the region.

    Returns
    -------
    CheckOutcome
        Named ``columns``, of severity ``warn``.
    """
    expected = {key: column_of(Partition.parse(key)) for key in partitions}
    missing = {key: name for key, name in expected.items() if name not in frame.columns}
    names, keys = ", ".join(missing.values()), ", ".join(missing)
    return CheckOutcome(
        "columns",
        passed=not missing,
        severity="warn",
        description=f"{len(missing)} of {len(expected)} columns are missing: {names}; materialize "
        f"oof_predictions of {keys}, then stacking_frame"
        if missing
        else f"all {len(expected)} models and horizons have their column",
        values={"columns": len(expected) - len(missing), "missing_columns": len(missing)},
    )


def check_side_by_side(frame: pd.DataFrame) -> CheckOutcome:
    """Warn where columns of different horizons must not be stacked side by side.

    Parameters
    ----------
    frame : DataFrame of shape (n_rows, n_columns)
        The candidate, with its provenance.

    Returns
    -------
    CheckOutcome
        Named ``side_by_side``, of severity ``warn``.
    """
    purge = str(facts_of(frame).get("purge", "unknown"))
    horizons = dict.fromkeys(column.horizon for column in base_columns(frame).values())
    passed = purge == "longest_horizon" or len(horizons) < 2
    description = PURGE_GUARANTEES.get(purge, f"purge {purge}: nothing is known of its guarantee")
    remedy = "" if passed else ", or set cross_validation.purge to longest_horizon and retrain"
    return CheckOutcome(
        "side_by_side",
        passed=passed,
        severity="warn",
        description=description + remedy,
        values={"purge": purge, "horizons": len(horizons)},
    )


def _differences(frame: pd.DataFrame, table: pd.DataFrame, column: str) -> list[str]:
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


def _rows_by_cell(frame: pd.DataFrame, labels: pd.DataFrame) -> NDArray[np.int64]:
    """Return the row of `labels` for each row of the frame, by date and instrument; -1: none."""
    assert isinstance(labels.index, pd.MultiIndex)
    dates, instruments = date_codes(labels.index), instrument_codes(labels.index)
    calendar, names = pd.DatetimeIndex(dates.values), pd.Index(instruments.values)
    width = len(names)
    cells = np.full(len(calendar) * width, -1, dtype=np.int64)
    cells[dates.codes * width + instruments.codes] = np.arange(len(labels))
    date = calendar.get_indexer(frame.index.get_level_values("datetime"))
    instrument = names.get_indexer(frame.index.get_level_values("instrument"))
    rows: NDArray[np.int64] = cells[date * width + instrument]
    rows[(date < 0) | (instrument < 0)] = -1
    return rows


def _wrong_labels(
    frame: pd.DataFrame, labels: pd.DataFrame, name: str, rows: NDArray[np.int64]
) -> int:
    """Count the values of a label column that are not those of the given rows of labels."""
    if name not in frame.columns:
        return len(frame)
    found, expected = frame[name].to_numpy(), labels[name].to_numpy()[rows]
    same = (found == expected) | (pd.isna(found) & pd.isna(expected))
    return int(np.count_nonzero(~same | (rows < 0)))


def _distinct_rows(indexes: list[pd.Index]) -> int:
    """Count the distinct rows of several tables as cells of dates by instruments."""
    whole = indexes[0].append(indexes[1:])
    assert isinstance(whole, pd.MultiIndex)
    dates, instruments = date_codes(whole), instrument_codes(whole)
    return len(np.unique(dates.codes * len(instruments.values) + instruments.codes))


_WARN_SHARE = 0.8


class Budgets(Protocol):
    """The limits that are looked at, as the configuration has them under ``checks``."""

    @property
    def hours(self) -> float:
        """Wall time of a region's steps, hours."""

    @property
    def rss_gb(self) -> float:
        """Peak resident memory, 10^9 bytes."""

    @property
    def models_mb(self) -> float:
        """Fold models together, 10^6 bytes."""


def check_within_budget(
    models_bytes: int, costs: pd.DataFrame | None = None, *, budgets: Budgets
) -> CheckOutcome:
    """Check what a region costs: time, memory, and the size of its fold models.

    Parameters
    ----------
    models_bytes : int
        Size of all fold models of the region, bytes.
    costs : DataFrame of shape (n_results, 6), optional
        What every step cost, columns of `model2_assets.costs.COLUMNS`; None where that is
        not known, and only the models are looked at.
    budgets : Budgets
        The limits; what reaches one is beyond it.

    Returns
    -------
    CheckOutcome
        Named ``within_budget``. Of severity ``warn`` where something takes 80% of its budget,
        of severity ``error`` where something is beyond; it rejects no candidate, since a
        result that was dear is still right.
    """
    used = {"models_mb": models_bytes / 1e6}
    unknown: tuple[str, ...] = ()
    if costs is not None:
        total = total_costs(costs)
        used |= {"hours": total.hours, "rss_gb": total.peak_rss_gb}
        unknown = total.unknown
    shares = {name: value / getattr(budgets, name) for name, value in used.items()}
    dear = [name for name, share in shares.items() if share >= _WARN_SHARE]
    figures = {name: _figure(name, used[name], getattr(budgets, name)) for name in used}
    return CheckOutcome(
        "within_budget",
        passed=not dear,
        severity="warn" if dear and max(shares.values()) < 1 else "error",
        rejects=False,
        description=(
            "; ".join(f"{figures[name]} (checks.{name})" for name in dear)
            + ": make the region smaller or its models cheaper, or raise the budget"
            if dear
            else ", ".join(figures.values())
        )
        + (f"; not counted, since not known: {', '.join(unknown)}" if unknown else ""),
        values={
            **used,
            **{f"{name}_share": share for name, share in shares.items()},
            "steps_without_costs": len(unknown),
        },
    )


def _figure(name: str, used: float, limit: float) -> str:
    what, unit = _TEXTS[name]
    return f"{what} {used:,.3g} of {limit:,g} {unit}, {used / limit:.0%}"


_TEXTS = {
    "models_mb": ("fold models take", "MB"),
    "hours": ("steps took", "hours"),
    "rss_gb": ("memory peaked at", "GB"),
}
