"""Ridge behind train-only imputation and scaling, from sums of products."""

import json
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median
from typing import Any, ClassVar, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from model2_assets.errors import TrainingError
from model2_assets.training.base_models import (
    BaseModelTrainer,
    ParameterError,
    hash_values,
    importance_frame,
    require_choice,
    require_number,
)
from model2_assets.training.data import SourceTables, TrainingData
from model2_assets.training.resources import usable_cores
from model2_assets.training.ridge_solution import ColumnSums, Floats, RidgeSolution
from model2_assets.training.ridge_sums import (
    ChosenRows,
    SplitSums,
    add_up_rows,
    add_up_splits,
    kept_sums,
)

_SMALLEST_ALPHA = 1e-3

_CHUNK_ROWS = 2048
"""Rows predicted at once, so that memory does not grow with their number."""


class RidgeTrainer(BaseModelTrainer):
    """Ridge regression on imputed, standardized features.

    Gives what scikit-learn's ``SimpleImputer(mean) → StandardScaler → Ridge`` gives in
    float64. Minimizes ``||y - Xw||² + alpha ||w||²`` over standardized features, so `alpha`
    compares with the number of train rows: daily features are close to collinear, and
    directions whose share of the variance is below ``alpha / n_rows`` are shrunk away.

    Fitted from sums of products over rows: all splits share one pass over them.

    Parameters
    ----------
    params : mapping
        ``alpha``
            Penalty, at least 0.001.
        ``alphas``
            None, or a list of two or more penalties. Then every split takes, in place of
            `alpha`, the one with the smallest mean squared error on its own train rows:
            every group among them is predicted from those of the others whose labels do not
            touch it.
        ``fit_intercept``
            Whether there is an intercept.
    seed : int
        Unused: the solver draws nothing.

    Attributes
    ----------
    alpha_ : float
        The penalty that the model was fitted with.

    References
    ----------
    Hoerl, A. E. & Kennard, R. W. (1970), Ridge Regression: Biased Estimation for
    Nonorthogonal Problems, Technometrics 12(1).
    """

    DEFAULT_PARAMS: ClassVar[dict[str, Any]] = {
        "alpha": 10_000.0,
        "alphas": None,
        "fit_intercept": True,
    }
    file_extension: ClassVar[str] = ".npz"
    libraries: ClassVar[tuple[str, ...]] = ("numpy",)
    is_version_bound: ClassVar[bool] = False
    reads_pickles: ClassVar[bool] = False
    determinism_tolerance_bps: ClassVar[float] = 1e-9
    fit_bytes_per_value: ClassVar[int] = 1

    alpha_: float | None = None
    mean_: Floats
    scale_: Floats
    coef_: Floats
    intercept_: float

    def check_params(self) -> None:
        """Refuse an `alpha` at which collinear features have no stable solution."""
        require_number(self.params, "alpha", at_least=_SMALLEST_ALPHA)
        require_choice(self.params, "fit_intercept", (True, False))
        alphas = self.params["alphas"]
        if alphas is None:
            return
        if not isinstance(alphas, Sequence) or isinstance(alphas, str) or len(alphas) < 2:
            raise ParameterError("alphas", f"must be null or two or more numbers, got {alphas!r}")
        for position, alpha in enumerate(alphas):
            key = f"alphas.{position}"
            require_number({key: alpha}, key, at_least=_SMALLEST_ALPHA)

    def takes_sample_weight(self) -> bool:
        """Tell whether `fit` takes weights of rows: not while it chooses among `alphas`."""
        return super().takes_sample_weight() and self.params["alphas"] is None

    def fit(
        self,
        X: NDArray[np.float32],
        y: NDArray[np.float64],
        *,
        feature_names: tuple[str, ...],
        sample_weight: NDArray[np.float64] | None = None,
    ) -> Self:
        """Fit in one pass over the rows; see `BaseModelTrainer.fit`.

        Weights go to the regression alone: means and scales describe the features.

        Raises
        ------
        TrainingError
            If `alphas` are given, of which these rows alone cannot tell the best.
        """
        n_threads = self._threads_allowed
        sums = add_up_rows(X, y, n_threads=n_threads)
        weighted = None
        if sample_weight is not None:
            weighted = add_up_rows(X, y, weights=sample_weight, n_threads=n_threads)
        return self._solve(self._settled_alpha(), sums, feature_names, weighted=weighted)

    def fit_rows(
        self,
        data: TrainingData,
        rows: NDArray[np.intp],
        *,
        sample_weight: NDArray[np.float64] | None = None,
    ) -> Self:
        """Fit on chosen rows without a copy of them; see `BaseModelTrainer.fit_rows`."""
        if self._fits_in_its_own_way():
            return super().fit_rows(data, rows, sample_weight=sample_weight)
        chosen: Any = ChosenRows(data.X, rows)
        return self.fit(
            chosen, data.y[rows], feature_names=data.feature_names, sample_weight=sample_weight
        )

    def _fits_in_its_own_way(self) -> bool:
        """Tell whether a derived class has a `fit` that has to see the rows."""
        return type(self).fit is not RidgeTrainer.fit

    def share(
        self,
        data: TrainingData,
        *,
        split_ids: tuple[int, ...],
        n_threads: int,
        tables: SourceTables | None = None,
    ) -> SplitSums | None:
        """Add up the rows for all splits; see `BaseModelTrainer.share`."""
        if self._fits_in_its_own_way():
            return None
        known = None if tables is None else kept_sums(tables, n_threads=n_threads)
        return add_up_splits(data, split_ids=split_ids, n_threads=n_threads, known=known)

    def fit_shared(self, shared: SplitSums, data: TrainingData, split_id: int) -> Self:
        """Fit a split from the sums of its blocks; see `BaseModelTrainer.fit_shared`."""
        if self.params["alphas"] is not None and self.alpha_ is None:
            self.alpha_ = self._choose_alpha(shared, split_id)
        return self._solve(self._settled_alpha(), shared.train(split_id), data.feature_names)

    def _choose_alpha(self, shared: SplitSums, split_id: int) -> float:
        alphas = tuple(float(alpha) for alpha in self.params["alphas"])
        errors = [
            RidgeSolution.of(inner.train, fit_intercept=self.params["fit_intercept"]).squared_error(
                inner.validation, alphas
            )
            for inner in shared.inner_folds(split_id)
        ]
        if not errors:
            raise TrainingError(
                "alphas cannot be chosen: no other split tests a group of its train rows and "
                "trains on others of them, as for the first fold of a walk-forward; give a "
                "single alpha, or use scheme cpcv with fewer test groups"
            )
        return alphas[int(np.argmin(np.sum(errors, axis=0)))]

    def _settled_alpha(self) -> float:
        if self.alpha_ is not None:
            return self.alpha_
        if self.params["alphas"] is not None:
            raise TrainingError(
                "alphas are chosen by inner folds, which these rows alone do not have; "
                "cross-validate, or give a single alpha"
            )
        return float(self.params["alpha"])

    def _solve(
        self,
        alpha: float,
        sums: ColumnSums,
        feature_names: tuple[str, ...],
        *,
        weighted: ColumnSums | None = None,
    ) -> Self:
        solution = RidgeSolution.of(
            sums, weighted=weighted, fit_intercept=self.params["fit_intercept"]
        )
        coefficients = solution.coefficients(alpha)
        self.alpha_ = alpha
        self.mean_, self.scale_ = solution.scaling.mean, solution.scaling.scale
        self.coef_ = coefficients[:, 0]
        self.intercept_ = float(solution.intercepts(coefficients)[0])
        self.feature_names = tuple(feature_names)
        return self

    def chosen_params(self) -> dict[str, Any]:
        """Return the penalty that was chosen, where there was a choice."""
        return {} if self.params["alphas"] is None else {"alpha": self.alpha_}

    def adopt(self, chosen: Sequence[Mapping[str, Any]]) -> Self:
        """Take the geometric median of the penalties that splits have chosen."""
        if self.params["alphas"] is not None:
            self.alpha_ = float(np.exp(median(np.log(choice["alpha"]) for choice in chosen)))
        return self

    def predict(self, X: NDArray[np.float32]) -> NDArray[np.float64]:
        """Predict labels in bps; see `BaseModelTrainer.predict`."""
        self._require_fitted(X)
        slopes = self.coef_ / self.scale_
        predictions = np.empty(len(X))

        def predict_chunk(start: int) -> None:
            rows = slice(start, start + _CHUNK_ROWS)
            # In two steps, of one type each, numpy takes two thirds of the time of one of two.
            deviations = X[rows].astype(np.float64)
            deviations -= self.mean_
            predicted = deviations @ slopes
            # Few rows have a missing value; looking for it in all of them takes as long again.
            some = np.flatnonzero(np.isnan(predicted))
            if len(some):
                imputed = deviations[some]
                np.copyto(imputed, 0.0, where=np.isnan(imputed))
                predicted[some] = imputed @ slopes
            predictions[rows] = predicted

        # Chunks are the same for any number of threads, and so are the bits.
        with ThreadPoolExecutor(usable_cores()) as pool:
            list(pool.map(predict_chunk, range(0, len(X), _CHUNK_ROWS)))
        return predictions + self.intercept_

    def importances(self) -> pd.DataFrame:
        """Return the standardized coefficients, in bps per standard deviation."""
        return importance_frame(self.feature_names, {"coefficient": self.coef_})

    def save(self, path: Path) -> None:
        """Write the fitted values as NumPy arrays, without pickle."""
        state = {
            "params": self.params,
            "seed": self.seed,
            "feature_names": self.feature_names,
            "alpha": self.alpha_,
        }
        with path.open("wb") as file:
            np.savez(
                file,
                state=np.array(json.dumps(state, sort_keys=True)),
                mean=self.mean_,
                scale=self.scale_,
                coef=self.coef_,
                intercept=np.float64(self.intercept_),
            )

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read fitted values; no code runs from the file."""
        with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
            state = json.loads(str(stored["state"]))
            trainer = cls(params=state["params"], seed=state["seed"])
            trainer.feature_names = tuple(state["feature_names"])
            trainer.alpha_ = state["alpha"]
            trainer.mean_, trainer.scale_ = stored["mean"], stored["scale"]
            trainer.coef_, trainer.intercept_ = stored["coef"], float(stored["intercept"])
        return trainer

    def digest(self) -> str:
        """Hash means, scales and coefficients."""
        return hash_values(self.feature_names, self.mean_, self.scale_, self.coef_, self.intercept_)
