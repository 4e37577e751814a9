"""The base models: what a trainer is, and the one cross-validation loop that trains them all."""

import hashlib
import inspect
import logging
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from model2_assets.errors import TrainingError
from model2_assets.training.data import (
    SourceTables,
    TrainingData,
    assemble_training_data,
    on_every_nth_date,
    row_name,
)
from model2_assets.training.resources import Steps, finish, run_in_turns, usable_cores


class ParameterError(TrainingError):
    """A hyper-parameter is unknown or impossible.

    Whoever knows where the parameter came from completes the key: the model registry
    turns ``params.alpha`` into ``models.ridge.params.alpha``.

    Parameters
    ----------
    key : str
        Name of the parameter.
    reason : str
        What is wrong with it, and the remedy.
    """

    def __init__(self, key: str, reason: str) -> None:
        super().__init__(f"params.{key}: {reason}")
        self.key = key
        self.reason = reason

    def __reduce__(self) -> tuple[type[Self], tuple[str, str]]:
        return type(self), (self.key, self.reason)


def merge_params(defaults: Mapping[str, Any], params: Mapping[str, Any]) -> dict[str, Any]:
    """Return the defaults with what differs put over them.

    Parameters
    ----------
    defaults : mapping
        Every known parameter and its default.
    params : mapping
        What differs.

    Returns
    -------
    dict
        All parameters, in the order of the defaults.

    Raises
    ------
    ParameterError
        If a parameter has no default, hence is unknown.
    """
    unknown = sorted(set(params) - set(defaults))
    if unknown:
        known = ", ".join(sorted(defaults))
        raise ParameterError(unknown[0], f"unknown parameter; known: {known}")
    return {**defaults, **params}


def require_number(
    params: Mapping[str, Any],
    key: str,
    *,
    at_least: float | None = None,
    above: float | None = None,
    at_most: float | None = None,
    integer: bool = False,
) -> None:
    """Refuse a parameter that is not a finite number within its limits.

    Parameters
    ----------
    params : mapping
        All parameters.
    key : str
        The one to look at.
    at_least, above, at_most : float, optional
        Limits; `above` excludes the limit itself.
    integer : bool, default False
        Refuse fractions.

    Raises
    ------
    ParameterError
        If the value is not a number (``1e3`` is text in YAML: write ``1000.0``), is not
        finite, or is out of range.
    """
    limits = [
        f"{words} {limit:g}"
        for words, limit in (("at least", at_least), ("above", above), ("at most", at_most))
        if limit is not None
    ]
    value = params[key]
    fits = (
        isinstance(value, int if integer else int | float)
        and not isinstance(value, bool)
        and abs(value) < float("inf")
        and (at_least is None or value >= at_least)
        and (above is None or value > above)
        and (at_most is None or value <= at_most)
    )
    if not fits:
        kind = "a whole number" if integer else "a number"
        wanted = " ".join([kind, " and ".join(limits)]).strip()
        raise ParameterError(key, f"must be {wanted}, got {value!r}")


def require_choice(params: Mapping[str, Any], key: str, choices: tuple[Any, ...]) -> None:
    """Refuse a parameter that is none of the choices.

    Raises
    ------
    ParameterError
        If it is none of them.
    """
    value = params[key]
    if not any(type(value) is type(choice) and value == choice for choice in choices):
        listed = ", ".join(repr(choice) for choice in choices)
        raise ParameterError(key, f"must be one of {listed}, got {value!r}")


IMPORTANCE_KINDS = ("gain", "weight", "coefficient")
"""Kinds of feature importance; a trainer has some of them."""


