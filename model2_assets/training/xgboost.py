"""Gradient boosted trees by XGBoost."""

import hashlib
import json
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import pandas as pd
import xgboost as xgb
from numpy.typing import NDArray

from model2_assets.errors import TrainingError
from model2_assets.storage.files import scratch_folder
from model2_assets.training.base_models import (
    BaseModelTrainer,
    ParameterError,
    SplitView,
    importance_frame,
    require_choice,
    require_number,
)
from model2_assets.training.resources import usable_cores
from model2_assets.training.xgboost_collective import fit_together, require_known_bins

_BATCH_ROWS = 65_536

_PAGE_ROWS = 16_384
"""Rows of a page of external memory."""

_INNER_RATE = 0.1
"""Learning rate of the fits of inner folds."""


class RowBatches(xgb.DataIter):
    """Chosen rows in batches: no copy of all is ever in memory, bins are those of one array."""

    def __init__(
        self,
        data: SplitView,
        rows: NDArray[np.intp],
        missing_as: float | None = None,
        *,
        cache: Path | None = None,
    ) -> None:
        super().__init__(release_data=True, cache_prefix=None if cache is None else str(cache))
        self._data, self._rows, self._missing_as = data, rows, missing_as
        self._start, self._n_rows = 0, _BATCH_ROWS if cache is None else _PAGE_ROWS

    def require_ranks(self) -> None:
        """Refuse features that are not ranks, which lie between -0.5 and 0.5."""
        for start in range(0, len(self._rows), self._n_rows):
            features = self._data.X[self._rows[start : start + self._n_rows]]
            largest = np.fmax.reduce(np.abs(features), axis=None, initial=0.0)
            if largest > 0.5:
                raise ParameterError(
                    "bins",
                    f"even bins are for features normalized by rank, which lie between -0.5 and "
                    f"0.5, got {largest:g}; use learned",
                )

    def next(self, input_data: Callable[..., Any]) -> bool:
        """Hand over the next batch; tell whether there was one."""
        rows = self._rows[self._start : self._start + self._n_rows]
        if not len(rows):
            return False
        weights = self._data.sample_weight
        weight = {} if weights is None else {"weight": weights[rows]}
        features = _fill_missing(self._data.X[rows], self._missing_as)
        input_data(data=features, label=self._data.y[rows], **weight)
        self._start += len(rows)
        return True

    def reset(self) -> None:
        """Begin again."""
        self._start = 0


def _mean_label(data: SplitView, rows: NDArray[np.intp]) -> float:
    """Return the mean label, to float32, that trees start from, as XGBoost works it out itself.

    It is given to XGBoost, which would add up the rows of several workers in another order.
    """
    label = data.y[rows].astype(np.float32)
    if data.sample_weight is None:
        return float(np.float32(label.mean(dtype=np.float64)))
    weight = data.sample_weight[rows].astype(np.float32)
    total = (label * weight).sum(dtype=np.float64) / weight.sum(dtype=np.float64)
    return float(np.float32(total))


def _fill_missing(X: NDArray[np.float32], value: float | None) -> NDArray[np.float32]:
    """Return features with a number in place of NaN; None leaves them as they are."""
    return X if value is None else np.where(np.isnan(X), np.float32(value), X)


_ATTRIBUTE = "model2_assets"

_NOT_NATIVE = (
    "bins",
    "n_estimators",
    "min_child_weight_fraction",
    "date_stride",
    "stride_keeps_rows",
    "missing_as",
    "n_threads",
)
"""Parameters that XGBoost does not know."""


