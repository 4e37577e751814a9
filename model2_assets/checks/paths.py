"""Checks of paths and of nested predictions."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from model2_assets.checks.oof import check_finite, check_range
from model2_assets.checks.outcome import CheckOutcome, check_contract
from model2_assets.checks.splits import check_no_label_overlap
from model2_assets.config import ChecksConfig

if TYPE_CHECKING:
    from model2_assets.training.nested import NestedOutOfFold
    from model2_assets.training.predict import OutOfFoldPaths, PathPlan


def check_paths(candidate: "OutOfFoldPaths", *, limits: ChecksConfig) -> list[CheckOutcome]:
    """Check every out-of-fold prediction before it is published.

    Parameters
    ----------
    candidate : OutOfFoldPaths
        The predictions, the published means, and how they are to recombine.
    limits : ChecksConfig
        Limits from the configuration.

    Returns
    -------
    list of CheckOutcome
        ``contract``, ``finite``, ``range``, ``predictions_per_row``, ``paths_complete`` and
        ``mean_is_oof``.
    """
    paths, expected, plan = candidate.paths, candidate.expected, candidate.plan
    rows = row_positions(paths, expected)
    return [
        check_contract(paths, "OOFPaths"),
        check_finite(paths),
        check_range(paths, limit_bps=limits.prediction_bps),
        check_predictions_per_row(rows, expected, n_paths=plan.n_paths if plan else None),
        check_paths_complete(paths, rows, expected, plan=plan),
        check_mean_is_oof(paths, rows, expected, candidate.oof),
    ]


def row_positions(paths: pd.DataFrame, expected: pd.MultiIndex) -> NDArray[np.intp]:
    """Return where each line's instrument and date are in `expected`; -1 if nowhere."""
    index = pd.MultiIndex.from_frame(paths[["instrument", "datetime"]])
    return np.asarray(expected.get_indexer(index), dtype=np.intp)


def check_predictions_per_row(
    rows: NDArray[np.intp], expected: pd.MultiIndex, *, n_paths: int | None
) -> CheckOutcome:
    """Check that every row that is tested has equally many predictions.

    Parameters
    ----------
    rows : ndarray of shape (n_predictions,), intp
        Position of each line in `expected`; -1 for a row that is not there.
    expected : MultiIndex of shape (n_rows,)
        Rows that a split tests.
    n_paths : int or None
        Predictions that each of them has to have: C(n_groups - 1, n_test_groups - 1). None
        where only the splitter knows: as many as the first row.

    Returns
    -------
    CheckOutcome
        Named ``predictions_per_row``.
    """
    foreign = int(np.count_nonzero(rows < 0))
    counts = np.bincount(rows[rows >= 0], minlength=len(expected))
    wanted = n_paths if n_paths is not None else int(max(counts[:1], default=0))
    wrong = np.flatnonzero(counts != wanted)
    problems = []
    if wrong.size:
        instrument, date = expected[wrong[0]]
        problems.append(
            f"{wrong.size:,} rows have another number of predictions than {wanted}, first "
            f"{instrument} {date:%Y-%m-%d} with {counts[wrong[0]]}; materialize cv_splits and "
            f"fitted_models again"
        )
    if foreign:
        problems.append(f"{foreign:,} predictions belong to rows that no split tests")
    return CheckOutcome(
        "predictions_per_row",
        passed=not problems and wanted > 0,
        description="; ".join(problems) or f"{len(expected):,} rows with {wanted} predictions each",
        values={"rows": len(expected), "predictions_per_row": wanted, "wrong_rows": wrong.size},
    )


def check_paths_complete(
    paths: pd.DataFrame,
    rows: NDArray[np.intp],
    expected: pd.MultiIndex,
    *,
    plan: "PathPlan | None",
) -> CheckOutcome:
    """Check that every path is one complete history, recombined as planned.

    Parameters
    ----------
    paths : DataFrame of shape (n_predictions, 7)
        With ``split_id``, ``path_id`` and ``group_id``.
    rows : ndarray of shape (n_predictions,), intp
        Position of each line in `expected`.
    expected : MultiIndex of shape (n_rows,)
        Rows that a split tests: each path has each of them once.
    plan : PathPlan or None
        Path of every group of every split; None where only the splitter knows.

    Returns
    -------
    CheckOutcome
        Named ``paths_complete``.
    """
    path = paths["path_id"].to_numpy(dtype=np.int64)
    n_paths = plan.n_paths if plan else int(path.max(initial=-1)) + 1
    known = (rows >= 0) & (path >= 0) & (path < n_paths)
    seen = np.bincount(path[known] * len(expected) + rows[known], minlength=n_paths * len(expected))
    incomplete = np.flatnonzero((seen.reshape(n_paths, -1) != 1).any(axis=1))
    problems = []
    if incomplete.size:
        first = int(incomplete[0])
        part = seen[first * len(expected) : (first + 1) * len(expected)]
        problems.append(
            f"path {first} has {np.count_nonzero(part == 1):,} of {len(expected):,} rows exactly "
            f"once"
        )
    misplaced = int(np.count_nonzero(~known)) + _misplaced(paths, plan)
    if misplaced:
        problems.append(f"{misplaced:,} predictions are on another path than the splitter's")
    return CheckOutcome(
        "paths_complete",
        passed=not problems and n_paths > 0,
        description="; ".join([*problems, "materialize cv_splits and fitted_models again"])
        if problems
        else f"{n_paths} paths, each with all {len(expected):,} rows once",
        values={"paths": n_paths, "incomplete_paths": incomplete.size, "misplaced": misplaced},
    )


