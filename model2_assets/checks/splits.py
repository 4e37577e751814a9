"""Checks of cross-validation splits: nothing overlaps, nothing is too small."""

import pandas as pd

from model2_assets.checks.outcome import CheckOutcome
from model2_assets.cross_validation import OverlapProof
from model2_assets.cross_validation.table import check_min_samples, count_samples, coverage_text
from model2_assets.errors import CrossValidationError


def check_no_label_overlap(proof: OverlapProof) -> CheckOutcome:
    """Check that no train row's label interval touches a test row's.

    Where every horizon has splits of its own, the intervals are those of its own labels.
    Then the description adds how many train rows touch the longest window of a test row,
    which is no fault but forbids stacking.

    Parameters
    ----------
    proof : OverlapProof
        The independent count, made from the labels and not by the splitter.

    Returns
    -------
    CheckOutcome
        Named ``no_label_overlap``.
    """
    splits = len(proof.per_split)
    description = proof.first_overlap or f"0 overlapping rows in {splits} splits"
    if proof.n_overlaps_longest > proof.n_overlaps:
        description += (
            f"; purged per horizon, {proof.n_overlaps_longest:,} train rows overlap the longest "
            f"window of a test row: do not put predictions of different horizons side by side"
        )
    return CheckOutcome(
        "no_label_overlap",
        passed=proof.n_overlaps == 0,
        description=description,
        values={
            "overlaps": proof.n_overlaps,
            "overlaps_of_longest_window": proof.n_overlaps_longest,
            "splits": splits,
        },
    )


def check_minimum_samples(
    splits: pd.DataFrame, labels: pd.DataFrame, *, min_samples: int
) -> CheckOutcome:
    """Check that train and test of every split have enough labelled rows.

    Parameters
    ----------
    splits : DataFrame of shape (n_rows, 1 + n_columns)
        Roles of every row.
    labels : DataFrame of shape (n_labels, 3 * n_horizons)
        The labels.
    min_samples : int
        Rows needed for each horizon.

    Returns
    -------
    CheckOutcome
        Named ``minimum_samples``; says how many rows are tested at all; a failure names
        horizon, split and counts.
    """
    counts = count_samples(splits, labels)
    smallest = int(counts[["train", "test"]].to_numpy().min(initial=0 if counts.empty else 2**62))
    problem = ""
    try:
        check_min_samples(splits, labels, min_samples=min_samples)
    except CrossValidationError as error:
        problem = str(error)
    return CheckOutcome(
        "minimum_samples",
        passed=not problem,
        description=problem
        or f"the smallest fold has {smallest:,} rows, needed {min_samples:,}; "
        f"{coverage_text(splits)}",
        values={"smallest": smallest, "needed": min_samples},
    )
