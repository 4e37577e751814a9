"""Out-of-fold predictions: every row predicted by models that never saw it."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from model2_assets.errors import TrainingError
from model2_assets.panel import date_codes, instrument_codes
from model2_assets.training.base_models import BaseModelTrainer
from model2_assets.training.data import FeatureMatrix, TrainingData, compact, row_name

_CHUNK_ROWS = 32_768


def predict_rows(
    trainer: BaseModelTrainer, data: TrainingData, rows: NDArray[np.intp]
) -> NDArray[np.float64]:
    """Predict rows of training data.

    Parameters
    ----------
    trainer : BaseModelTrainer
        A fitted model.
    data : TrainingData
        The features.
    rows : ndarray of shape (n_rows,), intp
        Positions of the rows.

    Returns
    -------
    ndarray of shape (n_rows,), float64
        Predictions in bps. The same rows give the same bits each time.
    """
    return predict_matrix(trainer, data.X, rows)


def predict_matrix(
    trainer: BaseModelTrainer, X: FeatureMatrix, rows: NDArray[np.intp]
) -> NDArray[np.float64]:
    """Predict rows of a feature matrix, as `predict_rows` does.

    Parameters
    ----------
    trainer : BaseModelTrainer
        A fitted model.
    X : ndarray or SelectedRows of shape (n_all_rows, n_features), float32
        Columns as the model was fitted on.
    rows : ndarray of shape (n_rows,), intp
        Positions of the rows.

    Returns
    -------
    ndarray of shape (n_rows,), float64
        Predictions in bps.

    Raises
    ------
    TrainingError
        If the model does not return one number a row.
    """
    predictions = np.empty(len(rows), dtype=np.float64)
    with threadpool_limits(limits=1, user_api="blas"):
        for start in range(0, len(rows), _CHUNK_ROWS):
            chunk = rows[start : start + _CHUNK_ROWS]
            predicted = trainer.predict(X[compact(chunk)])
            if np.shape(predicted) != chunk.shape:
                raise TrainingError(
                    f"{type(trainer).__name__}.predict returned shape {np.shape(predicted)} for "
                    f"{len(chunk)} rows; return one number a row"
                )
            predictions[start : start + len(chunk)] = predicted
    return predictions


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


@dataclass(frozen=True, eq=False)
class SplitPredictions:
    """Every prediction that every split makes, split after split.

    Attributes
    ----------
    row : ndarray of shape (n_predictions,), intp
        Position of the predicted row in the training data; ascending within a split.
    split_id : ndarray of shape (n_predictions,), int16
        Split whose model predicts; ascending.
    prediction : ndarray of shape (n_predictions,), float64
        bps.
    """

    row: NDArray[np.intp]
    split_id: NDArray[np.int16]
    prediction: NDArray[np.float64]


def predict_splits(models: Iterable[FittedSplit], data: TrainingData) -> SplitPredictions:
    """Predict the test rows of every split by its model, in one pass over the models.

    Parameters
    ----------
    models : iterable of FittedSplit
        The model of every split of `data`, in any order; one is held at a time.
    data : TrainingData
        Features and roles.

    Returns
    -------
    SplitPredictions
        In the order of the splits, whatever the order of the models.

    Raises
    ------
    TrainingError
        If the model of a split is missing or given twice.
    """
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
    ordered = [predictions[split_id] for split_id in range(data.n_splits)]
    return SplitPredictions(
        row=np.concatenate([data.test_rows(split_id) for split_id in range(data.n_splits)]),
        split_id=np.repeat(np.arange(data.n_splits, dtype=np.int16), [len(p) for p in ordered]),
        prediction=np.concatenate(ordered),
    )


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
    DataFrame of shape (n_tested_rows, 2)
        As `average_splits` returns it.

    Raises
    ------
    TrainingError
        If the model of a split is missing or given twice, or no split tests a row whose
        group is tested.
    """
    return average_splits(predict_splits(models, data), data)


def average_splits(predictions: SplitPredictions, data: TrainingData) -> pd.DataFrame:
    """Average the predictions of every row that is tested.

    Parameters
    ----------
    predictions : SplitPredictions
        Of every split of `data`.
    data : TrainingData
        Rows and groups.

    Returns
    -------
    DataFrame of shape (n_tested_rows, 2)
        Indexed by ``(instrument, datetime)``, sorted by instrument, then datetime.
        ``prediction`` (float64, bps) is the mean over the splits that test the row: one
        split where one group is tested at a time, C(N-1, k-1) where k groups are.
        ``fold_id`` (int16) is the group of the row's date. Groups that no split tests,
        the first ones of a walk-forward, have no rows.

    Raises
    ------
    TrainingError
        If no split tests a row, though others of its group are tested.
    """
    n_tests = np.bincount(predictions.row, minlength=data.n_rows)
    _refuse_holes(n_tests, data)
    mean = mean_by_row(predictions.row, predictions.prediction, data.n_rows)
    order = output_order(data)
    order = order[n_tests[order] > 0]
    return pd.DataFrame(
        {"prediction": mean[order], "fold_id": data.group_id[order]}, index=data.index[order]
    )


def mean_by_row(
    row: NDArray[np.intp], prediction: NDArray[np.float64], n_rows: int
) -> NDArray[np.float64]:
    """Return the mean prediction of every row, NaN where it has none.

    Parameters
    ----------
    row : ndarray of shape (n_predictions,), intp
        The row of each prediction.
    prediction : ndarray of shape (n_predictions,), float64
        Its value. A row's values are added up in this order, one after the other, so two
        callers with the same order per row get the same bits.
    n_rows : int
        Number of rows.

    Returns
    -------
    ndarray of shape (n_rows,), float64
        The means.
    """
    total = np.bincount(row, weights=prediction, minlength=n_rows)
    count = np.bincount(row, minlength=n_rows)
    mean = np.full(n_rows, np.nan)
    np.divide(total, count, out=mean, where=count > 0)
    return mean


def output_order(data: TrainingData) -> NDArray[np.intp]:
    """Return the positions of all rows sorted by instrument, then datetime."""
    return np.lexsort((date_codes(data.index).codes, instrument_codes(data.index).codes))


def _refuse_holes(n_tests: NDArray[np.intp], data: TrainingData) -> None:
    groups_tested = np.unique(data.group_id[n_tests > 0])
    never = np.flatnonzero((n_tests == 0) & np.isin(data.group_id, groups_tested))
    if never.size:
        raise TrainingError(
            f"no fold predicts {never.size} rows, first {row_name(data.index, never[0])}; "
            f"rebuild cv_splits"
        )
