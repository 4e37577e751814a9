"""Whether a refit from the same inputs gives the same model."""

from collections.abc import Callable, Iterable

import numpy as np
from numpy.typing import NDArray

from model2_assets.errors import TrainingError
from model2_assets.training._out_of_fold import FittedSplit
from model2_assets.training._predict import predict_rows
from model2_assets.training._training_data import TrainingData
from model2_assets.training.base_models import (
    BaseModelTrainer,
    RowWeights,
    fit_split,
)


def refit_difference(
    make_trainer: Callable[[], BaseModelTrainer],
    data: TrainingData,
    models: Iterable[FittedSplit],
    *,
    split_id: int,
    row_weights: RowWeights | None = None,
    n_threads: int = 1,
) -> float:
    """Refit one split afresh and compare its test predictions with a given model's.

    Parameters
    ----------
    make_trainer : callable
        Returns a new, unfitted trainer.
    data : TrainingData
        What the given models were trained on.
    models : iterable of FittedSplit
        Holds the model of the split.
    split_id : int
        The split to refit.
    row_weights : callable, optional
        Returns the weights of the train rows at given positions.
    n_threads : int, default 1
        Threads that the refit may use, see `BaseModelTrainer.use_threads`.

    Returns
    -------
    float
        Largest absolute difference in bps; 0.0 for equal bits, infinite where just one
        of two predictions is a finite number.

    Raises
    ------
    TrainingError
        If the split has no model, or the refit fails.
    """
    model = next((model for model in models if model.split_id == split_id), None)
    if model is None:
        raise TrainingError(f"fold {split_id} has no model to compare a refit with; retrain")
    rows = data.test_rows(split_id)
    refitted = fit_split(make_trainer, data, split_id, row_weights=row_weights, n_threads=n_threads)
    return largest_difference(
        predict_rows(refitted.trainer, data, rows), predict_rows(model.trainer, data, rows)
    )


def largest_difference(left: NDArray[np.float64], right: NDArray[np.float64]) -> float:
    """Return the largest absolute difference of two arrays of shape (n_rows,).

    Equal values and pairs of NaN differ by 0; a NaN or an infinity beside anything else
    differs by infinity, so that no comparison with a tolerance can pass by accident.
    """
    same = (left == right) | (np.isnan(left) & np.isnan(right))
    unequal_left, unequal_right = left[~same], right[~same]
    if not unequal_left.size:
        return 0.0
    if not (np.isfinite(unequal_left).all() and np.isfinite(unequal_right).all()):
        return float("inf")
    return float(np.abs(unequal_left - unequal_right).max())
