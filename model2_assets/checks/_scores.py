"""Checks of a region as a whole: scores complete, models small."""

from collections.abc import Collection, Mapping

import pandas as pd

from model2_assets.checks._outcome import CheckOutcome
from model2_assets.provenance import INPUTS, facts_of

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
