"""Paths: every prediction of every row, recombined into complete histories."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from model2_assets.panel import INDEX_NAMES
from model2_assets.training._out_of_fold import SplitPredictions, mean_by_row, output_order
from model2_assets.training._training_data import TrainingData


def recombine_predictions(predictions: SplitPredictions, data: TrainingData) -> pd.DataFrame:
    """List every prediction of every row with the split and the path that it belongs to.

    The n-th split that tests a row gives the row's part of path n: the rule of
    ``PurgedEmbargoedTimeSeriesSplit.path_ids`` [1]_, read from the roles, so that it holds
    for any splitter that tests every row equally often.

    Parameters
    ----------
    predictions : SplitPredictions
        Of every split of `data`.
    data : TrainingData
        Rows and groups.

    Returns
    -------
    DataFrame of shape (n_predictions, 7)
        Sorted by instrument, datetime, split. ``instrument``, ``datetime``; ``split_id``,
        ``path_id``, ``group_id`` (int16); ``prediction`` (float64, bps);
        ``prediction_std`` (float64, bps): sample standard deviation of the row's
        predictions, NaN where it has one.

    References
    ----------
    .. [1] M. López de Prado, "Advances in Financial Machine Learning", Wiley 2018,
       section 12.4.
    """
    place = np.empty(data.n_rows, dtype=np.int64)
    place[output_order(data)] = np.arange(data.n_rows)
    # Stable: the splits of a row stay in their order.
    order = np.argsort(place[predictions.row], kind="stable")
    row, prediction = predictions.row[order], predictions.prediction[order]
    columns = {name: data.index.get_level_values(name).take(row) for name in INDEX_NAMES}
    return pd.DataFrame(
        {
            **columns,
            "split_id": predictions.split_id[order],
            "path_id": _occurrence(row),
            "group_id": data.group_id[row],
            "prediction": prediction,
            "prediction_std": _spread_by_row(row, prediction, data.n_rows)[row],
        }
    )


def _occurrence(row: NDArray[np.intp]) -> NDArray[np.int16]:
    """Count from 0 the predictions of each row, where those of a row are adjacent."""
    is_first = np.diff(row, prepend=-1) != 0
    first = np.flatnonzero(is_first)
    occurrence = np.arange(len(row)) - first[np.cumsum(is_first) - 1]
    return np.asarray(occurrence, dtype=np.int16)


def _spread_by_row(
    row: NDArray[np.intp], prediction: NDArray[np.float64], n_rows: int
) -> NDArray[np.float64]:
    mean = mean_by_row(row, prediction, n_rows)
    squares = np.bincount(row, weights=(prediction - mean[row]) ** 2, minlength=n_rows)
    count = np.bincount(row, minlength=n_rows)
    variance = np.full(n_rows, np.nan)
    np.divide(squares, count - 1, out=variance, where=count > 1)
    spread: NDArray[np.float64] = np.sqrt(variance)
    return spread
