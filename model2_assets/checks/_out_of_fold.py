"""Checks of out-of-fold predictions: complete, finite, in range, reproducible, plausible."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from model2_assets.checks._outcome import CheckOutcome, Severity

OTHER_KERNEL_BPS = 1e-5
"""Largest difference in bps that another processor's rounding explains."""


def check_coverage(
    oof: pd.DataFrame, expected: pd.MultiIndex, *, never_tested: int = 0
) -> CheckOutcome:
    """Check that every row that has to be predicted is predicted exactly once.

    Parameters
    ----------
    oof : DataFrame of shape (n_predictions, 2)
        Out-of-fold predictions, indexed by ``(instrument, datetime)``.
    expected : MultiIndex of shape (n_rows,)
        The rows that have features and a label of the horizon; under a walk-forward,
        those of them that a split tests.
    never_tested : int, default 0
        Further rows with features and a label: the description says that they are not
        covered.

    Returns
    -------
    CheckOutcome
        Named ``coverage``.
    """
    missing = expected[~expected.isin(oof.index)]
    extra = oof.index[~oof.index.isin(expected)]
    repeated = oof.index[oof.index.duplicated()]
    covered = 1 - len(missing) / max(len(expected), 1)
    problems = [
        f"{len(rows):,} {text}, first {_row(rows)}"
        for rows, text in (
            (missing, "rows lack a prediction"),
            (extra, "rows have no label"),
            (repeated, "rows repeat an earlier one"),
        )
        if len(rows)
    ]
    if not len(expected):
        problems.append("no row has both features and a label; lengthen the history")
    description = "; ".join(problems) or f"{len(oof):,} of {len(expected):,} rows, each once"
    if never_tested:
        description += (
            f"; {never_tested:,} further rows with features and a label are never tested, and are "
            f"not covered"
        )
    return CheckOutcome(
        "coverage",
        passed=not problems,
        description=description,
        values={
            "coverage": covered,
            "rows": len(oof),
            "missing_rows": len(missing),
            "extra_rows": len(extra),
            "repeated_rows": len(repeated),
            "rows_never_tested": never_tested,
        },
    )


def check_finite(oof: pd.DataFrame) -> CheckOutcome:
    """Check that every prediction is a finite number.

    Parameters
    ----------
    oof : DataFrame of shape (n_predictions, n_columns)
        With the column ``prediction`` in bps; ``instrument`` and ``datetime`` are index
        levels or columns.

    Returns
    -------
    CheckOutcome
        Named ``finite``.
    """
    bad = ~np.isfinite(oof["prediction"].to_numpy())
    count = int(bad.sum())
    where = f"{count:,} predictions are not finite, first {_first_of(oof, bad)}" if count else ""
    return CheckOutcome(
        "finite",
        passed=count == 0,
        description=where or f"all {len(oof):,} predictions are finite",
        values={"not_finite_rows": count},
    )


def check_range(oof: pd.DataFrame, *, limit_bps: float) -> CheckOutcome:
    """Check that no prediction exceeds a limit; predictions are never clipped.

    Parameters
    ----------
    oof : DataFrame of shape (n_predictions, n_columns)
        With the column ``prediction`` in bps; ``instrument`` and ``datetime`` are index
        levels or columns.
    limit_bps : float
        Largest absolute prediction allowed, bps.

    Returns
    -------
    CheckOutcome
        Named ``range``.
    """
    size = oof["prediction"].abs().to_numpy()
    beyond = size > limit_bps
    count = int(beyond.sum())
    largest = float(np.nanmax(size, initial=0.0))
    description = f"largest absolute prediction {largest:,.1f} bps, limit {limit_bps:,.0f} bps"
    if count:
        description += (
            f"; {count:,} rows beyond it, first {_first_of(oof, beyond)}: regularize the model "
            f"more strongly or winsorize the labels harder"
        )
    return CheckOutcome(
        "range",
        passed=count == 0,
        description=description,
        values={"largest_bps": largest, "limit_bps": limit_bps, "rows_beyond": count},
    )


