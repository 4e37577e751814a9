"""Checks of fold models and what is derived from them."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pandas as pd

from model2_assets.checks.outcome import CheckOutcome

if TYPE_CHECKING:
    from model2_assets.storage.models import Manifest
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


def check_final_complete(
    fitted: "FittedModels", *, features: pd.DataFrame, labels: pd.DataFrame
) -> CheckOutcome:
    """Check that there is one model, and that it was trained on every labelled row.

    The rows are found once more, by a join of the two tables, and compared in number and,
    by their hash, one by one and in canonical order.

    Parameters
    ----------
    fitted : FittedModels
        The candidate, with its provenance.
    features, labels : DataFrame
        The tables that it was made from.

    Returns
    -------
    CheckOutcome
        Named ``complete``.
    """
    return _final_complete(
        [model.n_train for model in fitted.models],
        horizon=fitted.provenance.horizon,
        row_order_hash=fitted.provenance.row_order_hash,
        features=features,
        labels=labels,
    )


def check_stored_final_complete(
    manifest: "Manifest", *, features: pd.DataFrame, labels: pd.DataFrame
) -> CheckOutcome:
    """Check what `check_final_complete` does of the model that a manifest describes.

    Parameters
    ----------
    manifest : Manifest
        Of the stored final model.
    features, labels : DataFrame
        The stored tables.

    Returns
    -------
    CheckOutcome
        Named ``complete``.
    """
    return _final_complete(
        [fold.n_train for fold in manifest.folds],
        horizon=manifest.horizon,
        row_order_hash=manifest.row_order_hash,
        features=features,
        labels=labels,
    )


def _final_complete(
    n_train: Sequence[int],
    *,
    horizon: str,
    row_order_hash: str,
    features: pd.DataFrame,
    labels: pd.DataFrame,
) -> CheckOutcome:
    from model2_assets.training.data import hash_row_order

    joined = labels[[f"label_{horizon}"]].join(features[[]], how="inner").dropna()
    expected = joined.sort_index(level=["datetime", "instrument"]).index
    assert isinstance(expected, pd.MultiIndex)
    trained = sum(n_train)
    same_rows = row_order_hash == hash_row_order(expected)
    problems = [] if len(n_train) == 1 else [f"{len(n_train)} models, expected one"]
    if trained != len(expected) or not same_rows:
        problems.append(
            f"trained on {trained:,} rows, which are not the {len(expected):,} that have features "
            f"and a label of {horizon}, in canonical order; materialize final_models again"
        )
    return CheckOutcome(
        "complete",
        passed=not problems,
        description="; ".join(problems) or f"one model, trained on all {trained:,} labelled rows",
        values={
            "models": len(n_train),
            "trained_rows": trained,
            "labelled_rows": len(expected),
        },
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