class XGBoostTrainer(BaseModelTrainer):
    """Histogram gradient boosting of squared error, by ``xgboost.train``.

    Deterministic: a fixed number of threads, a fixed row order and an explicit seed give the
    same trees to the bit. A missing value follows each node's learned default direction.

    Parameters
    ----------
    params : mapping
        ``n_estimators``
            Trees.
        ``learning_rate``
            Shrinkage of each tree.
        ``max_depth``
            Levels of a tree.
        ``min_child_weight_fraction``
            Smallest leaf as a share of the train rows, or of their weights, whose mean is 1:
            XGBoost's ``min_child_weight`` counts rows, as with squared error each has a hessian
            of 1. A share keeps leaves comparable between panels of 20 names and of 3,000.
        ``max_bin``
            Histogram bins a feature.
        ``bins``
            ``learned``: by quantiles of the train rows, a feature at a time. ``even``: of equal
            width from -0.5 to 0.5, where all ranks are; known without a look at any row.
        ``subsample``, ``colsample_bytree``, ``colsample_bynode``
            Shares of rows and features drawn for each tree or node.
        ``reg_lambda``, ``reg_alpha``, ``gamma``
            L2 and L1 penalty of leaf values; smallest gain of a split.
        ``device``
            ``cpu`` or ``cuda``. The two give slightly different trees.
        ``date_stride``
            Train on every n-th date. The labels of neighbouring dates share all but one of
            their bars, so most of a train set repeats itself.
        ``stride_keeps_rows``
            The stride is shortened so that the dates kept have at least so many rows in the
            whole history: a small panel has none to spare.
        ``missing_as``
            Number put in place of a missing value; null: each node learns where missing values
            go. Without any, XGBoost's histograms take a quarter of the memory and less time.
            0 is the middle of ranks and z-scores.
        ``n_threads``
            Threads of a fit.
    seed : int
        Seed of row and feature sampling.

    References
    ----------
    Chen, T. & Guestrin, C. (2016), XGBoost: A Scalable Tree Boosting System, KDD '16.
    """

    DEFAULT_PARAMS: ClassVar[dict[str, Any]] = {
        "n_estimators": 100,
        "learning_rate": 0.02,
        "max_depth": 3,
        "min_child_weight_fraction": 0.05,
        "max_bin": 256,
        "bins": "learned",
        "subsample": 1.0,
        "colsample_bytree": 1.0,
        "colsample_bynode": 1.0,
        "reg_lambda": 1.0,
        "reg_alpha": 0.0,
        "gamma": 0.0,
        "device": "cpu",
        "date_stride": 1,
        "stride_keeps_rows": 0,
        "missing_as": None,
        "n_threads": 1,
    }
    file_extension: ClassVar[str] = ".ubj"
    libraries: ClassVar[tuple[str, ...]] = ("xgboost",)
    reads_pickles: ClassVar[bool] = False
    determinism_tolerance_bps: ClassVar[float] = 1e-6
    fits_by_workers: ClassVar[bool] = True
    fit_bytes_per_value: ClassVar[int] = 8
    external_bytes_per_value = 1.5

    booster_: xgb.Booster
    """The fitted booster."""

    def check_params(self) -> None:
        """Refuse impossible hyper-parameters by name."""
        for count in ("n_estimators", "date_stride", "n_threads"):
            require_number(self.params, count, at_least=1, integer=True)
        require_number(self.params, "max_depth", at_least=1, at_most=30, integer=True)
        require_number(self.params, "max_bin", at_least=2, at_most=65_536, integer=True)
        require_number(self.params, "min_child_weight_fraction", at_least=0, at_most=0.5)
        for share in ("learning_rate", "subsample", "colsample_bytree", "colsample_bynode"):
            require_number(self.params, share, above=0, at_most=1)
        for penalty in ("reg_lambda", "reg_alpha", "gamma"):
            require_number(self.params, penalty, at_least=0)
        require_choice(self.params, "device", ("cpu", "cuda"))
        require_choice(self.params, "bins", ("learned", "even"))
        require_number(self.params, "stride_keeps_rows", at_least=0, integer=True)
        if self.params["missing_as"] is not None:
            require_number(self.params, "missing_as", at_least=-1e6, at_most=1e6)

    @classmethod
    def profile_params(
        cls, profile: str, horizon_days: int, normalization: str = "none"
    ) -> dict[str, Any]:
        """Train on a few dates a label; see `BaseModelTrainer.profile_params`.

        ``exact`` trains on every date. ``default`` trains on 4 dates in the window of a label,
        at least one in two trading weeks, ``fast`` on half of these; a small panel keeps more.
        Both have fewer bins: ranks are spread evenly, so few bins separate them, and need not be
        learned. Missing ranks and z-scores become their middle.
        """
        if profile == "exact":
            return {}
        params: dict[str, Any] = {} if normalization == "none" else {"missing_as": 0.0}
        if normalization == "rank":
            params["bins"] = "even"
        stride = max(1, min(horizon_days // 4, 10))
        if profile == "fast":
            return params | {"date_stride": 2 * stride, "stride_keeps_rows": 20_000, "max_bin": 32}
        return params | {"date_stride": stride, "stride_keeps_rows": 50_000, "max_bin": 64}

    def date_stride(self, n_rows: int) -> int:
        """Return that fits see every n-th date; see `BaseModelTrainer.date_stride`."""
        affordable = n_rows // max(1, int(self.params["stride_keeps_rows"]))
        return max(1, min(int(self.params["date_stride"]), affordable))

    def for_inner_folds(self) -> Self:
        """Return a trainer of fewer trees at a larger rate, which together go as far."""
        faster = max(1.0, _INNER_RATE / self.params["learning_rate"])
        coarse = {
            "n_estimators": max(1, round(self.params["n_estimators"] / faster)),
            "learning_rate": self.params["learning_rate"] * faster,
        }
        return type(self)(params={**self.params, **coarse}, seed=self.seed)

    def native_params(self, n_rows: int, n_threads: int = 1) -> dict[str, Any]:
        """Return the parameters that XGBoost is given for a fit on `n_rows` rows.

        Any number of threads grows the same trees: XGBoost adds float32 gradients up in float64,
        so the order of the sum, which is all that threads change, is lost when gains are rounded
        to float32.
        """
        passed_on = {key: value for key, value in self.params.items() if key not in _NOT_NATIVE}
        return {
            "objective": "reg:squarederror",
            "tree_method": "hist",
            "min_child_weight": self.params["min_child_weight_fraction"] * n_rows,
            **passed_on,
            "seed": self.seed,
            "nthread": max(int(self.params["n_threads"]), n_threads),
            "verbosity": 0,
        }

    def fit(
        self,
        X: NDArray[np.float32],
        y: NDArray[np.float64],
        *,
        feature_names: tuple[str, ...],
        sample_weight: NDArray[np.float64] | None = None,
    ) -> Self:
        """Grow the trees; see `BaseModelTrainer.fit`."""
        everything = SplitView(X=X, y=y, feature_names=feature_names, sample_weight=sample_weight)
        return self.fit_rows(everything, np.arange(len(X)))

    def fit_rows(self, data: SplitView, rows: NDArray[np.intp]) -> Self:
        """Grow the trees from rows read in batches; see `BaseModelTrainer.fit_rows`."""
        native = self.native_params(len(rows), data.n_threads)
        native["base_score"] = _mean_label(data, rows)
        if data.workers is not None:
            require_known_bins(self.params)
            n_rounds = self.params["n_estimators"]
            booster = fit_together(
                self._binned, native, n_rounds, data=data, rows=rows, workers=data.workers
            )
            return self._grown(booster, data)
        try:
            with ExitStack() as files, xgb.config_context(verbosity=0):
                self._require_device()
                folder = files.enter_context(scratch_folder(data.scratch)) if data.scratch else None
                train = self._binned_once(data, rows, folder, n_threads=native["nthread"])
                booster = xgb.train(native, train, num_boost_round=self.params["n_estimators"])
                del train  # and its files, while their folder is there
        except xgb.core.XGBoostError as error:
            raise TrainingError(f"XGBoost: {_first_line(error)}") from error
        return self._grown(booster, data)

    def _grown(self, booster: xgb.Booster, data: SplitView) -> Self:
        # Trees are fitted and read by position; names are for importances alone.
        self.booster_ = _for_prediction(booster)
        self.feature_names = tuple(data.feature_names)
        return self

    def _binned_once(
        self, data: SplitView, rows: NDArray[np.intp], folder: Path | None, *, n_threads: int
    ) -> xgb.QuantileDMatrix | xgb.ExtMemQuantileDMatrix:
        """Cut features into bins, where no fit of the train set has cut these rows yet.

        Where one has, other rows weigh 0: they add nothing to any sum, so trees are the same.
        """
        drawn = self.params["subsample"] < 1 or self.params["device"] != "cpu"
        if drawn or self.params["bins"] == "learned" or folder is not None:
            return self._binned(data, rows, folder, n_threads=n_threads)
        shared, kind = data.shared, (self.params["max_bin"], self.params["missing_as"])
        if shared.get("kind") != kind or not np.isin(rows, shared["rows"]).all():
            shared.clear()  # the bins there are not to be in memory with their successors
            own = self._binned(data, rows, n_threads=n_threads)
            shared.update(kind=kind, rows=rows, bins=own)
            return own
        bins: xgb.QuantileDMatrix = shared["bins"]
        known, weights = shared["rows"], data.sample_weight
        inside = np.isin(known, rows)
        weight = np.where(inside, 1.0 if weights is None else weights[known], 0.0)
        bins.set_info(label=np.where(inside, data.y[known], 0.0), weight=weight)
        return bins

    def _binned(
        self,
        data: SplitView,
        rows: NDArray[np.intp],
        folder: Path | None = None,
        *,
        n_threads: int = 1,
    ) -> xgb.QuantileDMatrix | xgb.ExtMemQuantileDMatrix:
        """Cut features into bins: in memory, or in files that are read page by page."""
        cache = None if folder is None else folder / "bins"
        batches = RowBatches(data, rows, self.params["missing_as"], cache=cache)
        settings = {"max_bin": self.params["max_bin"], "nthread": n_threads}
        matrix = xgb.QuantileDMatrix if folder is None else xgb.ExtMemQuantileDMatrix
        if self.params["bins"] == "learned":
            return matrix(batches, **settings)
        batches.require_ranks()
        edges = np.linspace(-0.5, 0.5, self.params["max_bin"] + 1, dtype=np.float32)
        grid = np.repeat(edges[:, np.newaxis], len(data.feature_names), axis=1)
        return matrix(batches, ref=xgb.QuantileDMatrix(grid, **settings), **settings)

    def _require_device(self) -> None:
        """Refuse a GPU that is not there, where XGBoost would silently train on the CPU."""
        wanted = self.params["device"]
        if wanted == "cpu":
            return
        tiny = xgb.DMatrix(np.eye(2, dtype=np.float32), label=np.arange(2), nthread=1)
        probe = xgb.train({"device": wanted, "nthread": 1, "verbosity": 0}, tiny, num_boost_round=1)
        found = json.loads(probe.save_config())["learner"]["generic_param"]["device"]
        if not found.startswith(wanted):
            raise ParameterError(
                "device", f"{wanted!r} is not available to XGBoost on this machine; use {found!r}"
            )

    def predict(self, X: NDArray[np.float32]) -> NDArray[np.float64]:
        """Predict labels in bps (float32 precision); see `BaseModelTrainer.predict`."""
        self._require_fitted(X)
        filled = _fill_missing(X, self.params["missing_as"])
        with xgb.config_context(verbosity=0):
            return np.asarray(self.booster_.inplace_predict(filled), dtype=np.float64)

    def importances(self) -> pd.DataFrame:
        """Return the average gain and the number of splits of every feature, 0 if unused."""
        return importance_frame(
            self.feature_names, {kind: self._scores(kind) for kind in ("gain", "weight")}
        )

    def _scores(self, kind: str) -> NDArray[np.float64]:
        scores = self.booster_.get_score(importance_type=kind)
        return np.array([scores.get(f"f{i}", 0.0) for i in range(len(self.feature_names))])

    def to_bytes(self) -> bytes:
        """Return the model in XGBoost's own UBJSON format, readable by later versions."""
        stored = self.booster_.copy()
        stored.set_attr(**{_ATTRIBUTE: json.dumps(self._state(), sort_keys=True)})
        return bytes(stored.save_raw(raw_format="ubj"))

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Restore a model; no code runs from it."""
        booster = xgb.Booster()
        try:
            booster.load_model(bytearray(data))
        except (xgb.core.XGBoostError, UnicodeDecodeError) as error:
            raise TrainingError(f"not an XGBoost model: {_first_line(error)}") from error
        attribute = booster.attr(_ATTRIBUTE)
        if attribute is None:
            raise TrainingError(f"was not written by {cls.__name__}")
        booster.set_attr(**{_ATTRIBUTE: None})
        trainer = cls._of_state(json.loads(attribute))
        trainer.booster_ = _for_prediction(booster)
        return trainer

    def digest(self) -> str:
        """Hash the feature names and the trees."""
        content = hashlib.sha256("\n".join(self.feature_names).encode())
        content.update(self.booster_.save_raw(raw_format="ubj"))
        return content.hexdigest()


def _for_prediction(booster: xgb.Booster) -> xgb.Booster:
    """Predict on the CPU, wherever the trees were grown, on all cores, which changes no bit."""
    booster.set_param({"device": "cpu", "nthread": usable_cores(), "verbosity": 0})
    return booster


def _first_line(error: Exception) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), "unknown error")
