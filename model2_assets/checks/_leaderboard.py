"""Checks of a leaderboard against the one before, and of the partitions that it compares."""

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
import pandas as pd

from model2_assets.checks._outcome import CheckOutcome


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