def check_determinism(
    difference_bps: float, *, tolerance_bps: float, split_id: int, same_kernel: bool
) -> CheckOutcome:
    """Check that refitting one fold from the stored inputs gives the same predictions.

    Parameters
    ----------
    difference_bps : float
        Largest absolute difference between the predictions of the stored and of the
        refitted fold model, bps.
    tolerance_bps : float
        Largest difference allowed, exclusive, bps.
    split_id : int
        The split that was refitted.
    same_kernel : bool
        Whether the stored model was fitted with the linear algebra kernel of this
        machine's processor. Where it was not, rounding differs by about 1e-8 bps: a
        difference below `OTHER_KERNEL_BPS` then warns only.

    Returns
    -------
    CheckOutcome
        Named ``determinism``.
    """
    passed = bool(difference_bps < tolerance_bps)
    is_rounding = not same_kernel and difference_bps < OTHER_KERNEL_BPS
    severity: Severity = "warn" if is_rounding else "error"
    description = (
        f"refitting split {split_id} moves predictions by {difference_bps:.3g} bps at most "
        f"(allowed: below {tolerance_bps:.0e} bps)"
    )
    if not passed and is_rounding:
        description += "; the stored model was fitted with another processor's kernel"
    return CheckOutcome(
        "determinism",
        passed=passed,
        severity=severity,
        description=description,
        values={
            "difference_bps": difference_bps,
            "tolerance_bps": tolerance_bps,
            "split_id": split_id,
            "same_kernel": same_kernel,
        },
    )


def check_rank_ic_plausible(rank_ic: float, *, limit: float) -> CheckOutcome:
    """Warn of a leak where the mean rank IC is too good to be true.

    Real daily panels give 0.01 to 0.05.

    Parameters
    ----------
    rank_ic : float
        Mean per-date rank IC over all out-of-fold rows of the partition.
    limit : float
        Value above which a leak is suspected.

    Returns
    -------
    CheckOutcome
        Named ``rank_ic_plausible``, of severity ``warn``.
    """
    passed = bool(rank_ic <= limit)
    description = f"mean rank IC {rank_ic:.4f}, suspicious above {limit:.2f}"
    if np.isnan(rank_ic):
        description = "rank IC cannot be evaluated: no date has three different predictions"
    elif not passed:
        description += ": look for a feature that knows the future"
    return CheckOutcome(
        "rank_ic_plausible",
        passed=passed,
        severity="warn",
        description=description,
        values={"rank_ic": rank_ic, "limit": limit},
    )


def check_repeatable(oof: pd.DataFrame, again: pd.DataFrame) -> CheckOutcome:
    """Check that the stored fold models, asked twice, predict the same to the bit.

    Parameters
    ----------
    oof : DataFrame of shape (n_predictions, 2)
        The candidate.
    again : DataFrame of shape (n_predictions, 2)
        The same, predicted by the models once they had been read again.

    Returns
    -------
    CheckOutcome
        Named ``repeatable``.
    """
    from model2_assets.training import largest_difference

    difference = (
        largest_difference(oof["prediction"].to_numpy(), again["prediction"].to_numpy())
        if len(oof) == len(again)
        else float("inf")
    )
    description = f"predicted twice by the stored models, largest difference {difference:.3g} bps"
    if difference:
        description += (
            "; let the trainer's predict depend on nothing but the fitted model and its rows"
        )
    return CheckOutcome(
        "repeatable",
        passed=difference == 0,
        description=description,
        values={"repeated_difference_bps": difference},
    )


def check_reproduced(oof: pd.DataFrame, predicted: pd.DataFrame) -> CheckOutcome:
    """Check that the stored fold models reproduce the stored predictions to the bit.

    Parameters
    ----------
    oof : DataFrame of shape (n_predictions, 2)
        The stored out-of-fold predictions.
    predicted : DataFrame of shape (n_predictions, 2)
        The same, predicted afresh by the stored fold models.

    Returns
    -------
    CheckOutcome
        Named ``stored_models_reproduce_oof``.
    """
    from model2_assets.training import largest_difference

    same_rows = oof.index.equals(predicted.index)
    difference = (
        largest_difference(oof["prediction"].to_numpy(), predicted["prediction"].to_numpy())
        if same_rows
        else float("inf")
    )
    same_folds = same_rows and bool((oof["fold_id"] == predicted["fold_id"]).all())
    description = f"largest difference {difference:.3g} bps"
    if not same_rows:
        description = "the stored models predict other rows than those stored"
    elif not same_folds:
        description += "; rows are stored in other folds than they are tested in"
    if difference or not same_folds:
        description += "; materialize fitted_models and oof_predictions again"
    return CheckOutcome(
        "stored_models_reproduce_oof",
        passed=same_folds and difference == 0,
        description=description,
        values={"difference_bps": difference, "same_rows": same_rows, "same_folds": same_folds},
    )


def _first_of(frame: pd.DataFrame, rows: NDArray[np.bool_]) -> str:
    if isinstance(frame.index, pd.MultiIndex):
        return _row(frame.index[rows])
    return _row(pd.MultiIndex.from_frame(frame.loc[rows, ["instrument", "datetime"]].head(1)))


def _row(rows: pd.Index) -> str:
    instrument, date = rows[0]
    return f"{instrument} {date:%Y-%m-%d}"
