"""Checks of what is on disk: unaltered, and made from what lies beside it."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from model2_assets.checks._outcome import CheckOutcome
from model2_assets.data_version import table_digest
from model2_assets.errors import StoreError
from model2_assets.provenance import (
    INPUTS,
    data_version_of,
    data_versions_of,
    facts_of,
    require_made_from,
)


def check_unaltered(frame: pd.DataFrame) -> CheckOutcome:
    """Check that a table's values have the digest that its file states.

    Parameters
    ----------
    frame : DataFrame of shape (n_rows, n_columns)
        The stored table, with its provenance.

    Returns
    -------
    CheckOutcome
        Named ``unaltered``.
    """
    stated, found = data_version_of(frame), table_digest(frame)
    description = f"data version {found[:12]}"
    if not stated:
        description = "the file states no data version; materialize it again"
    elif stated != found:
        description = (
            f"the values have data version {found[:12]}, the file states {stated[:12]}: it was "
            f"altered since it was written; materialize it again"
        )
    return CheckOutcome("unaltered", passed=stated == found, description=description)


def check_recorded(difference: str | None) -> CheckOutcome:
    """Check that what is on disk is what was recorded when it was published.

    Parameters
    ----------
    difference : str or None
        How it differs from the record; None where it does not.

    Returns
    -------
    CheckOutcome
        Named ``recorded``.
    """
    return CheckOutcome(
        "recorded",
        passed=difference is None,
        description=difference or "as it was recorded when it was published",
    )


def check_made_from(
    asset: str,
    frame: pd.DataFrame,
    *,
    versions: Mapping[str, str] | None = None,
    **inputs: pd.DataFrame,
) -> CheckOutcome:
    """Check that a stored table was made from what is stored now.

    Parameters
    ----------
    asset : str
        Name of the table.
    frame : DataFrame of shape (n_rows, n_columns)
        The stored table, with its provenance.
    versions : mapping of str to str, optional
        Data versions of inputs that are no tables.
    **inputs : DataFrame
        Stored tables that it is made from, by asset name.

    Returns
    -------
    CheckOutcome
        Named ``made_from``.
    """
    current = {**data_versions_of(**inputs), **(versions or {})}
    return _made_from(asset, facts_of(frame).get(INPUTS, {}), current)


def check_models_current(
    asset: str, made_from: Mapping[str, str], current: Mapping[str, str]
) -> CheckOutcome:
    """Check that stored models were made from the tables that are stored now.

    Parameters
    ----------
    asset : str
        Their name.
    made_from : mapping of str to str
        Data versions that their manifest names.
    current : mapping of str to str
        Data versions of what is stored.

    Returns
    -------
    CheckOutcome
        Named ``made_from``.
    """
    return _made_from(asset, made_from, current)


def check_splits_complete(found: Sequence[int], expected: Sequence[int]) -> CheckOutcome:
    """Check that every split has exactly one stored model.

    Parameters
    ----------
    found : sequence of int
        Splits that have a model.
    expected : sequence of int
        Splits that there are.

    Returns
    -------
    CheckOutcome
        Named ``complete``.
    """
    models, splits = sorted(found), sorted(expected)
    return CheckOutcome(
        "complete",
        passed=models == splits,
        description=f"models of splits {models}, expected {splits}",
        values={"models": len(models), "splits": len(splits)},
    )


def check_scores_current(scores: pd.DataFrame, recomputed: pd.DataFrame) -> CheckOutcome:
    """Check that stored scores are those of the stored predictions.

    Parameters
    ----------
    scores : DataFrame of shape (n_scores, 7)
        The stored scores.
    recomputed : DataFrame of shape (n_scores, 7)
        Those of the stored predictions.

    Returns
    -------
    CheckOutcome
        Named ``scores_current``. Values may differ by a billionth of themselves: other
        processors round otherwise.
    """
    keys = ["scope", "fold_id", "split_id", "path_id", "metric"]
    old, new = (frame.set_index(keys)["value"].sort_index() for frame in (scores, recomputed))
    same_rows = old.index.equals(new.index)
    close = (
        np.isclose(old, new, rtol=1e-9, atol=1e-12, equal_nan=True)
        if same_rows
        else np.zeros(0, dtype=bool)
    )
    wrong = int(np.count_nonzero(~close))
    description = f"{len(old):,} scores are those of the stored predictions"
    if not same_rows:
        description = (
            f"{len(old):,} scores are stored, of others than the {len(new):,} that the stored "
            f"predictions have; materialize cv_scores again"
        )
    elif wrong:
        scope, *_, metric = old.index[int(np.flatnonzero(~close)[0])]
        description = (
            f"{wrong:,} of {len(old):,} scores are not those of the stored predictions, first "
            f"{metric} of scope {scope}; materialize cv_scores again"
        )
    return CheckOutcome(
        "scores_current",
        passed=same_rows and not wrong,
        description=description,
        values={"scores": len(old), "wrong_scores": wrong},
    )


def check_board_current(board: pd.DataFrame, oof: Mapping[str, str]) -> CheckOutcome:
    """Warn where the leaderboard shows other predictions than those that are stored.

    Parameters
    ----------
    board : DataFrame of shape (n_partitions, n_columns)
        With ``horizon``, ``model`` and the ``data_version`` of the predictions.
    oof : mapping of str to str
        Data version of the stored predictions, by partition key.

    Returns
    -------
    CheckOutcome
        Named ``board_current``, of severity ``warn``.
    """
    shown = {
        f"{horizon}|{model}": str(version)
        for horizon, model, version in zip(
            board["horizon"], board["model"], board["data_version"], strict=True
        )
    }
    other = sorted(key for key in {*shown, *oof} if shown.get(key) != oof.get(key))
    return CheckOutcome(
        "board_current",
        passed=not other,
        severity="warn",
        description=f"shows other predictions than those stored of {', '.join(other)}; "
        f"materialize leaderboard again"
        if other
        else f"shows the stored predictions of {len(shown)} partitions",
        values={"partitions": len(shown), "other_partitions": len(other)},
    )


def _made_from(
    asset: str, made_from: Mapping[str, str], current: Mapping[str, str]
) -> CheckOutcome:
    unknown = sorted(set(current) - set(made_from))
    problem = f"states no version of {', '.join(unknown)}; materialize {asset} again"
    try:
        require_made_from(asset, made_from, current)
    except StoreError as error:
        unknown, problem = list(current), str(error)
    return CheckOutcome(
        "made_from",
        passed=not unknown,
        description=problem if unknown else f"made from the stored {', '.join(sorted(current))}",
    )
