"""Scores of one horizon and model, as the contract CVScores wants them."""

import pandas as pd

from model2_assets.evaluation._label_overlap import label_overlap_days
from model2_assets.evaluation._scores import score_predictions
from model2_assets.provenance import INPUTS, data_versions_of, facts_of, require_made_from

SCORE_ID_COLUMNS = ("fold_id", "split_id", "path_id")
"""Columns that say which fold, split or path a score is of; all are missing for all rows."""


def score_partition(
    oof: pd.DataFrame,
    paths: pd.DataFrame,
    labels: pd.DataFrame,
    *,
    horizon: str,
    model: str,
    execution_lag_days: int,
    n_trials: int,
) -> pd.DataFrame:
    """Score the out-of-fold predictions of one horizon and model.

    Parameters
    ----------
    oof : DataFrame of shape (n_rows, 2)
        Stored out-of-fold predictions, with their provenance.
    paths : DataFrame of shape (n_predictions, n_columns)
        Stored single predictions of every split (``oof_paths``), with their provenance.
    labels : DataFrame of shape (n_labels, 3 * n_horizons)
        Stored labels, with their provenance.
    horizon, model : str
        Such as ``21d`` and ``ridge``.
    execution_lag_days : int
        Trading bars from signal to entry.
    n_trials : int
        Models times horizons of the region: what the best was chosen from.

    Returns
    -------
    DataFrame of shape (n_scores, 8)
        Columns of CVScores: ``model``, ``horizon``, ``scope``, ``fold_id``, ``split_id``,
        ``path_id`` (Int16), ``metric``, ``value``; see `score_predictions`.

    Raises
    ------
    StoreError
        If the predictions were made from other labels, or by other models than each other.
    ContractError
        If a row has no label or no finite prediction, or repeats.
    """
    made_from = facts_of(oof).get(INPUTS, {})
    at_hand = data_versions_of(labels=labels)
    require_made_from("oof_predictions", made_from, at_hand)
    require_made_from("oof_paths", facts_of(paths).get(INPUTS, {}), {**made_from, **at_hand})
    scores = score_predictions(
        oof,
        labels[f"label_{horizon}"],
        horizon_days=int(horizon.removesuffix("d")),
        overlap_days=label_overlap_days(horizon, execution_lag_days=execution_lag_days),
        n_trials=n_trials,
        paths=paths,
    )
    scores.insert(0, "horizon", horizon)
    scores.insert(0, "model", model)
    ids = dict.fromkeys(SCORE_ID_COLUMNS, "Int16")
    return scores.astype({**ids, "model": "str", "horizon": "str"})


def wide_scores(scores: pd.DataFrame) -> pd.DataFrame:
    """Return one row per fold, split, path and for all rows, a column per metric.

    Parameters
    ----------
    scores : DataFrame of shape (n_scores, n_columns)
        Scores of one partition.

    Returns
    -------
    DataFrame of shape (n_units, 2 + n_metrics)
        ``scope``, its ``id`` (Int16, missing for all), and the metrics, NaN where a scope has
        none.
    """
    ids = scores["fold_id"].fillna(scores["split_id"]).fillna(scores["path_id"])
    unit = scores["scope"] + ids.astype("str").where(ids.notna(), "")
    first = ~unit.duplicated()
    wide = scores.assign(unit=unit).pivot_table(
        index="unit", columns="metric", values="value", sort=False, dropna=False
    )
    values = wide[list(dict.fromkeys(scores["metric"]))].reset_index(drop=True)
    values.insert(0, "scope", scores.loc[first, "scope"].to_numpy())
    values.insert(1, "id", ids[first].array)
    return values


def has_several_paths(scores: pd.DataFrame) -> bool:
    """Tell whether a partition's scores are of more than one path."""
    return int(scores["path_id"].nunique()) > 1


def describe_scores(scores: pd.DataFrame) -> list[str]:
    """Return one line of text per fold, one per path where there are several, one for all."""
    wide = wide_scores(scores)
    several = (wide["scope"] == "path").sum() > 1
    shown = wide[wide["scope"].isin(["fold", "all", *(["path"] if several else [])])]
    return [
        f"{_unit(row.scope, row.id, several)}: rank IC {row.rank_ic:.4f}, "
        f"IC {row.ic:.4f}, ICIR {row.icir:.3f}, R² {row.r2:.4f}, RMSE {row.rmse:,.0f} bps, "
        f"MAE {row.mae:,.0f} bps, hit rate {row.hit_rate:.3f}, {row.samples:,.0f} samples"
        for row in shown.itertuples()
    ]


def _unit(scope: object, unit_id: object, several_paths: bool) -> str:
    if scope != "all":
        return f"{scope} {unit_id}"
    return "all folds, mean over paths" if several_paths else "all folds"
