"""The base models: what a trainer is, what it is handed, and what a fit of it is."""

import hashlib
import inspect
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from model2_assets.errors import TrainingError
from model2_assets.storage.files import scratch_folder
from model2_assets.training.data import FeatureMatrix
from model2_assets.training.sums import TrainSums

IMPORTANCE_KINDS = ("gain", "weight", "coefficient")
"""Kinds of feature importance; a trainer has some of them."""


class ParameterError(TrainingError):
    """A hyper-parameter is unknown or impossible: its key, and the reason with a remedy.

    Whoever knows where the parameter came from completes the key: the model registry
    turns ``params.alpha`` into ``models.ridge.params.alpha``.
    """

    def __init__(self, key: str, reason: str) -> None:
        super().__init__(f"params.{key}: {reason}")
        self.key = key
        self.reason = reason

    def __reduce__(self) -> tuple[type[Self], tuple[str, str]]:
        return type(self), (self.key, self.reason)


def merge_params(defaults: Mapping[str, Any], params: Mapping[str, Any]) -> dict[str, Any]:
    """Return the defaults, in their order, with what differs put over them."""
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

    Text is refused as well: ``1e3`` is text in YAML, ``1000.0`` is a number.
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
    """Refuse a parameter that is none of the choices."""
    value = params[key]
    if not any(type(value) is type(choice) and value == choice for choice in choices):
        listed = ", ".join(repr(choice) for choice in choices)
        raise ParameterError(key, f"must be one of {listed}, got {value!r}")


@dataclass(frozen=True, eq=False)
class SplitView:
    """What a trainer is handed of the training data for one fit.

    Labels and weights of rows that the fit does not train on are missing, so a trainer can look
    where it likes. The features of all rows are there.

    Attributes
    ----------
    X : ndarray or SelectedRows of shape (n_rows, n_features), float32
        NaN where a feature is missing. Mostly rows of a matrix that is mapped into memory, so
        ask for rows by a slice or an array of positions, some at a time.
    y : ndarray of shape (n_rows,), float64
        Labels in bps; NaN outside the train rows.
    feature_names : tuple of str
        Names of the columns of `X`.
    sample_weight : ndarray of shape (n_rows,), float64, optional
        Weights of the rows to fit, with a mean of 1, and NaN elsewhere. None: all count alike.
    index : MultiIndex of shape (n_rows,), optional
        Levels ``(instrument, datetime)``, in canonical order.
    sums : TrainSums, optional
        Sums over the train rows, for a trainer with `BaseModelTrainer.fits_from_sums`.
    n_threads : int, default 1
        Threads that the fit may use. The models have to be the same to the bit for any number:
        the determinism check refits a split on all of them.
    """

    X: FeatureMatrix
    y: NDArray[np.float64]
    feature_names: tuple[str, ...]
    sample_weight: NDArray[np.float64] | None = None
    index: pd.MultiIndex | None = None
    sums: TrainSums | None = None
    n_threads: int = 1