class BaseModelTrainer(ABC):
    """A base model: fits one split, predicts, explains and stores itself.

    A trainer of your own derives from this class (or from ``LinearTrainer``), lists its
    parameters in `DEFAULT_PARAMS`, and is named in the configuration by import path.

    Parameters
    ----------
    params : mapping
        Hyper-parameters that differ from `DEFAULT_PARAMS`.
    seed : int
        Seed of every random draw.

    Attributes
    ----------
    DEFAULT_PARAMS : mapping
        Every hyper-parameter and its default; others are refused.
    file_extension : str
        Extension of the file that `save` writes, such as ``.joblib``.
    libraries : tuple of str
        Distributions whose version a stored model depends on.
    is_version_bound : bool
        True where a stored model can be read only by the very versions of `libraries`
        that wrote it (pickles); False where the format is stable between versions.
    reads_pickles : bool
        Whether `load` unpickles, or runs code from the file in another way. Unless a trainer
        says otherwise, its files are read only through the manifest that Dagster recorded,
        where it recorded any.
    determinism_tolerance_bps : float
        Largest difference in bps that a refit on the same machine may show.
    fit_bytes_per_value : int
        Bytes of memory at the peak of `fit`, for each value of its train matrix, the
        matrix itself included.

    Raises
    ------
    ParameterError
        If a parameter is unknown or impossible.
    """

    DEFAULT_PARAMS: ClassVar[Mapping[str, Any]] = {}
    file_extension: ClassVar[str]
    libraries: ClassVar[tuple[str, ...]] = ()
    is_version_bound: ClassVar[bool] = True
    reads_pickles: ClassVar[bool] = True
    determinism_tolerance_bps: ClassVar[float] = 1e-6
    fit_bytes_per_value: ClassVar[int] = 32

    _threads_allowed: int = 1

    def __init__(self, *, params: Mapping[str, Any], seed: int) -> None:
        self.params = merge_params(self.DEFAULT_PARAMS, params)
        self.seed = seed
        self.feature_names: tuple[str, ...] = ()
        self.check_params()

    @classmethod
    def profile_params(
        cls,
        profile: str,  # noqa: ARG003 -- most trainers are the same in every profile
        horizon_days: int,  # noqa: ARG003
        normalization: str = "none",  # noqa: ARG003
    ) -> Mapping[str, Any]:
        """Return the parameters that a training profile sets, under those of the configuration.

        Parameters
        ----------
        profile : {"exact", "default", "fast"}
            ``execution.profile`` of the configuration.
        horizon_days : int
            Horizon in trading days.
        normalization : {"rank", "zscore", "none"}, default "none"
            How features were normalized, as far as is known.

        Returns
        -------
        mapping
            Empty, where a profile makes no difference.
        """
        return {}

    @property
    def n_threads(self) -> int:
        """Threads that one fit keeps busy."""
        return 1

    def use_threads(self, n_threads: int) -> Self:
        """Let the next fit, which has the machine to itself, use several threads.

        A trainer reads them from `_threads_allowed`, but only if its models are the same to the
        bit for any number: the determinism check refits a fold this way.

        Parameters
        ----------
        n_threads : int
            Threads that the next fit may use; it may use fewer.

        Returns
        -------
        Self
            The trainer.
        """
        self._threads_allowed = n_threads
        return self

    def date_stride(self, n_rows: int) -> int:  # noqa: ARG002 -- most trainers want every date
        """Return that fits see every n-th date of their train rows.

        Parameters
        ----------
        n_rows : int
            Rows of the whole history, so that all splits train on the same dates.

        Returns
        -------
        int
            1 for every date. Predictions cover every date in any case.
        """
        return 1

    def check_params(self) -> None:  # noqa: B027 -- trainers without limits need not override it
        """Refuse impossible values in `params`.

        Raises
        ------
        ParameterError
            If a value is impossible.
        """

    @abstractmethod
    def fit(
        self,
        X: NDArray[np.float32],
        y: NDArray[np.float64],
        *,
        feature_names: tuple[str, ...],
        sample_weight: NDArray[np.float64] | None = None,
    ) -> Self:
        """Fit on the train rows of one split, and on nothing else.

        Parameters
        ----------
        X : ndarray of shape (n_rows, n_features), float32
            C-contiguous, in canonical row order; NaN where a feature is missing.
        y : ndarray of shape (n_rows,), float64
            Labels in bps.
        feature_names : tuple of str
            Names of the columns of `X`.
        sample_weight : ndarray of shape (n_rows,), float64, optional
            Weights of the rows, with a mean of 1. Handed over only where the model's
            ``sample_weights`` are on, so a trainer without this argument works without
            them.

        Returns
        -------
        Self
            The trainer, fitted.

        Raises
        ------
        TrainingError
            If the model cannot be fitted.
        """

    def fit_rows(
        self,
        data: TrainingData,
        rows: NDArray[np.intp],
        *,
        sample_weight: NDArray[np.float64] | None = None,
    ) -> Self:
        """Fit on chosen rows of training data, and on nothing else.

        Gathers the rows and calls `fit`; a trainer that can do without that copy has its own.

        Parameters
        ----------
        data : TrainingData
            Features and labels.
        rows : ndarray of shape (n_rows,), intp
            Ascending positions of the rows.
        sample_weight : ndarray of shape (n_rows,), float64, optional
            Weights of the rows, with a mean of 1.

        Returns
        -------
        Self
            The trainer, fitted.
        """
        weights = {} if sample_weight is None else {"sample_weight": sample_weight}
        return self.fit(data.X[rows], data.y[rows], feature_names=data.feature_names, **weights)

    def fit_steps(
        self,
        data: TrainingData,
        rows: NDArray[np.intp],
        *,
        sample_weight: NDArray[np.float64] | None = None,
    ) -> Iterator[None]:
        """Fit as `fit_rows` does, in steps between which other fits may use the core.

        What the cross-validation loop calls. By default a single step; worth overriding
        where a fit takes long and can pause.

        Parameters
        ----------
        data, rows, sample_weight
            As in `fit_rows`.

        Yields
        ------
        None
            After each step.
        """
        self.fit_rows(data, rows, sample_weight=sample_weight)
        yield

    def share(
        self,
        data: TrainingData,  # noqa: ARG002 -- most trainers share nothing
        *,
        split_ids: tuple[int, ...],  # noqa: ARG002
        n_threads: int,  # noqa: ARG002
        tables: SourceTables | None = None,  # noqa: ARG002
    ) -> Any:
        """Work out once what the fits of several splits have in common.

        Called before the splits are fitted, unless rows have weights or dates are left out.
        What it returns is handed to `fit_shared` for every split, which must be the same as
        for that split alone, to the bit: a refit of one split shows that it is.

        Parameters
        ----------
        data : TrainingData
            Features, labels and roles.
        split_ids : tuple of int
            Splits that will be fitted.
        n_threads : int
            Threads that it may use, each with one BLAS thread.
        tables : SourceTables, optional
            Where the data come from. Other horizons come from there too, so what they have
            in common can be worked out once for all and kept. A refit that shows
            determinism is not given them: it works from `data` afresh.

        Returns
        -------
        object or None
            None, where splits have nothing in common: each is fitted on its rows.
        """
        return None

    def fit_shared(self, shared: Any, data: TrainingData, split_id: int) -> Self:
        """Fit the train rows of a split from what `share` has returned.

        Parameters
        ----------
        shared : object
            What all splits have in common.
        data : TrainingData
            Features, labels and roles.
        split_id : int
            The split.

        Returns
        -------
        Self
            The trainer, fitted.
        """
        raise NotImplementedError(f"{type(self).__name__} shares what it cannot be fitted from")

    def chosen_params(self) -> Mapping[str, Any]:
        """Return the hyper-parameters that this fit has chosen itself; empty if none."""
        return {}

    def adopt(
        self,
        chosen: Sequence[Mapping[str, Any]],  # noqa: ARG002 -- most trainers choose nothing
    ) -> Self:
        """Settle on what the models of the splits have chosen, before the final model is fitted.

        Parameters
        ----------
        chosen : sequence of mapping
            `chosen_params` of every split's model.

        Returns
        -------
        Self
            The trainer, not yet fitted.
        """
        return self

    def takes_sample_weight(self) -> bool:
        """Tell whether `fit` takes weights of rows."""
        return "sample_weight" in inspect.signature(self.fit).parameters

    @abstractmethod
    def predict(self, X: NDArray[np.float32]) -> NDArray[np.float64]:
        """Predict labels.

        Parameters
        ----------
        X : ndarray of shape (n_rows, n_features), float32
            Columns as in `fit`.

        Returns
        -------
        ndarray of shape (n_rows,), float64
            Predictions in bps, never clipped.

        Raises
        ------
        TrainingError
            If the trainer is not fitted or the number of features differs.
        """

    @abstractmethod
    def importances(self) -> pd.DataFrame:
        """Return how much each feature matters.

        Returns
        -------
        DataFrame of shape (n_features, 3), float64
            A row for every feature in the order of `fit`, indexed by ``feature``, with
            columns ``importance_gain``, ``importance_weight`` and
            ``importance_coefficient``; NaN where the model has no such kind.
        """

    @abstractmethod
    def save(self, path: Path) -> None:
        """Write the fitted model to a local file."""

    @classmethod
    @abstractmethod
    def load(cls, path: Path) -> Self:
        """Read a fitted model from a local file that `save` wrote."""

    @abstractmethod
    def digest(self) -> str:
        """Hash the fitted values (not a file) with SHA-256, in hexadecimal."""

    def _require_fitted(self, X: NDArray[np.float32]) -> None:
        if not self.feature_names:
            raise TrainingError(f"{type(self).__name__} is not fitted; call fit first")
        if X.ndim != 2 or X.shape[1] != len(self.feature_names):
            raise TrainingError(
                f"{type(self).__name__} was fitted on {len(self.feature_names)} features, "
                f"got an array of shape {X.shape}"
            )


