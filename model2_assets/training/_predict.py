"""Predictions in chunks, so that memory does not grow with the number of rows."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import zip_longest

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from model2_assets.errors import TrainingError
from model2_assets.training._selected_rows import as_slice
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
        for chunk, features in _gathered_ahead(X, rows):
            predicted = trainer.predict(features)
            if np.shape(predicted) != rows[chunk].shape:
                raise TrainingError(
                    f"{type(trainer).__name__}.predict returned shape {np.shape(predicted)} for "
                    f"{len(rows[chunk])} rows; return one number a row"
                )
            predictions[chunk] = predicted
    return predictions


def _gathered_ahead(
    X: FeatureMatrix, rows: NDArray[np.intp]
) -> Iterator[tuple[slice, NDArray[np.float32]]]:
    """Yield chunks of rows, each gathered while the one before is worked on."""
    chunks = [slice(start, start + _CHUNK_ROWS) for start in range(0, len(rows), _CHUNK_ROWS)]

    def gather(chunk: slice) -> NDArray[np.float32]:
        neighbours = as_slice(rows[chunk])
        return X[rows[chunk]] if neighbours is None else X[neighbours]

    with ThreadPoolExecutor(1) as pool:
        ahead = [pool.submit(gather, chunk) for chunk in chunks[:1]]
        for chunk, following in zip_longest(chunks, chunks[1:]):
            features = ahead.pop().result()
            if following is not None:
                ahead.append(pool.submit(gather, following))
            yield chunk, features