class BaseModelTrainer(ABC):
    """A base model: fits one split, predicts, explains and stores itself.

    A trainer of your own derives from this class (or from ``LinearTrainer``), lists its
    parameters in `DEFAULT_PARAMS`, and is named in the configuration by import path. It has
    `fit`, `predict`, `importances` and `digest`, and either `to_bytes` and `from_bytes` or
    `save` and `load`.

    Parameters
    ----------
    params : mapping
        Hyper-parameters that differ from `DEFAULT_PARAMS`.
    seed : int
        Seed of every random draw.

    Attributes
    ----------
    DEFAULT_PARAMS : mapping
        Every hyper-parameter and its default; others are refused. ``n_threads``, if there is
        one, is how many threads a fit keeps busy in any case.
    file_extension : str
        Extension of the file that a stored model has, such as ``.joblib``.
    libraries : tuple of str
        Distributions whose version a stored model depends on.
    is_version_bound : bool
        True where a stored model can be read only by the very versions of `libraries`
        that wrote it (pickles); False where the format is stable between versions.
    reads_pickles : bool
        Whether reading a stored model unpickles, or runs code from it in another way. Unless a
        trainer says otherwise, its files are read only through the manifest that Dagster
        recorded, where it recorded any.
    fits_from_sums : bool
        Whether fits without weights use `SplitView.sums`, which all splits share one pass for.
    determinism_tolerance_bps : float
        Largest difference in bps that a refit on the same machine may show.
    fit_bytes_per_value : int
        Bytes of memory at the peak of `fit`, for each value of its train matrix, the
        matrix itself included.

    """

    DEFAULT_PARAMS: ClassVar[Mapping[str, Any]] = {}
    file_extension: ClassVar[str]
    libraries: ClassVar[tuple[str, ...]] = ()
    is_version_bound: ClassVar[bool] = True
    reads_pickles: ClassVar[bool] = True
    determinism_tolerance_bps: ClassVar[float] = 1e-6
    fit_bytes_per_value: ClassVar[int] = 32

    def __init__(self, *, params: Mapping[str, Any], seed: int) -> None:
        self.params = merge_params(self.DEFAULT_PARAMS, params)
        self.seed = seed
        self.feature_names: tuple[str, ...] = ()
        self.check_params()

    @property
    def fits_from_sums(self) -> bool:
        """Whether fits without weights use sums over the train rows."""
        return False

    @classmethod
    def profile_params(
        cls,
        profile: str,  # noqa: ARG003 -- most trainers are the same in every profile
        horizon_days: int,  # noqa: ARG003
        normalization: str = "none",  # noqa: ARG003
    ) -> Mapping[str, Any]:
        """Return the parameters that a training profile sets, under those of the configuration.

        The profile is ``exact``, ``default`` or ``fast``; the horizon is in trading days. How
        features were normalized is ``rank``, ``zscore``, or ``none`` where it is not known.
        """
        return {}

    def date_stride(self, n_rows: int) -> int:  # noqa: ARG002 -- most trainers want every date
        """Return that fits see every n-th date of their train rows, 1 for every date.

        `n_rows` are those of the whole history, so that all splits train on the same dates.
        Predictions cover every date in any case.
        """
        return 1

    def check_params(self) -> None:  # noqa: B027 -- trainers without limits need not override it
        """Refuse impossible values in `params` by a `ParameterError`."""

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
        """

    def fit_rows(self, data: SplitView, rows: NDArray[np.intp]) -> Self:
        """Fit on chosen rows: what the cross-validation loop calls.

        By default it gathers the rows and calls `fit`; worth overriding where a trainer can do
        without that copy, or makes use of threads.

        Parameters
        ----------
        data : SplitView
            Features, and labels of the train rows.
        rows : ndarray of shape (n_fitted_rows,), intp
            Ascending positions of the train rows, less those of dates that `date_stride` skips.

        Returns
        -------
        Self
            The trainer, fitted.
        """
        weights = {} if data.sample_weight is None else {"sample_weight": data.sample_weight[rows]}
        return self.fit(data.X[rows], data.y[rows], feature_names=data.feature_names, **weights)

    def chosen_params(self) -> Mapping[str, Any]:
        """Return the hyper-parameters that this fit has chosen itself; empty if none."""
        return {}

    def adopt(
        self,
        chosen: Sequence[Mapping[str, Any]],  # noqa: ARG002 -- most trainers choose nothing
    ) -> Self:
        """Settle on what the splits' models chose (`chosen_params`), before the final fit."""
        return self

    def takes_sample_weight(self) -> bool:
        """Tell whether `fit` takes weights of rows."""
        return "sample_weight" in inspect.signature(self.fit).parameters

    @abstractmethod
    def predict(self, X: NDArray[np.float32]) -> NDArray[np.float64]:
        """Predict the labels of rows in bps, float64 and never clipped; columns as in `fit`.

        Raises
        ------
        TrainingError
            If the trainer is not fitted or the number of features differs.
        """

    @abstractmethod
    def importances(self) -> pd.DataFrame:
        """Return how much each feature matters, as `importance_frame` builds it.

        A row for every feature in the order of `fit`, indexed by ``feature``, with columns
        ``importance_gain``, ``importance_weight`` and ``importance_coefficient``; NaN where the
        model has no such kind.
        """

    @abstractmethod
    def digest(self) -> str:
        """Hash the fitted values (not a file) with SHA-256, in hexadecimal."""

    def to_bytes(self) -> bytes:
        """Return the content of a stored model; by default, of the file that `save` writes."""
        if type(self).save is BaseModelTrainer.save:
            raise NotImplementedError(f"give {type(self).__name__} to_bytes and from_bytes")
        with scratch_folder() as scratch:
            file = scratch / f"model{self.file_extension}"
            self.save(file)
            return file.read_bytes()

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Restore what `to_bytes` returned; by default, from a file that `load` reads."""
        if cls.load.__func__ is BaseModelTrainer.load.__func__:  # type: ignore[attr-defined]
            raise NotImplementedError(f"give {cls.__name__} to_bytes and from_bytes")
        with scratch_folder() as scratch:
            file = scratch / f"model{cls.file_extension}"
            file.write_bytes(data)
            return cls.load(file)

    def save(self, path: Path) -> None:
        """Write the fitted model to a local file."""
        path.write_bytes(self.to_bytes())

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read a fitted model from a local file that `save` wrote."""
        try:
            return cls.from_bytes(path.read_bytes())
        except TrainingError as error:
            raise TrainingError(f"{path.name}: {error}") from error

    def _state(self) -> dict[str, Any]:
        """Return what a stored model says besides its fitted values."""
        return {"params": self.params, "seed": self.seed, "feature_names": self.feature_names}

    @classmethod
    def _of_state(cls, state: Mapping[str, Any]) -> Self:
        trainer = cls(params=state["params"], seed=state["seed"])
        trainer.feature_names = tuple(state["feature_names"])
        return trainer

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
    """Build what `BaseModelTrainer.importances` returns of the kinds that a model has."""
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


@dataclass(frozen=True, eq=False)
class FoldModel:
    """The model of one split."""

    split_id: int
    """Column of the roles that it was trained by."""
    trainer: BaseModelTrainer
    n_train: int
    """Rows of its train set, of which `BaseModelTrainer.date_stride` may leave dates out."""
    n_test: int
    """Rows that it predicts."""
    seconds: float
    """Wall time of the fit."""
    fitted_at: datetime | None = None
    """When an interrupted run finished it; None for a model of this run."""