def importance_frame(
    feature_names: tuple[str, ...], kinds: Mapping[str, NDArray[np.float64]]
) -> pd.DataFrame:
    """Build what `BaseModelTrainer.importances` returns.

    Parameters
    ----------
    feature_names : tuple of str
        All features.
    kinds : mapping of str to ndarray of shape (n_features,), float64
        Values of the kinds that the model has; the others become NaN.

    Returns
    -------
    DataFrame of shape (n_features, 3), float64
        Indexed by ``feature``.
    """
    missing = np.full(len(feature_names), np.nan)
    return pd.DataFrame(
        {f"importance_{kind}": kinds.get(kind, missing) for kind in IMPORTANCE_KINDS},
        index=pd.Index(feature_names, name="feature", dtype="str"),
    )


def hash_values(feature_names: tuple[str, ...], *arrays: object) -> str:
    """Hash feature names and float64 arrays with SHA-256, in hexadecimal."""
    digest = hashlib.sha256("\n".join(feature_names).encode())
    for array in arrays:
        values = np.ascontiguousarray(array, dtype="<f8")
        digest.update(repr(values.shape).encode())
        digest.update(values.tobytes())
    return digest.hexdigest()


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
        shared = share_between(trainer, data, (split_id,), n_threads)
        return finish(fold_steps(trainer, data, split_id, shared))


