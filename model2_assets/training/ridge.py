"""Ridge behind train-only imputation and scaling, from sums of products."""

import io
import json
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from statistics import median
from typing import Any, ClassVar, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from model2_assets.errors import TrainingError
from model2_assets.training.base_models import (
    BaseModelTrainer,
    ParameterError,
    SplitView,
    hash_values,
    importance_frame,
    require_choice,
    require_number,
)
from model2_assets.training.resources import usable_cores
from model2_assets.training.sums import ColumnSums, Floats, TrainSums, add_up_rows

_SMALLEST_ALPHA = 1e-3

_CHUNK_ROWS = 2048
"""Rows predicted at once, so that memory does not grow with their number."""


def _means(sums: ColumnSums) -> Floats:
    """Return the mean of the values that a feature has, 0 where it has none."""
    features, indicator = np.arange(sums.columns.n_features), sums.columns.indicator
    counts, totals = sums.gram[indicator, indicator], sums.gram[features, indicator]
    offset = np.divide(totals, counts, out=np.zeros_like(totals), where=counts > 0)
    return np.nan_to_num(sums.columns.shift) + offset


def _scales(variance: Floats, mean: Floats, n_rows: float) -> Floats:
    """Return standard deviations, 1 for variances that are rounding, by scikit-learn's rule."""
    epsilon = np.finfo(np.float64).eps
    rounding = n_rows * epsilon * variance + (n_rows * mean * epsilon) ** 2
    return np.sqrt(np.where(variance > rounding, variance, 1.0))


