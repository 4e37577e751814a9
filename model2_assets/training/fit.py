"""The one cross-validation loop: a fresh model on the train rows of every split."""

import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from model2_assets.engines import LocalEngine, Workers
from model2_assets.errors import TrainingError
from model2_assets.panel import row_name
from model2_assets.training.base_models import BaseModelTrainer, FoldModel, SplitView
from model2_assets.training.calibration import InnerFits, inner_slope
from model2_assets.training.data import TrainingData
from model2_assets.training.search import ParameterSearch
from model2_assets.training.sums import ColumnSums, Floats, TrainSums, add_up_splits

logger = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class FitResources:
    """What splits are fitted with; none of it changes a bit of a model.

    Attributes
    ----------
    n_jobs : int, default 1
        Splits at once, in threads of this process.
    n_threads : int, default 1
        Threads of all of them together.
    known_sums : mapping, optional
        Sums of the blocks of the data, which are added up otherwise.
    workers : Workers, optional
        Workers that fit each model together.
    """

    n_jobs: int = 1
    n_threads: int = 1
    known_sums: Mapping[int, ColumnSums] | None = None
    workers: Workers | None = None


def cross_validate(
    make_trainer: Callable[[], BaseModelTrainer],
    data: TrainingData,
    *,
    calibrates: bool = False,
    n_jobs: int = 1,
) -> tuple[FoldModel, ...]:
    """Fit a fresh model on the train rows of every split.

    Parameters
    ----------
    make_trainer : callable
        Returns a new, unfitted trainer each time.
    data : TrainingData
        Features, labels and roles; to calibrate, inner folds too.
    calibrates : bool, default False
        Whether predictions are made as large as what was learnt, see `inner_slope`.
    n_jobs : int, default 1
        Splits fitted at once; the models are equal to the bit for any number.

    Returns
    -------
    tuple of FoldModel
        One a split, in the order of the splits.

    Raises
    ------
    TrainingError
        If a split has no train or no test rows, or its fit fails; the message names it.
    """
    models = fit_splits(
        make_trainer,
        data,
        range(data.n_splits),
        calibrates=calibrates,
        resources=FitResources(n_jobs, n_threads=n_jobs),
    )
    return tuple(sorted(models, key=lambda model: model.split_id))