def check_mean_is_oof(
    paths: pd.DataFrame, rows: NDArray[np.intp], expected: pd.MultiIndex, oof: pd.DataFrame
) -> CheckOutcome:
    """Check that the mean over a row's splits is its published prediction, to the bit.

    Parameters
    ----------
    paths : DataFrame of shape (n_predictions, 7)
        With ``prediction``; the lines of a row in the order of the splits.
    rows : ndarray of shape (n_predictions,), intp
        Position of each line in `expected`.
    expected : MultiIndex of shape (n_rows,)
        Rows that a split tests.
    oof : DataFrame of shape (n_rows, 2)
        The stored out-of-fold predictions.

    Returns
    -------
    CheckOutcome
        Named ``mean_is_oof``.
    """
    from model2_assets.training.predict import largest_difference, mean_by_row

    known = rows >= 0
    prediction = paths["prediction"].to_numpy()
    mean = mean_by_row(rows[known], prediction[known], len(expected))
    positions = expected.get_indexer(oof.index)
    same_rows = len(oof) == len(expected) and bool((positions >= 0).all())
    difference = (
        largest_difference(mean[positions], oof["prediction"].to_numpy())
        if same_rows
        else float("inf")
    )
    return CheckOutcome(
        "mean_is_oof",
        passed=difference == 0,
        description=f"largest difference from oof_predictions {difference:.3g} bps"
        if same_rows
        else f"oof_predictions has {len(oof):,} rows, and other ones than the {len(expected):,} "
        f"that are tested; materialize both again",
        values={"difference_bps": difference, "same_rows": same_rows},
    )


def _misplaced(paths: pd.DataFrame, plan: "PathPlan | None") -> int:
    if plan is None:
        return 0
    split, group = (paths[name].to_numpy(dtype=np.int64) for name in ("split_id", "group_id"))
    n_splits, n_groups = plan.path_of.shape
    known = (split >= 0) & (split < n_splits) & (group >= 0) & (group < n_groups)
    planned = np.full(len(paths), -1, dtype=np.int64)
    planned[known] = plan.path_of[split[known], group[known]]
    return int(np.count_nonzero(planned != paths["path_id"].to_numpy()))


def check_nested(candidate: "NestedOutOfFold", *, limits: ChecksConfig) -> list[CheckOutcome]:
    """Check nested out-of-fold predictions before they are published.

    Parameters
    ----------
    candidate : NestedOutOfFold
        The predictions, the rows they must have, and the proof of their splits.
    limits : ChecksConfig
        Limits from the configuration.

    Returns
    -------
    list of CheckOutcome
        ``contract``, ``finite``, ``range``, ``nested_coverage`` and ``no_label_overlap``.
    """
    nested = candidate.nested
    return [
        check_contract(nested, "NestedOOF"),
        check_finite(nested),
        check_range(nested, limit_bps=limits.prediction_bps),
        check_nested_coverage(nested, candidate.expected),
        check_no_label_overlap(candidate.proof),
    ]


def check_nested_coverage(
    nested: pd.DataFrame, expected: Mapping[int, pd.MultiIndex]
) -> CheckOutcome:
    """Check that every outer fold has each of its train rows once, and no other row.

    Parameters
    ----------
    nested : DataFrame of shape (n_predictions, 5)
        With ``outer_fold_id``, ``instrument``, ``datetime`` and ``fold_id``.
    expected : mapping of int to MultiIndex
        Train rows of every outer fold.

    Returns
    -------
    CheckOutcome
        Named ``nested_coverage``.
    """
    outer = nested["outer_fold_id"].to_numpy()
    problems = [
        f"outer fold {fold} is not one of the folds"
        for fold in np.setdiff1d(outer, list(expected)).tolist()
    ]
    for fold, rows in expected.items():
        found = pd.MultiIndex.from_frame(nested.loc[outer == fold, ["instrument", "datetime"]])
        seen = np.asarray(rows.get_indexer(found))
        counts = np.bincount(seen[seen >= 0], minlength=len(rows))
        wrong = np.flatnonzero(counts != 1)
        if wrong.size:
            instrument, date = rows[wrong[0]]
            problems.append(
                f"outer fold {fold}: {wrong.size:,} of {len(rows):,} train rows are not predicted "
                f"exactly once, first {instrument} {date:%Y-%m-%d}"
            )
        if (seen < 0).any():
            problems.append(
                f"outer fold {fold}: {int((seen < 0).sum()):,} rows are none of its train rows"
            )
    own = int(np.count_nonzero(outer == nested["fold_id"].to_numpy()))
    if own:
        problems.append(f"{own:,} rows belong to their own outer fold")
    return CheckOutcome(
        "nested_coverage",
        passed=not problems and len(expected) > 0,
        description="; ".join(problems)
        or f"{len(expected)} outer folds, {len(nested):,} train rows, each once",
        values={"outer_folds": len(expected), "rows": len(nested)},
    )
