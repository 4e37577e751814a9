"""Linear scikit-learn estimators behind train-only imputation and scaling."""

import io
from abc import abstractmethod
from typing import Any, ClassVar, Self

import joblib
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.validation import has_fit_parameter

from model2_assets.training.base_models import BaseModelTrainer, hash_values, importance_frame


class LinearTrainer(BaseModelTrainer):
    """A linear scikit-learn estimator on imputed, standardized features.

    The pipeline ``SimpleImputer(mean) → StandardScaler → estimator`` runs in float64 and
    is fitted on the rows given to `fit` alone. A feature without any value becomes 0
    and keeps its place. Derive from it with any estimator that has ``coef_`` and
    ``intercept_``:

    >>> from sklearn.linear_model import Lasso
    >>> class LassoTrainer(LinearTrainer):
    ...     DEFAULT_PARAMS = {"alpha": 1.0}
    ...
    ...     def make_estimator(self):
    ...         return Lasso(alpha=self.params["alpha"], random_state=self.seed)
    """

    file_extension: ClassVar[str] = ".joblib"
    libraries: ClassVar[tuple[str, ...]] = ("scikit-learn", "numpy", "joblib")
    determinism_tolerance_bps: ClassVar[float] = 1e-9
    fit_bytes_per_value: ClassVar[int] = 24

    pipeline_: Pipeline
    """The fitted pipeline, with steps ``impute``, ``scale`` and ``model``."""

    @abstractmethod
    def make_estimator(self) -> Any:
        """Return an unfitted scikit-learn regressor, from `params` and `seed`."""

    def fit(
        self,
        X: NDArray[np.float32],
        y: NDArray[np.float64],
        *,
        feature_names: tuple[str, ...],
        sample_weight: NDArray[np.float64] | None = None,
    ) -> Self:
        """Fit the pipeline; see `BaseModelTrainer.fit`.

        Weights go to the estimator alone: means and scales describe the features.
        """
        # The steps work in place on one private float64 copy.
        pipeline = Pipeline(
            [
                ("impute", SimpleImputer(strategy="mean", keep_empty_features=True, copy=False)),
                ("scale", StandardScaler(copy=False)),
                ("model", self.make_estimator()),
            ]
        )
        weights = {} if sample_weight is None else {"model__sample_weight": sample_weight}
        self.pipeline_ = pipeline.fit(X.astype(np.float64), y, **weights)
        self.feature_names = tuple(feature_names)
        return self

    def takes_sample_weight(self) -> bool:
        """Tell whether the estimator's own ``fit`` takes weights of rows."""
        own = super().takes_sample_weight()
        return own and has_fit_parameter(self.make_estimator(), "sample_weight")

    def predict(self, X: NDArray[np.float32]) -> NDArray[np.float64]:
        """Predict labels in bps; see `BaseModelTrainer.predict`."""
        self._require_fitted(X)
        return np.asarray(self.pipeline_.predict(X.astype(np.float64)), dtype=np.float64)

    def importances(self) -> pd.DataFrame:
        """Return the standardized coefficients, in bps per standard deviation."""
        coefficients = np.asarray(self.pipeline_["model"].coef_, dtype=np.float64).ravel()
        return importance_frame(self.feature_names, {"coefficient": coefficients})

    def to_bytes(self) -> bytes:
        """Return the fitted pipeline as joblib writes it (a pickle)."""
        file = io.BytesIO()
        joblib.dump(self._state() | {"pipeline": self.pipeline_}, file)
        return file.getvalue()

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Restore a fitted pipeline; unpickling runs code, so verify the hash first."""
        state = joblib.load(io.BytesIO(data))
        trainer = cls._of_state(state)
        trainer.pipeline_ = state["pipeline"]
        return trainer

    def digest(self) -> str:
        """Hash the imputer's means, the scaler's moments and the coefficients."""
        imputer, scaler, model = (self.pipeline_[name] for name in ("impute", "scale", "model"))
        return hash_values(
            self.feature_names,
            imputer.statistics_,
            scaler.mean_,
            scaler.scale_,
            model.coef_,
            model.intercept_,
        )
