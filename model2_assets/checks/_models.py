"""Checks of fold models and what is derived from them."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pandas as pd

from model2_assets.checks._outcome import CheckOutcome

if TYPE_CHECKING:
    from model2_assets.training import FittedModels


def check_models_complete(fitted: "FittedModels") -> CheckOutcome:
    """Check that every split has exactly one model.

    Parameters
    ----------
    fitted : FittedModels
        The candidate.

    Returns
    -------
    CheckOutcome
        Named ``complete``.
    """
    found = sorted(model.split_id for model in fitted.models)
    expected = list(range(fitted.n_splits))
    return CheckOutcome(
        "complete",
        passed=found == expected,
        description=f"models of splits {found}, expected {expected}",
        values={"models": len(found), "splits": fitted.n_splits},
    )


def check_every_feature(importance: pd.DataFrame, feature_names: Sequence[str]) -> CheckOutcome:
    """Check that importances have a row for every feature.

    Parameters
    ----------
    importance : DataFrame of shape (n_features, n_columns)
        With the column ``feature``.
    feature_names : sequence of str
        What the models were given.

    Returns
    -------
    CheckOutcome
        Named ``every_feature``.
    """
    missing = sorted(set(feature_names) - set(importance["feature"]))
    return CheckOutcome(
        "every_feature",
        passed=not missing and len(importance) == len(feature_names),
        description=f"features without a row: {', '.join(missing)}"
        if missing
        else f"{len(importance)} rows for {len(feature_names)} features",
        values={"features": len(feature_names), "missing": len(missing)},
    )
