"""The base models: what a trainer is, what it is handed, and what a fit of it is."""

import hashlib
import inspect
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from math import inf
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from model2_assets.engines import Workers
from model2_assets.errors import TrainingError
from model2_assets.storage.models import Calibration, Search
from model2_assets.storage.own_tables import numbers
from model2_assets.training.data import FeatureMatrix, compact
from model2_assets.training.sums import TrainSums

_PREDICTED_ROWS = 32_768

IMPORTANCE_KINDS = ("gain", "weight", "coefficient")
"""Kinds of feature importance; a trainer has some of them."""

_MAIN_KINDS = ("gain", "coefficient", "weight")
"""Kinds of importance by which features are ranked: the first that a model has."""


class ParameterError(TrainingError):
    """A hyper-parameter is unknown or impossible: its key, and the reason with a remedy.

    Whoever knows where the parameter came from completes the key: the model registry
    turns ``params.alpha`` into ``models.ridge.params.alpha``.
    """

    def __init__(self, key: str, reason: str) -> None:
        super().__init__(f"params.{key}: {reason}")
        self.key = key
        self.reason = reason


def require_number(
    params: Mapping[str, Any],
    key: str,
    *,
    at_least: float = -inf,
    above: float = -inf,
    at_most: float = inf,
    integer: bool = False,
) -> None:
    """Refuse a parameter that is not a finite number within its limits.

    Text is refused as well: ``1e3`` is text in YAML, ``1000.0`` is a number.
    """
    value = params[key]
    fits = (
        isinstance(value, int if integer else int | float)
        and not isinstance(value, bool)
        and abs(value) < inf
        and above < value
        and at_least <= value <= at_most
    )
    if not fits:
        kind = "a whole number" if integer else "a number"
        named = {"at least": at_least, "above": above, "at most": at_most}
        limits = [f"{words} {limit:g}" for words, limit in named.items() if abs(limit) < inf]
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
    workers : Workers, optional
        Workers that are to fit together, given to a trainer with `fits_by_workers`.
    scratch : Path, optional
        Folder for a `scratch_folder` of a fit in external memory, wanted where there is one.
    shared : dict
        What fits within one train set keep for each other: made of features alone.
    """

    X: FeatureMatrix
    y: NDArray[np.float64]
    feature_names: tuple[str, ...]
    sample_weight: NDArray[np.float64] | None = None
    index: pd.MultiIndex | None = None
    sums: TrainSums | None = None
    n_threads: int = 1
    workers: Workers | None = None
    scratch: Path | None = None
    shared: dict[str, Any] = field(default_factory=dict)


class BaseModelTrainer(ABC):
    """A base model: fits one split, predicts, explains and stores itself.

    A trainer of your own derives from this class (or from ``LinearTrainer``), lists its
    parameters in `DEFAULT_PARAMS`, and is named in the configuration by import path. It has
    `fit`, `predict`, `importances`, `digest`, `to_bytes` and `from_bytes`.

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
    reads_pickles : bool
        Whether reading a stored model unpickles, or runs code from it in another way. Unless a
        trainer says otherwise, its files are read only by the very versions of `libraries` that
        wrote them, and through the manifest that Dagster recorded, where it recorded any.
    fits_from_sums : bool
        Whether fits without weights use `SplitView.sums`, which all splits share one pass for.
    determinism_tolerance_bps : float
        Largest difference in bps that a refit on the same machine may show.
    fits_by_workers : bool
        Whether `fit_rows` can spread a fit that is too large for any one worker over all.
    fit_bytes_per_value : int
        Bytes of memory at the peak of `fit` for each value of its train matrix, this included.
    external_bytes_per_value : float, optional
        The same of a fit in external memory, without the matrix: `SplitView.scratch` is given.
        None: the trainer knows no such fit.
    """

    DEFAULT_PARAMS: ClassVar[Mapping[str, Any]] = {}
    file_extension: ClassVar[str]
    libraries: ClassVar[tuple[str, ...]] = ()
    reads_pickles: ClassVar[bool] = True
    determinism_tolerance_bps: ClassVar[float] = 1e-6
    fits_by_workers: ClassVar[bool] = False
    fit_bytes_per_value: ClassVar[int] = 32
    external_bytes_per_value: float | None = None

    def __init__(self, *, params: Mapping[str, Any], seed: int) -> None:
        known = self.DEFAULT_PARAMS
        unknown = sorted(set(params) - set(known))
        if unknown:
            listed = ", ".join(sorted(known))
            raise ParameterError(unknown[0], f"unknown parameter; known: {listed}")
        self.params = {**known, **params}
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
            ``sample_weights`` are on, so a trainer without this argument works without them.

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

    def with_params(self, params: Mapping[str, Any]) -> Self:
        """Return an unfitted trainer that differs in some hyper-parameters."""
        return type(self)(params={**self.params, **params}, seed=self.seed)

    def for_inner_folds(self) -> Self:
        """Return an unfitted trainer for folds within the train rows that this one was fitted on.

        It keeps what the fit has chosen. Worth overriding where a coarser fit tells as much of
        how large predictions may be, which is all that it is for.
        """
        return self.with_params({}).adopt([self.chosen_params()])

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

    @abstractmethod
    def to_bytes(self) -> bytes:
        """Return the content of a stored model."""

    @classmethod
    @abstractmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Restore what `to_bytes` returned."""

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
    external: bool = False
    """Whether it was fitted in external memory in this run."""
    calibration: Calibration | None = None
    """How much of what the trainer predicts holds; None: it was not asked."""
    chosen_params: Mapping[str, Any] = field(default_factory=dict)
    """Hyper-parameters that were chosen on its train rows."""
    search: Search | None = None
    """How; None: not by trials."""

    def predict(self, X: NDArray[np.float32]) -> NDArray[np.float64]:
        """Predict the labels of rows in bps; see `BaseModelTrainer.predict`."""
        predicted, calibration = _predicted(self.trainer, X), self.calibration
        if calibration is None or calibration.slope == 1:
            return predicted
        return calibration.base_bps + calibration.slope * (predicted - calibration.base_bps)

    def digest(self) -> str:
        """Hash the fitted values, and what they are calibrated by, with SHA-256."""
        if self.calibration is None:
            return self.trainer.digest()
        used = (self.trainer.digest(), self.calibration.slope, self.calibration.base_bps)
        return hashlib.sha256(repr(used).encode()).hexdigest()


