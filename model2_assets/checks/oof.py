"""Checks of out-of-fold predictions: complete, finite, in range, reproducible, plausible."""

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from model2_assets.checks.outcome import CheckOutcome, Severity, check_contract
from model2_assets.config import ChecksConfig
from model2_assets.evaluation import daily_ic

if TYPE_CHECKING:
    from model2_assets.training.predict import OutOfFold


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
    from model2_assets.training.predict import largest_difference

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
    from model2_assets.training.predict import largest_difference

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


def check_out_of_fold(candidate: "OutOfFold", *, limits: ChecksConfig) -> list[CheckOutcome]:
    """Check out-of-fold predictions before they are published.

    Parameters
    ----------
    candidate : OutOfFold
        The predictions, their labels, and what a refit changed.
    limits : ChecksConfig
        Limits from the configuration.

    Returns
    -------
    list of CheckOutcome
        ``contract``, ``coverage``, ``finite``, ``range``, ``determinism``, ``repeatable`` and
        ``rank_ic_plausible``.
    """
    oof, expected = candidate.oof, candidate.label.index
    assert isinstance(expected, pd.MultiIndex)
    return [
        check_contract(oof, "OOFPredictions"),
        check_coverage(oof, expected, never_tested=candidate.rows_never_tested),
        check_finite(oof),
        check_range(oof, limit_bps=limits.prediction_bps),
        check_determinism(
            candidate.determinism_difference_bps,
            tolerance_bps=candidate.determinism_tolerance_bps,
            split_id=candidate.refitted_split,
            same_kernel=candidate.same_kernel,
        ),
        check_repeatable(oof, candidate.again),
        check_rank_ic_plausible(mean_rank_ic(oof, candidate.label), limit=limits.rank_ic_warn),
    ]


def mean_rank_ic(oof: pd.DataFrame, label: pd.Series) -> float:
    """Return the mean per-date rank IC over the rows that have a label.

    Parameters
    ----------
    oof : DataFrame of shape (n_rows, 2)
        Out-of-fold predictions.
    label : Series of shape (n_label_rows,)
        Labels in bps.

    Returns
    -------
    float
        NaN where no date has enough rows.
    """
    realized = label.reindex(oof.index).to_numpy()
    prediction = oof["prediction"].to_numpy()
    known = np.isfinite(realized) & np.isfinite(prediction)
    index = oof.index[known]
    assert isinstance(index, pd.MultiIndex)
    daily = daily_ic(prediction[known], realized[known], index)
    return float(daily["rank_ic"].mean())


_NAME = "oof_drift"


def check_oof_drift(
    oof: pd.DataFrame,
    previous: pd.DataFrame | None,
    *,
    min_rank_correlation: float,
    max_bps: float,
    problem: str = "",
) -> CheckOutcome:
    """Warn where rows that were predicted before are predicted otherwise now.

    Some drift is normal: a new date moves the edges of the groups, so that rows change folds
    and every fold's train rows change a little.

    Parameters
    ----------
    oof : DataFrame of shape (n_rows, 2)
        The candidate: ``prediction`` (bps), indexed by ``(instrument, datetime)``.
    previous : DataFrame of shape (n_previous_rows, 2) or None
        The predictions stored before it; None if there are none.
    min_rank_correlation : float
        Smallest mean over dates of the Spearman correlation, across the instruments of a date,
        between the candidate's predictions and the earlier ones of the same rows.
    max_bps : float
        Largest absolute difference of a row's predictions, bps.
    problem : str, default ""
        Why there is nothing to compare with, where `previous` is None.

    Returns
    -------
    CheckOutcome
        Named ``oof_drift``, of severity ``warn``. Passes where there is nothing to compare
        with. Dates with fewer than three names have no correlation.

    Notes
    -----
    Measured on the demo data (20 instruments, 164,600 rows, 5 folds), Ridge and XGBoost, 21 and
    63 days: one date more leaves a correlation of 0.9943 to 0.9997 and moves rows by 149 bps at
    most; 5 dates more 0.9927 to 0.9990 and 174 bps; 21 dates more 0.9844 to 0.9960 and 243 bps.
    On 127 stocks over 1,259 dates one date more leaves 0.9947 to 0.9987, and 228 bps. A penalty
    of Ridge ten times smaller leaves 0.948. The largest differences of more dates are at the
    edges of groups, where rows change folds.
    """
    if previous is None or not len(previous):
        description = problem or "there are no earlier predictions"
        return CheckOutcome(_NAME, passed=True, severity="warn", description=description)
    index = oof.index[oof.index.isin(previous.index)]
    assert isinstance(index, pd.MultiIndex)
    if not len(index):
        return CheckOutcome(
            _NAME,
            passed=False,
            severity="warn",
            description=f"none of the {len(previous):,} rows predicted before is predicted now: "
            f"look at the dates and instruments of market_data",
            values={"common_rows": 0, "rows_gone": len(previous), "rows_new": len(oof)},
        )
    now = oof["prediction"].reindex(index).to_numpy()
    before = previous["prediction"].reindex(index).to_numpy()
    size = np.abs(now - before)
    largest = float(size.max())
    instrument, date = index[int(size.argmax())]
    correlation = float(daily_ic(now, before, index)["rank_ic"].mean())
    # A NaN does not fail: one name a date has no ranks to compare.
    passed = not correlation < min_rank_correlation and largest <= max_bps
    text = (
        f"{len(index):,} rows were predicted before: mean rank correlation {correlation:.4f} "
        f"(expected at least {min_rank_correlation:g}), largest difference {largest:,.2f} bps "
        f"(expected at most {max_bps:g}), at {instrument} {date:%Y-%m-%d}"
    )
    if not passed:
        text += (
            ": look for changed code or settings, or a restated history; model2 rollback returns "
            "to the predictions before"
        )
    return CheckOutcome(
        _NAME,
        passed=passed,
        severity="warn",
        description=text,
        values={
            "rank_correlation": correlation,
            "largest_difference_bps": largest,
            "common_rows": len(index),
            "rows_gone": len(previous) - len(index),
            "rows_new": len(oof) - len(index),
        },
    )
