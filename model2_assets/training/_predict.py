"""Predictions in chunks, so that memory does not grow with the number of rows."""

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from model2_assets.errors import TrainingError
from model2_assets.training._row_blocks import compact
from model2_assets.training._training_data import FeatureMatrix, TrainingData
from model2_assets.training.base_models import BaseModelTrainer

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
