"""Ridge for many labels at once, from sums over blocks of rows."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from model2_assets.training import FeatureMatrix

Floats = NDArray[np.float64]

_SAMPLE_ROWS = 65_536
_CHUNK_ROWS = 65_536

_CONSTANT = 1e-12
"""Variance in train rows, as a share of the sample's, that is nothing but rounding."""


@dataclass(frozen=True, eq=False)
class ImputableColumns:
    """Columns whose sums of products give train-only imputation and scaling exactly.

    A missing value becomes the mean of the split's train rows, so imputed features differ
    from split to split. But they are linear in columns that do not: each feature with 0
    where it is missing, an indicator that it is there (for features that are missing
    anywhere), and a constant. Sums of products of these, made once per block of rows,
    serve every split that trains on the block.

    Attributes
    ----------
    shift, scale : ndarray of shape (n_features,), float64
        Each feature is first reduced by its shift and divided by its scale. The model is
        the same for any; these are close to mean and spread, so that rounding is small.
    missing : ndarray of shape (n_missing,), intp
        Features that are missing anywhere.
    """

    shift: Floats
    scale: Floats
    missing: NDArray[np.intp]

    @classmethod
    def of(cls, X: FeatureMatrix) -> "ImputableColumns":
        """Choose the columns for a matrix of shape (n_rows, n_features), NaN where missing."""
        is_missing = np.zeros(X.shape[1], dtype=bool)
        for start in range(0, len(X), _CHUNK_ROWS):
            is_missing |= np.isnan(X[start : start + _CHUNK_ROWS]).any(axis=0)
        sample = X[:: max(1, len(X) // _SAMPLE_ROWS)].astype(np.float64)
        present = ~np.isnan(sample)
        n_present = np.maximum(present.sum(axis=0), 1)
        shift = np.where(present, sample, 0.0).sum(axis=0) / n_present
        variance = (np.where(present, sample - shift, 0.0) ** 2).sum(axis=0) / n_present
        scale = np.where(variance > 0.0, np.sqrt(variance), 1.0)
        return cls(shift=shift, scale=scale, missing=np.flatnonzero(is_missing))

    @property
    def n_features(self) -> int:
        """Number of features."""
        return len(self.shift)

    @property
    def n_columns(self) -> int:
        """Number of columns: features, indicators, and the constant at the end."""
        return self.n_features + len(self.missing) + 1

    @cached_property
    def indicator(self) -> NDArray[np.intp]:
        """Column of each feature's indicator; the constant for those never missing."""
        columns = np.full(self.n_features, self.n_columns - 1, dtype=np.intp)
        columns[self.missing] = self.n_features + np.arange(len(self.missing))
        return columns

    def values(self, X: NDArray[np.float32]) -> Floats:
        """Return the columns of rows of shape (n_rows, n_features).

        Returns
        -------
        ndarray of shape (n_rows, n_columns), float64
            C-contiguous.
        """
        values = np.ones((len(X), self.n_columns))
        features = values[:, : self.n_features]
        np.subtract(X, self.shift, out=features)
        features /= self.scale
        for feature in self.missing:
            absent = np.isnan(X[:, feature])
            features[absent, feature] = 0.0
            values[absent, self.indicator[feature]] = 0.0
        return values

    def ridge(self, gram: Floats, moments: Floats, *, alpha: float) -> Floats:
        r"""Fit Ridge on imputed, standardized features, for every label at once.

        Feature :math:`j` with train mean :math:`\mu_j` in place of missing values, less
        :math:`\mu_j`, is :math:`c_j = x_j - \mu_j m_j`, where :math:`x_j` is its column and
        :math:`m_j` its indicator. So :math:`C = A T` for the columns :math:`A` and a sparse
        :math:`T`, and all that Ridge needs follows from :math:`A^\top A` and
        :math:`A^\top Y`. Columns of C sum to zero, so the intercept is the mean label.

        Parameters
        ----------
        gram : ndarray of shape (n_columns, n_columns), float64
            Sum of products of the columns over the train rows.
        moments : ndarray of shape (n_columns, n_labels), float64
            Sum of products of the columns with each label over the train rows.
        alpha : float
            Penalty, as in ``sklearn.linear_model.Ridge`` behind
            ``SimpleImputer`` and ``StandardScaler``.

        Returns
        -------
        ndarray of shape (n_columns, n_labels), float64
            Coefficients of the columns: predictions are ``values(X) @ coefficients``.
        """
        n_rows = gram[-1, -1]
        features = np.arange(self.n_features)
        counts = gram[self.indicator, self.indicator]
        sums = gram[features, self.indicator]
        mean = np.divide(sums, counts, out=np.zeros_like(sums), where=counts > 0)
        centering = np.zeros((self.n_columns, self.n_features))
        centering[features, features] = 1.0
        centering[self.indicator, features] -= mean
        products = centering.T @ gram @ centering
        variance = np.diag(products) / n_rows
        spread = np.sqrt(np.where(variance > _CONSTANT, variance, 1.0))
        centering /= spread
        eigenvalues, directions = np.linalg.eigh(products / np.outer(spread, spread))
        shrunk = (directions.T @ (centering.T @ moments)) / (
            np.maximum(eigenvalues, 0.0)[:, np.newaxis] + alpha
        )
        coefficients: Floats = centering @ (directions @ shrunk)
        coefficients[-1] += moments[-1] / n_rows
        return coefficients
