"""Feature importances over folds: mean, spread, and fold by fold."""

from collections.abc import Iterable

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from model2_assets.errors import TrainingError
from model2_assets.training.base_models import IMPORTANCE_KINDS, FoldModel

_MAIN_KINDS = ("gain", "coefficient", "weight")
"""Kinds by which features are ranked; the first that the model has."""


def aggregate_importances(models: Iterable[FoldModel]) -> pd.DataFrame:
    """Bring the importances of all fold models together.

    Parameters
    ----------
    models : iterable of FoldModel
        Models fitted on the same features; one is held at a time.

    Returns
    -------
    DataFrame of shape (n_features, n_columns)
        A row for every feature, ranked by the absolute value of the model's main kind
        (gain, else coefficient, else weight), then by name. Columns: ``feature``; for
        each of gain, weight and coefficient ``importance_{kind}`` (mean over the folds)
        and ``importance_{kind}_std`` (sample standard deviation over the folds, 0.0 for
        a single fold), both NaN where the model has no such kind; and
        ``importance_{kind}_fold_{split_id}`` for the kinds that it has. Gain is the mean
        reduction of the training loss over the feature's splits, weight the number
        of those splits, coefficient in bps per standard deviation of the feature.

    Raises
    ------
    TrainingError
        If there is no model, or models were fitted on different features.
    """
    by_fold = {model.split_id: model.trainer.importances() for model in models}
    if not by_fold:
        raise TrainingError("no model to take importances from; train it first")
    by_fold = dict(sorted(by_fold.items()))
    first_id, first = next(iter(by_fold.items()))
    for split_id, frame in by_fold.items():
        if not frame.index.equals(first.index):
            raise TrainingError(
                f"splits {first_id} and {split_id} were fitted on different features; "
                f"retrain the model"
            )
    values = {
        kind: np.column_stack([frame[f"importance_{kind}"] for frame in by_fold.values()])
        for kind in IMPORTANCE_KINDS
    }
    table = pd.DataFrame({"feature": first.index.to_series().reset_index(drop=True)})
    for kind, folds in values.items():
        table[f"importance_{kind}"] = folds.mean(axis=1)
        table[f"importance_{kind}_std"] = _spread(folds)
    per_fold = {
        f"importance_{kind}_fold_{split_id}": folds[:, column]
        for kind, folds in values.items()
        if _exists(folds)
        for column, split_id in enumerate(by_fold)
    }
    table = pd.concat([table, pd.DataFrame(per_fold, index=table.index)], axis=1)
    return table.iloc[_ranking(table, values)].reset_index(drop=True)


def top_importances(importance: pd.DataFrame, count: int) -> pd.DataFrame:
    """Return the first features of a ranked table, with mean and spread of the model's kinds."""
    columns = [name for name in importance.columns if "_fold_" not in name]
    return importance[columns].head(count).dropna(axis="columns", how="all")


def _exists(folds: NDArray[np.float64]) -> bool:
    return not np.isnan(folds).all()


def _spread(folds: NDArray[np.float64]) -> NDArray[np.float64]:
    if folds.shape[1] > 1:
        return np.asarray(folds.std(axis=1, ddof=1), dtype=np.float64)
    return np.where(np.isnan(folds[:, 0]), np.nan, 0.0)


def _ranking(table: pd.DataFrame, values: dict[str, NDArray[np.float64]]) -> NDArray[np.intp]:
    main = next((kind for kind in _MAIN_KINDS if _exists(values[kind])), _MAIN_KINDS[0])
    strength = np.abs(table[f"importance_{main}"].to_numpy(dtype=np.float64))
    names = table["feature"].to_numpy(dtype=object)
    return np.lexsort((np.argsort(np.argsort(names)), -strength))
