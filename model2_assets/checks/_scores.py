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
) -> CheckOutcome:
    """Check that every partition that exists has every fold's scores.

    Parameters
    ----------
    scores : mapping of str to DataFrame
        Scores per partition key, such as ``21d|ridge``.
    partitions : collection of str
        Partition keys of the region.
    n_folds : mapping of str to int
        Folds that each partition's splits have.

    Returns
    -------
    CheckOutcome
        Named ``scores_complete``. A missing partition warns; a partition without
        some of its folds is an error.
    """
    found = {
        key: int(frame.loc[frame["scope"] == "fold", "fold_id"].nunique())
        for key, frame in scores.items()
    }
    missing = sorted(set(partitions) - set(found))
    short = sorted(key for key, folds in found.items() if folds != n_folds.get(key))
    count, expected = sum(found.values()), max(n_folds.values(), default=0) * len(partitions)
    problems = [f"partition {key} is missing; materialize it" for key in missing]
    problems += [
        f"partition {key} has {found[key]} of {n_folds.get(key, 0)} folds" for key in short
    ]
    return CheckOutcome(
        "scores_complete",
        passed=not problems,
        severity="error" if short else "warn",
        description="; ".join(problems) or f"{count} of {expected} fold scores",
        values={"fold_scores": count, "expected": expected, "missing_partitions": len(missing)},
    )


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
