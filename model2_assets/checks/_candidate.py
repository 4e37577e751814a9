"""All checks of a candidate of out-of-fold predictions, in the order of the UI."""

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from model2_assets.checks._contract import check_contract
from model2_assets.checks._out_of_fold import (
    check_coverage,
    check_determinism,
    check_finite,
    check_range,
    check_rank_ic_plausible,
    check_repeatable,
)
from model2_assets.checks._outcome import CheckOutcome
from model2_assets.config import ChecksConfig
from model2_assets.evaluation import daily_ic

if TYPE_CHECKING:
    from model2_assets.training import OutOfFold


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
