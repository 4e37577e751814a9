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
    n_folds: int,
    n_splits: Mapping[str, int],
) -> CheckOutcome:
    """Check that every partition that exists has the scores of every fold and split.

    Parameters
    ----------
    scores : mapping of str to DataFrame
        Scores per partition key, such as ``21d|ridge``.
    partitions : collection of str
        Partition keys of the region.
    n_folds : int
        Folds that each partition must have been scored in.
    n_splits : mapping of str to int
        Splits that each partition has models of.

    Returns
    -------
    CheckOutcome
        Named ``scores_complete``. A missing partition warns; a partition without
        some of its folds or splits is an error.
    """
    found = {key: _count(frame, "fold") for key, frame in scores.items()}
    missing = sorted(set(partitions) - set(found))
    count, expected = sum(found.values()), n_folds * len(partitions)
    short = [
        f"partition {key} has {found[key]} of {n_folds} folds"
        for key in sorted(found)
        if found[key] != n_folds
    ]
    short += [
        f"partition {key} has scores of {_count(scores[key], 'split')} of {n_splits[key]} "
        f"splits; materialize its cv_scores again"
        for key in sorted(set(scores) & set(n_splits))
        if _count(scores[key], "split") != n_splits[key]
    ]
    problems = [f"partition {key} is missing; materialize it" for key in missing] + short
    return CheckOutcome(
        "scores_complete",
        passed=not problems,
        severity="error" if short else "warn",
        description="; ".join(problems) or f"{count} of {expected} fold scores",
        values={"fold_scores": count, "expected": expected, "missing_partitions": len(missing)},
    )


def _count(scores: pd.DataFrame, scope: str) -> int:
    return int(scores.loc[scores["scope"] == scope, f"{scope}_id"].nunique())


def check_same_inputs(oof: Mapping[str, pd.DataFrame]) -> CheckOutcome:
    """Warn where partitions were made from different labels, features or splits.

    Parameters
    ----------
    oof : mapping of str to DataFrame
        Out-of-fold predictions by partition key, with their provenance.

    Returns
    -------
    CheckOutcome
        Named ``same_inputs``, of severity ``warn``: scores of different vintages do not
        compare.
    """
    vintages = {
        key: tuple(facts_of(frame).get(INPUTS, {}).get(name, "") for name in _SHARED_INPUTS)
        for key, frame in oof.items()
    }
    newest = max(oof, key=lambda key: oof[key].index.get_level_values("datetime").max(), default="")
    others = sorted(key for key in vintages if vintages[key] != vintages[newest])
    return CheckOutcome(
        "same_inputs",
        passed=not others,
        severity="warn",
        description=f"{', '.join(others)}: not made from the labels, features and splits of "
        f"{newest}; materialize the older of them again"
        if others
        else f"{len(oof)} partitions share labels, features and splits",
        values={"vintages": len(set(vintages.values()))},
    )


def check_models_size(total_bytes: int, *, limit_mb: float) -> CheckOutcome:
    """Check that a region's fold models are small enough together.

    Parameters
    ----------
    total_bytes : int
        Size of all fold models of the region, bytes.
    limit_mb : float
        Limit in 10^6 bytes, exclusive.

    Returns
    -------
    CheckOutcome
        Named ``models_size``.
    """
    megabytes = total_bytes / 1e6
    return CheckOutcome(
        "models_size",
        passed=megabytes < limit_mb,
        description=f"fold models take {megabytes:,.2f} MB together, limit {limit_mb:,.0f} MB",
        values={"models_mb": megabytes, "limit_mb": limit_mb},
    )