def _predicted(trainer: BaseModelTrainer, X: NDArray[np.float32]) -> NDArray[np.float64]:
    """Let a trainer predict: a number a row, of any type; NaN where it is missing."""
    predicted: Any = trainer.predict(X)
    shape, kind = np.shape(predicted), getattr(predicted, "dtype", type(predicted).__name__)
    found = numbers(pd.Series(predicted, copy=False)) if shape == (len(X),) else None
    if found is None:
        raise TrainingError(
            f"{type(trainer).__name__}.predict returned {kind} of shape {shape} for {len(X)} rows; "
            f"return one number a row"
        )
    return found


def predict_rows(
    model: BaseModelTrainer | FoldModel, X: FeatureMatrix, rows: NDArray[np.intp]
) -> NDArray[np.float64]:
    """Predict rows of a feature matrix, in bps: in chunks on one BLAS thread, for equal bits."""
    predictions = np.empty(len(rows), dtype=np.float64)
    predict = model.predict if isinstance(model, FoldModel) else partial(_predicted, model)
    with threadpool_limits(limits=1, user_api="blas"):
        for start in range(0, len(rows), _PREDICTED_ROWS):
            chunk = rows[start : start + _PREDICTED_ROWS]
            predictions[start : start + len(chunk)] = predict(X[compact(chunk)])
    return predictions


def aggregate_importances(models: Iterable[FoldModel]) -> pd.DataFrame:
    """Bring the importances of all fold models together.

    Parameters
    ----------
    models : iterable of FoldModel
        Models fitted on the same features; one is held at a time.

    Returns
    -------
    DataFrame of shape (n_features, n_columns)
        A row for every feature, ranked by the absolute value of the model's main kind
        (gain, else coefficient, else weight), then by name. Columns: ``feature``; for
        each of gain, weight and coefficient ``importance_{kind}`` (mean over the folds)
        and ``importance_{kind}_std`` (sample standard deviation over the folds, 0.0 for
        a single fold), both NaN where the model has no such kind; and
        ``importance_{kind}_fold_{split_id}`` for the kinds that it has. Gain is the mean
        reduction of the training loss over the feature's splits, weight the number
        of those splits, coefficient in bps per standard deviation of the feature.

    Raises
    ------
    TrainingError
        If there is no model, or models were fitted on different features.
    """
    by_fold = {model.split_id: model.trainer.importances() for model in models}
    if not by_fold:
        raise TrainingError("no model to take importances from; train it first")
    first_id = min(by_fold)
    names = by_fold[first_id].index
    for split_id, frame in by_fold.items():
        if not frame.index.equals(names):
            raise TrainingError(
                f"splits {first_id} and {split_id} were fitted on different features; "
                f"retrain the model"
            )
    columns: dict[str, Any] = {"feature": pd.Series(names)}
    per_fold: dict[str, Any] = {}
    for kind in (f"importance_{kind}" for kind in IMPORTANCE_KINDS):
        of_folds = (by_fold[split_id][kind] for split_id in sorted(by_fold))
        folds = np.column_stack([one.to_numpy(np.float64, na_value=np.nan) for one in of_folds])
        columns[kind] = folds.mean(axis=1)
        columns[f"{kind}_std"] = folds.std(axis=1, ddof=min(1, folds.shape[1] - 1))
        if not np.isnan(folds).all():
            per_fold |= {
                f"{kind}_fold_{split_id}": folds[:, column]
                for column, split_id in enumerate(sorted(by_fold))
            }
    table = pd.DataFrame(columns | per_fold)
    strength = table[f"importance_{main_importance_kind(table)}"].abs()
    by_name = names.to_numpy(dtype=object).argsort().argsort()
    return table.iloc[np.lexsort((by_name, -strength))].reset_index(drop=True)


def main_importance_kind(importance: pd.DataFrame) -> str:
    """Return the kind by which importances are ranked: the first that is not all missing."""
    for kind in _MAIN_KINDS:
        if importance[f"importance_{kind}"].notna().any():
            return kind
    return _MAIN_KINDS[0]


def top_importances(importance: pd.DataFrame, count: int) -> pd.DataFrame:
    """Return the first features of a ranked table, with mean and spread of the model's kinds."""
    columns = [name for name in importance.columns if "_fold_" not in name]
    return importance[columns].head(count).dropna(axis="columns", how="all")
