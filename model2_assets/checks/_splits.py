"""Checks of cross-validation splits: nothing overlaps, nothing is too small."""

import pandas as pd

from model2_assets.checks._outcome import CheckOutcome
from model2_assets.cross_validation import OverlapProof, check_min_samples, count_samples
from model2_assets.errors import CrossValidationError


def check_no_label_overlap(proof: OverlapProof) -> CheckOutcome:
    """Check that no train row's label interval touches a test row's.

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
    return CheckOutcome(
        "no_label_overlap",
        passed=proof.n_overlaps == 0,
        description=proof.first_overlap or f"0 overlapping rows in {splits} splits",
        values={"overlaps": proof.n_overlaps, "splits": splits},
    )


def check_minimum_samples(
    splits: pd.DataFrame, labels: pd.DataFrame, *, min_samples: int
) -> CheckOutcome:
    """Check that train and test of every split have enough labelled rows.

    Parameters
    ----------
    splits : DataFrame of shape (n_rows, 1 + n_splits)
        Roles of every row.
    labels : DataFrame of shape (n_labels, 3 * n_horizons)
        The labels.
    min_samples : int
        Rows needed for each horizon.

    Returns
    -------
    CheckOutcome
        Named ``minimum_samples``; a failure names horizon, split and counts.
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
        description=problem or f"the smallest fold has {smallest:,} rows, needed {min_samples:,}",
        values={"smallest": smallest, "needed": min_samples},
    )