@dataclass(frozen=True, eq=False)
class RidgeSolution:
    r"""Ridge of one label for every penalty at once.

    Feature :math:`j` with the train mean :math:`\mu_j` in place of missing values, less
    :math:`\mu_j`, is a column that is shifted by :math:`\mu_j` and 0 where missing. So all
    that Ridge needs are sums of products of columns. With the eigendecomposition
    :math:`V D V^\top` of the products of standardized features, the coefficients for a
    penalty :math:`\alpha` are :math:`V (D + \alpha)^{-1} V^\top C^\top y`.
    """

    mean: Floats
    """Mean of each feature, missing values aside."""
    scale: Floats
    """Standard deviation, missing values counting as the mean; 1 for a constant."""
    is_constant: NDArray[np.bool_]
    """Whether a feature is exactly constant, and so gets no coefficient."""
    eigenvalues: Floats
    """D, never negative."""
    directions: Floats
    """V, in columns."""
    projected: Floats
    """Products of the label with the features along V."""
    center: Floats
    """Mean of the standardized features, which the intercept makes up for: rounding, unless
    rows have weights."""
    label_mean: float
    """0 without an intercept."""

    @classmethod
    def of(
        cls, sums: ColumnSums, *, weighted: ColumnSums | None = None, fit_intercept: bool = True
    ) -> "RidgeSolution":
        """Solve for the sums over train rows.

        With weights, means and scales stay those of rows that count alike: they describe the
        features.
        """
        mean, n_rows, n_features = _means(sums), sums.gram[-1, -1], sums.columns.n_features
        columns = replace(sums.columns, shift=mean)
        centered = sums.on(columns)
        used = centered if weighted is None else weighted.on(columns)
        variance = np.diag(centered.gram)[:n_features] / n_rows
        scale = _scales(variance, mean, n_rows)
        total = used.gram[-1, -1]
        products = used.gram[:n_features, :n_features]
        moments = used.moments[:n_features, 0]
        center, label_mean = np.zeros(n_features), 0.0
        if fit_intercept:
            center, label_mean = used.gram[:n_features, -1] / total, used.moments[-1, 0] / total
            products = products - total * np.outer(center, center)
            moments = moments - total * (center * label_mean)
        eigenvalues, directions = np.linalg.eigh(products / np.outer(scale, scale))
        return cls(
            mean=mean,
            scale=scale,
            is_constant=variance <= 0.0,
            eigenvalues=np.maximum(eigenvalues, 0.0),
            directions=directions,
            projected=directions.T @ (moments / scale),
            center=center / scale,
            label_mean=float(label_mean),
        )

    def coefficients(self, alpha: float) -> Floats:
        """Return those of the standardized features for a penalty."""
        coefficients: Floats = self.directions @ (self.projected / (self.eigenvalues + alpha))
        coefficients[self.is_constant] = 0.0
        return coefficients

    def intercept(self, coefficients: Floats) -> float | Floats:
        """Return what is predicted where every feature has its mean."""
        return self.label_mean - self.center @ coefficients

    def squared_error(self, validation: ColumnSums, alphas: tuple[float, ...]) -> Floats:
        """Return the sum of squared errors of other rows for each penalty."""
        coefficients = np.column_stack([self.coefficients(alpha) for alpha in alphas])
        rows = validation.on(replace(validation.columns, shift=self.mean))
        # A prediction is a product of these with a row's features and constant.
        slopes = coefficients / self.scale[:, np.newaxis]
        model = np.vstack([slopes, self.intercept(coefficients)])
        kept = np.r_[0 : len(coefficients), rows.columns.n_columns - 1]
        gram, moments = rows.gram[np.ix_(kept, kept)], rows.moments[kept, 0]
        errors: Floats = (
            rows.squares[0] - 2 * moments @ model + (model * (gram @ model)).sum(axis=0)
        )
        return errors


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
            Null, or a list of two or more penalties. Then every split takes, in place of
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

    @property
    def external_bytes_per_value(self) -> float | None:  # type: ignore[override]
        """None to speak of: rows are read once, and added up."""
        return 0.0 if self.fits_from_sums else None

    @property
    def fits_from_sums(self) -> bool:
        """True, unless a derived class has a `fit` of its own that has to see the rows."""
        return type(self).fit is RidgeTrainer.fit

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
        everything = SplitView(X=X, y=y, feature_names=feature_names, sample_weight=sample_weight)
        return self._fit(everything, np.arange(len(y)))

    def fit_rows(self, data: SplitView, rows: NDArray[np.intp]) -> Self:
        """Fit from the sums that splits share, or on the rows without a copy of them."""
        return self._fit(data, rows) if self.fits_from_sums else super().fit_rows(data, rows)

    def _fit(self, data: SplitView, rows: NDArray[np.intp]) -> Self:
        if self.alpha_ is None:
            self.alpha_ = self._alpha(data.sums)
        weighted = None
        if data.sums is not None:
            sums = data.sums.total()
        else:
            add_up = partial(add_up_rows, data.X, data.y, rows, n_threads=data.n_threads)
            sums = add_up()
            if data.sample_weight is not None:
                weighted = add_up(weights=data.sample_weight)
        solution = RidgeSolution.of(
            sums, weighted=weighted, fit_intercept=self.params["fit_intercept"]
        )
        self.mean_, self.scale_ = solution.mean, solution.scale
        self.coef_ = solution.coefficients(self.alpha_)
        self.intercept_ = float(solution.intercept(self.coef_))
        self.feature_names = tuple(data.feature_names)
        return self

    def _alpha(self, sums: TrainSums | None) -> float:
        """Return the penalty: of several, the one that predicts the inner folds best."""
        if self.params["alphas"] is None:
            return float(self.params["alpha"])
        if sums is None:
            raise TrainingError(
                "alphas are chosen by inner folds, which these rows alone do not have; "
                "cross-validate, or give a single alpha"
            )
        alphas = tuple(map(float, self.params["alphas"]))
        fit_intercept = self.params["fit_intercept"]
        errors = [
            RidgeSolution.of(train, fit_intercept=fit_intercept).squared_error(validation, alphas)
            for train, validation in sums.inner_folds()
        ]
        if not errors:
            raise TrainingError(
                "alphas cannot be chosen: no train row is clear of another group, as for the "
                "first fold of a walk-forward; give a single alpha, or more train groups"
            )
        return alphas[int(np.argmin(np.sum(errors, axis=0)))]

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

    def to_bytes(self) -> bytes:
        """Return the fitted values as NumPy arrays, without pickle."""
        state = self._state() | {"alpha": self.alpha_}
        file = io.BytesIO()
        np.savez(
            file,
            state=np.array(json.dumps(state, sort_keys=True)),
            mean=self.mean_,
            scale=self.scale_,
            coef=self.coef_,
            intercept=np.float64(self.intercept_),
        )
        return file.getvalue()

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Restore fitted values; no code runs from them."""
        with np.load(io.BytesIO(data), allow_pickle=False) as stored:
            state = json.loads(str(stored["state"]))
            trainer = cls._of_state(state)
            trainer.alpha_ = state["alpha"]
            trainer.mean_, trainer.scale_ = stored["mean"], stored["scale"]
            trainer.coef_, trainer.intercept_ = stored["coef"], float(stored["intercept"])
        return trainer

    def digest(self) -> str:
        """Hash means, scales and coefficients."""
        return hash_values(self.feature_names, self.mean_, self.scale_, self.coef_, self.intercept_)
