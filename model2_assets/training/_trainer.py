"""What a base model is: it fits, predicts, explains and stores itself."""

import hashlib
import inspect
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from model2_assets.errors import TrainingError
from model2_assets.training._params import merge_params
from model2_assets.training._training_data import SourceTables, TrainingData

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
