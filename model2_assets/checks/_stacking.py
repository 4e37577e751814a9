"""Checks of the stacking frame: nothing lost in the join, nothing mixed, nothing missing unsaid."""

from collections.abc import Collection, Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from model2_assets.checks._contract import check_contract
from model2_assets.checks._outcome import CheckOutcome
from model2_assets.panel import date_codes, instrument_codes
from model2_assets.provenance import INPUTS, data_versions_of, facts_of
from model2_assets.stacking import PURGE_GUARANTEES, BaseColumn, base_columns

_SHARED_INPUTS = ("labels", "features", "cv_splits")


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
        column = BaseColumn.of_partition(key).name
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
    expected = [BaseColumn.of_partition(key) for key in partitions]
    missing = [column for column in expected if column.name not in frame.columns]
    names = ", ".join(column.name for column in missing)
    keys = ", ".join(column.partition for column in missing)
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
    horizons = dict.fromkeys(column.horizon for column in base_columns(frame))
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