def fit_splits(
    make_trainer: Callable[[], BaseModelTrainer],
    data: TrainingData,
    split_ids: Sequence[int],
    *,
    calibrates: bool = False,
    search: ParameterSearch | None = None,
    resources: FitResources = FitResources(),
) -> Iterator[FoldModel]:
    """Fit a fresh model on the train rows of each of some splits, and yield it once it is done.

    Splits run concurrently in threads of this process (XGBoost and BLAS release the interpreter
    lock), each on one BLAS thread. The last ones, where they are fewer than run at once, begin
    together and share all threads. Where there is a `search`, each split first chooses parameters
    on its train rows.
    """
    for split_id in split_ids:
        _rows_of(data, split_id)
    # Built before the limit below: it reaches only BLAS libraries that are loaded already.
    trainers = {split_id: make_trainer() for split_id in split_ids}
    n_jobs, n_threads = resources.n_jobs, resources.n_threads
    n_first = len(split_ids) - len(split_ids) % n_jobs
    with threadpool_limits(limits=1, user_api="blas"):
        sums = None
        if any(uses_sums(trainer, data) for trainer in trainers.values()):
            known = resources.known_sums
            sums = add_up_splits(data, split_ids, known=known, n_threads=n_threads)

        def fit(split_id: int, share: int) -> FoldModel:
            started, what = time.monotonic(), f"split {split_id}"
            train, test = _rows_of(data, split_id)
            of_split = None if sums is None else sums.of_split(split_id)
            fit_one = _Fit(data, share, resources.workers)
            fits = InnerFits(data, train, fit_one, of_split, what)
            model = _searched_and_fitted(trainers[split_id], fits, search, split_id)
            calibration = inner_slope(model.trainer, fits) if calibrates else None
            seconds = time.monotonic() - started
            return replace(model, n_test=len(test), seconds=seconds, calibration=calibration)

        for together in (split_ids[:n_first], split_ids[n_first:]):
            n_at_once = max(1, min(n_jobs, len(together)))
            share = max(1, n_threads // n_at_once)
            yield from LocalEngine(n_at_once).map(
                partial(fit, share=share), together, ordered=False
            )


def fit_split(
    make_trainer: Callable[[], BaseModelTrainer],
    data: TrainingData,
    split_id: int,
    *,
    calibrates: bool = False,
    n_threads: int = 1,
) -> FoldModel:
    """Fit a fresh model of one split, from `data` alone, as `cross_validate` does to the bit."""
    (model,) = fit_splits(
        make_trainer,
        data,
        [split_id],
        calibrates=calibrates,
        resources=FitResources(n_threads=n_threads),
    )
    return model


def fit_all_rows(
    make_trainer: Callable[[], BaseModelTrainer],
    data: TrainingData,
    *,
    n_threads: int = 1,
    search: ParameterSearch | None = None,
) -> FoldModel:
    """Fit a fresh model on every row, whatever its role: a model of split 0, with no test rows."""
    started, trainer, everything = time.monotonic(), make_trainer(), np.arange(data.n_rows)
    fit = _Fit(data, n_threads)
    with threadpool_limits(limits=1, user_api="blas"):
        sums = None
        if search is not None and uses_sums(trainer, data):
            sums = add_up_splits(data, [0], n_threads=n_threads).of_split(0)
        fits = InnerFits(data, everything, fit, sums, "final model")
        model = _searched_and_fitted(trainer, fits, search, 0)
    return replace(model, seconds=time.monotonic() - started)


def _searched_and_fitted(
    trainer: BaseModelTrainer, fits: InnerFits, search: ParameterSearch | None, split_id: int
) -> FoldModel:
    """Fit a trainer on a train set, with parameters that are searched there before, if any are."""
    data, chosen, found = fits.data, dict[str, Any](), None
    if search is not None:
        chosen, found = search.choose(trainer, fits, split_id)
        trainer = trainer.with_params(chosen)
    rows = data.rows_on_every_nth_date(fits.train, trainer.date_stride(data.n_rows))
    fits.fit(trainer, train=fits.train, rows=rows, sums=fits.sums, what=fits.what)
    return FoldModel(
        split_id,
        trainer,
        n_train=len(fits.train),
        n_test=0,
        seconds=0.0,
        chosen_params={**chosen, **trainer.chosen_params()},
        search=found,
        external=data.is_external,
    )


def uses_sums(trainer: BaseModelTrainer, data: TrainingData) -> bool:
    """Tell whether fits are made from sums, in which rows of all dates count alike."""
    is_plain = data.row_weights is None and trainer.date_stride(data.n_rows) == 1
    return is_plain and trainer.fits_from_sums


@dataclass(frozen=True, eq=False)
class _Fit:
    """Fits a trainer on rows of a train set. An error names the fit and its train set."""

    data: TrainingData
    n_threads: int
    workers: Workers | None = None
    shared: dict[str, Any] = field(default_factory=dict)

    def __call__(
        self,
        trainer: BaseModelTrainer,
        *,
        train: NDArray[np.intp],
        rows: NDArray[np.intp],
        sums: TrainSums | None,
        what: str,
    ) -> None:
        data = self.data
        try:
            weights = None
            if data.row_weights is not None:
                weights = _only_at(rows, data.row_weights(rows), data.n_rows)
            handed = SplitView(
                X=data.X,
                y=_only_at(train, data.y[train], data.n_rows),
                feature_names=data.feature_names,
                sample_weight=weights,
                index=data.index,
                sums=sums,
                n_threads=self.n_threads,
                workers=self.workers,
                scratch=data.working_folder if data.is_external else None,
                shared=self.shared,
            )
            trainer.fit_rows(handed, rows)
        except Exception as error:
            first, last = row_name(data.index, train[0]), row_name(data.index, train[-1])
            raise TrainingError(
                f"{what} ({len(train)} train rows, {first} to {last}): "
                f"{type(trainer).__name__} failed: {error}"
            ) from error


def _only_at(rows: NDArray[np.intp], values: NDArray[np.float64], n_rows: int) -> Floats:
    """Return values at some of `n_rows` rows, and NaN at all others."""
    found = np.full(n_rows, np.nan)
    found[rows] = values
    return found


def _rows_of(data: TrainingData, split_id: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the train and test rows of a split, neither of which may be none."""
    train, test = data.train_rows(split_id), data.test_rows(split_id)
    if not len(train) or not len(test):
        raise TrainingError(
            f"split {split_id} has {len(train)} train and {len(test)} test rows; lengthen the "
            f"history, or lower n_groups or embargo_days"
        )
    return train, test
