"""Checks of nested out-of-fold predictions: complete, and blind to two folds at once."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from model2_assets.checks._contract import check_contract
from model2_assets.checks._out_of_fold import check_finite, check_range
from model2_assets.checks._outcome import CheckOutcome
from model2_assets.checks._splits import check_no_label_overlap
from model2_assets.config import ChecksConfig

if TYPE_CHECKING:
    from model2_assets.training import NestedOutOfFold


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
