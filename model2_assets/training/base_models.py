"""The base models: what a trainer is, and the one cross-validation loop that trains them all."""

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from threadpoolctl import threadpool_limits

from model2_assets.training._fold_fit import (
    FoldModel,
    RowWeights,
    fit_all_rows,
    fit_split,
    fold_steps,
    share_between,
)
from model2_assets.training._params import ParameterError
from model2_assets.training._trainer import (
    IMPORTANCE_KINDS,
    BaseModelTrainer,
    hash_values,
    importance_frame,
)
from model2_assets.training._training_data import (
    SourceTables,
    TrainingData,
    assemble_training_data,
)
from model2_assets.training._turns import run_in_turns
from model2_assets.training._usable_cores import usable_cores

__all__ = [
    "IMPORTANCE_KINDS",
    "BaseModelTrainer",
    "FoldModel",
    "FoldProgress",
    "ParameterError",
    "RowWeights",
    "TrainingData",
    "assemble_training_data",
    "cross_validate",
    "fit_all_rows",
    "fit_split",
    "hash_values",
    "importance_frame",
    "usable_cores",
]

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class FoldProgress:
    """How far cross-validation has come.

    Attributes
    ----------
    split_id : int
        The split just done.
    done, total : int
        Splits done, those of an interrupted run among them, and all splits.
    elapsed_s, remaining_s : float
        Wall time so far, and what is left at the same pace, in seconds.
    """

    split_id: int
    done: int
    total: int
    elapsed_s: float
    remaining_s: float


def cross_validate(
    make_trainer: Callable[[], BaseModelTrainer],
    data: TrainingData,
    *,
    n_jobs: int = 1,
    on_fold: Callable[[FoldProgress], None] | None = None,
    row_weights: RowWeights | None = None,
    tables: SourceTables | None = None,
    finished: Sequence[FoldModel] = (),
    on_model: Callable[[FoldModel], None] | None = None,
) -> tuple[FoldModel, ...]:
    """Fit a fresh model on the train rows of every split.

    Splits run concurrently in threads of this process (XGBoost and BLAS release the
    interpreter lock), each on one BLAS thread, and the last ones take turns; the models are
    equal to the bit for any `n_jobs`.

    Parameters
    ----------
    make_trainer : callable
        Returns a new, unfitted trainer each time.
    data : TrainingData
        Features, labels and roles.
    n_jobs : int, default 1
        Splits fitted at once.
    on_fold : callable, optional
        Called with a `FoldProgress`, in the calling thread, after each split.
    row_weights : callable, optional
        Returns the weights of the train rows at given positions.
    tables : SourceTables, optional
        Where the data come from; the same models with and without, sooner with.
    finished : sequence of FoldModel
        Models of the very same fits, as an interrupted run has left them; their splits are
        not fitted again.
    on_model : callable, optional
        Called with every model that was fitted, in the calling thread, as soon as it is.

    Returns
    -------
    tuple of FoldModel
        One a split, in the order of the splits.

    Raises
    ------
    TrainingError
        If a split has no train or no test rows, or its fit fails; the message names it.
    """
    started = time.monotonic()
    left = sorted(set(range(data.n_splits)) - {model.split_id for model in finished})
    # Built before the limit below: it reaches only BLAS libraries that are loaded already.
    trainers = [make_trainer() for _ in left]
    models = list(finished)
    with threadpool_limits(limits=1, user_api="blas"):
        shared = (
            share_between(trainers[0], data, tuple(left), row_weights, n_jobs, tables)
            if left
            else None
        )
        fits = [
            partial(fold_steps, trainer, data, split_id, row_weights, shared)
            for split_id, trainer in zip(left, trainers, strict=True)
        ]
        n_threads = max(1, min(n_jobs, len(left)))
        for n_fitted, model in enumerate(run_in_turns(fits, n_threads=n_threads), start=1):
            if on_model is not None:
                on_model(model)
            models.append(model)
            elapsed_s = time.monotonic() - started
            progress = _progress(model, n_fitted, len(left), data.n_splits, elapsed_s)
            _log_fold(model, progress)
            if on_fold is not None:
                on_fold(progress)
    return tuple(sorted(models, key=lambda model: model.split_id))


def _progress(
    model: FoldModel, n_fitted: int, to_fit: int, total: int, elapsed_s: float
) -> FoldProgress:
    return FoldProgress(
        split_id=model.split_id,
        done=total - to_fit + n_fitted,
        total=total,
        elapsed_s=elapsed_s,
        remaining_s=elapsed_s / n_fitted * (to_fit - n_fitted),
    )


def _log_fold(model: FoldModel, progress: FoldProgress) -> None:
    logger.info(
        "%s fold %d fitted in %.1f s on %d rows, to predict %d; %d of %d done, "
        "%.0f s elapsed, about %.0f s remaining",
        type(model.trainer).__name__,
        model.split_id,
        model.seconds,
        model.n_train,
        model.n_test,
        progress.done,
        progress.total,
        progress.elapsed_s,
        progress.remaining_s,
    )
