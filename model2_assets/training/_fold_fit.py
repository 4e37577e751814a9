"""One fit: of a split, or of all rows, in steps or at once."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from model2_assets.errors import TrainingError
from model2_assets.training._date_stride import on_every_nth_date
from model2_assets.training._trainer import BaseModelTrainer
from model2_assets.training._training_data import SourceTables, TrainingData, row_name
from model2_assets.training._turns import Steps, finish

RowWeights = Callable[[NDArray[np.intp]], NDArray[np.float64]]
"""Weights of train rows, from their positions alone: what a split does not train on
cannot reach its weights."""

_DONE = object()


@dataclass(frozen=True, eq=False)
class FoldModel:
    """The model of one split.

    Attributes
    ----------
    split_id : int
        Column of the roles that it was trained by.
    trainer : BaseModelTrainer
        The fitted model.
    n_train, n_test : int
        Rows of its train set, of which `BaseModelTrainer.date_stride` may leave dates out, and
        rows it predicts.
    seconds : float
        Wall time of the fit.
    fitted_at : datetime or None
        When an interrupted run finished it, of whose models it is one; None for a model of
        this run.
    """

    split_id: int
    trainer: BaseModelTrainer
    n_train: int
    n_test: int
    seconds: float
    fitted_at: datetime | None = None


def fit_split(
    make_trainer: Callable[[], BaseModelTrainer],
    data: TrainingData,
    split_id: int,
    *,
    row_weights: RowWeights | None = None,
    n_threads: int = 1,
) -> FoldModel:
    """Fit a fresh model on the train rows of one split, exactly as `cross_validate` does.

    Parameters
    ----------
    make_trainer : callable
        Returns a new, unfitted trainer.
    data : TrainingData
        Features, labels and roles.
    split_id : int
        The split.
    row_weights : callable, optional
        Returns the weights of the train rows at given positions.
    n_threads : int, default 1
        Threads that the fit may use, see `BaseModelTrainer.use_threads`.

    Returns
    -------
    FoldModel
        Equal to the bit to the one that `cross_validate` returns.

    Raises
    ------
    TrainingError
        If there is no such split, it has no train or no test rows, or its fit fails.
    """
    if not 0 <= split_id < data.n_splits:
        raise TrainingError(f"fold {split_id}: there are folds 0 to {data.n_splits - 1} only")
    trainer = make_trainer().use_threads(n_threads)
    with threadpool_limits(limits=1, user_api="blas"):
        shared = share_between(trainer, data, (split_id,), row_weights, n_threads)
        return finish(fold_steps(trainer, data, split_id, row_weights, shared))


def fit_all_rows(
    make_trainer: Callable[[], BaseModelTrainer],
    data: TrainingData,
    *,
    row_weights: RowWeights | None = None,
    n_threads: int = 1,
) -> FoldModel:
    """Fit a fresh model on every row, whatever its role, exactly as a split is fitted.

    Parameters
    ----------
    make_trainer : callable
        Returns a new, unfitted trainer.
    data : TrainingData
        Features and labels.
    row_weights : callable, optional
        Returns the weights of the rows at given positions.
    n_threads : int, default 1
        Threads that the fit may use, see `BaseModelTrainer.use_threads`.

    Returns
    -------
    FoldModel
        Of split 0, with no row to predict.

    Raises
    ------
    TrainingError
        If the fit fails.
    """
    trainer, rows = make_trainer().use_threads(n_threads), np.arange(data.n_rows)
    with threadpool_limits(limits=1, user_api="blas"):
        steps = _row_steps(trainer, data, rows, row_weights)
        seconds = finish(_timed(steps, trainer, data, rows, what="final model"))
    return FoldModel(split_id=0, trainer=trainer, n_train=len(rows), n_test=0, seconds=seconds)


def share_between(
    trainer: BaseModelTrainer,
    data: TrainingData,
    split_ids: tuple[int, ...],
    row_weights: RowWeights | None,
    n_threads: int = 1,
    tables: SourceTables | None = None,
) -> Any:
    """Let a trainer work out what splits share; a split without rows fails by its name.

    Parameters
    ----------
    trainer : BaseModelTrainer
        Any of those that will be fitted.
    data : TrainingData
        Features, labels and roles.
    split_ids : tuple of int
        Splits that will be fitted.
    row_weights : callable or None
        Returns the weights of the train rows at given positions.
    n_threads : int, default 1
        Threads that it may use.
    tables : SourceTables, optional
        Where the data come from.

    Returns
    -------
    object or None
        See `BaseModelTrainer.share`.

    Raises
    ------
    TrainingError
        If a split has no train or no test rows.
    """
    for split_id in split_ids:
        _rows_of(data, split_id)
    if row_weights is not None or trainer.date_stride(data.n_rows) != 1:
        return None
    return trainer.share(data, split_ids=split_ids, n_threads=n_threads, tables=tables)


def fold_steps(
    trainer: BaseModelTrainer,
    data: TrainingData,
    split_id: int,
    row_weights: RowWeights | None,
    shared: Any,
) -> Steps[FoldModel]:
    """Fit a trainer on the train rows of one split, in steps.

    Parameters
    ----------
    trainer : BaseModelTrainer
        A new one.
    data : TrainingData
        Features, labels and roles.
    split_id : int
        The split.
    row_weights : callable or None
        Returns the weights of the train rows at given positions.
    shared : object or None
        What `share_between` has returned.

    Returns
    -------
    FoldModel
        When the generator ends.

    Raises
    ------
    TrainingError
        If the split has no train or no test rows, or its fit fails; the message names it.
    """
    train, test = _rows_of(data, split_id)
    if shared is None:
        steps = _row_steps(trainer, data, train, row_weights)
    else:
        steps = _shared_steps(trainer, data, split_id, shared)
    seconds = yield from _timed(steps, trainer, data, train, what=f"fold {split_id}")
    return FoldModel(
        split_id=split_id, trainer=trainer, n_train=len(train), n_test=len(test), seconds=seconds
    )


def _row_steps(
    trainer: BaseModelTrainer,
    data: TrainingData,
    train: NDArray[np.intp],
    row_weights: RowWeights | None,
) -> Iterator[None]:
    stride = trainer.date_stride(data.n_rows)
    fitted = on_every_nth_date(train, data.date_codes, stride)
    weights = None if row_weights is None else row_weights(fitted)
    yield from trainer.fit_steps(data, fitted, sample_weight=weights)


def _shared_steps(
    trainer: BaseModelTrainer, data: TrainingData, split_id: int, shared: Any
) -> Iterator[None]:
    trainer.fit_shared(shared, data, split_id)
    yield


def _timed(
    steps: Iterator[None],
    trainer: BaseModelTrainer,
    data: TrainingData,
    train: NDArray[np.intp],
    *,
    what: str,
) -> Steps[float]:
    """Return the seconds that the steps took; an error names the fit and its train rows."""
    seconds, is_done = 0.0, False
    while not is_done:
        started = time.monotonic()
        try:
            is_done = next(steps, _DONE) is _DONE
        except Exception as error:
            first, last = row_name(data.index, train[0]), row_name(data.index, train[-1])
            raise TrainingError(
                f"{what} ({len(train)} train rows, {first} to {last}): "
                f"{type(trainer).__name__} failed: {error}"
            ) from error
        seconds += time.monotonic() - started
        yield
    return seconds


def _rows_of(data: TrainingData, split_id: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the train and test rows of a split, neither of which may be none."""
    train, test = data.train_rows(split_id), data.test_rows(split_id)
    if not len(train) or not len(test):
        raise TrainingError(
            f"fold {split_id} has {len(train)} train and {len(test)} test rows; lengthen the "
            f"history, or lower n_groups or embargo_days"
        )
    return train, test