def fit_all_rows(
    make_trainer: Callable[[], BaseModelTrainer],
    data: TrainingData,
    *,
    n_threads: int = 1,
) -> FoldModel:
    """Fit a fresh model on every row, whatever its role, exactly as a split is fitted.

    Parameters
    ----------
    make_trainer : callable
        Returns a new, unfitted trainer.
    data : TrainingData
        Features and labels.
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
        steps = _row_steps(trainer, data, rows)
        seconds = finish(_timed(steps, trainer, data, rows, what="final model"))
    return FoldModel(split_id=0, trainer=trainer, n_train=len(rows), n_test=0, seconds=seconds)


def share_between(
    trainer: BaseModelTrainer,
    data: TrainingData,
    split_ids: tuple[int, ...],
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
    if data.row_weights is not None or trainer.date_stride(data.n_rows) != 1:
        return None
    return trainer.share(data, split_ids=split_ids, n_threads=n_threads, tables=tables)


def fold_steps(
    trainer: BaseModelTrainer,
    data: TrainingData,
    split_id: int,
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
        steps = _row_steps(trainer, data, train)
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
) -> Iterator[None]:
    stride = trainer.date_stride(data.n_rows)
    fitted = on_every_nth_date(train, data.date_codes, stride)
    weights = None if data.row_weights is None else data.row_weights(fitted)
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


__all__ = [
    "IMPORTANCE_KINDS",
    "BaseModelTrainer",
    "FoldModel",
    "FoldProgress",
    "ParameterError",
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
        shared = share_between(trainers[0], data, tuple(left), n_jobs, tables) if left else None
        fits = [
            partial(fold_steps, trainer, data, split_id, shared)
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
