"""Out-of-fold predictions: every row predicted by models that never saw it."""

from collections.abc import Iterable
from typing import Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from model2_assets.errors import TrainingError
from model2_assets.panel import date_codes, instrument_codes
from model2_assets.training._training_data import TrainingData, row_name
from model2_assets.training.base_models import BaseModelTrainer, predict_rows


class FittedSplit(Protocol):
    """A fitted model of one split, in memory or read from a store."""

    @property
    def split_id(self) -> int:
        """The split."""
        ...

    @property
    def trainer(self) -> BaseModelTrainer:
        """The fitted model."""
        ...


def predict_out_of_fold(models: Iterable[FittedSplit], data: TrainingData) -> pd.DataFrame:
    """Predict every row by the models of the splits that test it.

    Parameters
    ----------
    models : iterable of FittedSplit
        The model of every split of `data`, in any order; one is held at a time.
    data : TrainingData
        Features and roles.

    Returns
    -------
    DataFrame of shape (n_rows, 2)
        Indexed by ``(instrument, datetime)``, sorted by instrument, then datetime.
        ``prediction`` (float64, bps) is the mean over the splits that test the row: one
        split where one group is tested at a time, C(N-1, k-1) where k groups are.
        ``fold_id`` (int16) is the group of the row's date.

    Raises
    ------
    TrainingError
        If the model of a split is missing or given twice, or no split tests a row.
    """
    predictions = _predict_splits(models, data)
    tested = np.zeros(data.n_rows, dtype=np.int64)
    total = np.zeros(data.n_rows, dtype=np.float64)
    for split_id in range(data.n_splits):
        rows = data.test_rows(split_id)
        tested[rows] += 1
        total[rows] += predictions[split_id]
    never = np.flatnonzero(tested == 0)
    if never.size:
        raise TrainingError(
            f"no fold predicts {never.size} rows, first {row_name(data.index, never[0])}; "
            f"rebuild cv_splits"
        )
    order = np.lexsort((date_codes(data.index).codes, instrument_codes(data.index).codes))
    return pd.DataFrame(
        {"prediction": (total / tested)[order], "fold_id": data.group_id[order]},
        index=data.index[order],
    )


def _predict_splits(
    models: Iterable[FittedSplit], data: TrainingData
) -> dict[int, NDArray[np.float64]]:
    """Predict the test rows of every split, to be added up in the order of the splits."""
    predictions: dict[int, NDArray[np.float64]] = {}
    for model in models:
        if model.split_id in predictions or not 0 <= model.split_id < data.n_splits:
            raise TrainingError(
                f"fold {model.split_id}: given twice, or not among the {data.n_splits} folds of "
                f"cv_splits; retrain the model on these cv_splits"
            )
        predictions[model.split_id] = predict_rows(
            model.trainer, data, data.test_rows(model.split_id)
        )
    missing = sorted(set(range(data.n_splits)) - set(predictions))
    if missing:
        raise TrainingError(f"fold {missing[0]} has no model; retrain the model on these cv_splits")
    return predictions
