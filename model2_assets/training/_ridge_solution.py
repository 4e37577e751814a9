"""Ridge on imputed, standardized features, from sums of products."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from model2_assets.training._column_sums import ColumnSums, Floats, ImputableColumns

Constants = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Scaling:
    """Mean and scale of every feature among train rows.

    Attributes
    ----------
    mean : ndarray of shape (n_features,), float64
        Mean of the values that there are, 0 where there is none.
    scale : ndarray of shape (n_features,), float64
        Standard deviation, missing values counting as the mean; 1 for a constant.
    is_constant : ndarray of shape (n_features,), bool
        Features that are exactly constant, which get no coefficient.
    """

    mean: Floats
    scale: Floats
    is_constant: Constants

    @classmethod
    def of(cls, sums: ColumnSums) -> "Scaling":
        """Work out means and scales.

        Notes
        -----
        Which variances are nothing but rounding is scikit-learn's rule, of
        ``sklearn.preprocessing.StandardScaler``.
        """
        columns = sums.columns
        features, indicator = np.arange(columns.n_features), columns.indicator
        counts, totals = sums.gram[indicator, indicator], sums.gram[features, indicator]
        offset = np.divide(totals, counts, out=np.zeros_like(totals), where=counts > 0)
        mean = np.nan_to_num(columns.shift) + offset
        n_rows = sums.gram[-1, -1]
        centered = sums.on(columns.shifted_by(mean))
        variance = centered.gram[features, features] / n_rows
        epsilon = np.finfo(np.float64).eps
        rounding = n_rows * epsilon * variance + (n_rows * mean * epsilon) ** 2
        scale = np.sqrt(np.where(variance > rounding, variance, 1.0))
        return cls(mean=mean, scale=scale, is_constant=variance <= 0.0)


@dataclass(frozen=True, eq=False)
class RidgeSolution:
    r"""Ridge for every penalty and label at once.

    Feature :math:`j` with the train mean :math:`\mu_j` in place of missing values, less
    :math:`\mu_j`, is a column that is shifted by :math:`\mu_j` and 0 where missing. So all
    that Ridge needs are sums of products of columns. With the eigendecomposition
    :math:`V D V^\top` of the products of standardized features, the coefficients for a
    penalty :math:`\alpha` are :math:`V (D + \alpha)^{-1} V^\top C^\top y`.

    Attributes
    ----------
    scaling : Scaling
        Means and scales.
    eigenvalues : ndarray of shape (n_features,), float64
        D, never negative.
    directions : ndarray of shape (n_features, n_features), float64
        V, in columns.
    projected : ndarray of shape (n_features, n_labels), float64
        Products of the labels with the features along V.
    center : ndarray of shape (n_features,), float64
        Mean of the standardized features, which the intercept makes up for: rounding, unless
        rows have weights.
    label_mean : ndarray of shape (n_labels,), float64
        Mean of each label, 0 without an intercept.
    """

    scaling: Scaling
    eigenvalues: Floats
    directions: Floats
    projected: Floats
    center: Floats
    label_mean: Floats

    @classmethod
    def of(
        cls, sums: ColumnSums, *, weighted: ColumnSums | None = None, fit_intercept: bool = True
    ) -> "RidgeSolution":
        """Solve for the sums over train rows.

        Parameters
        ----------
        sums : ColumnSums
            Over the train rows.
        weighted : ColumnSums, optional
            The same with every row multiplied by its weight. Means and scales stay those
            of rows that count alike: they describe the features.
        fit_intercept : bool, default True
            Whether there is an intercept.
        """
        scaling = Scaling.of(sums)
        used = (weighted or sums).on(sums.columns.shifted_by(scaling.mean))
        n_features = sums.columns.n_features
        total = used.gram[-1, -1]
        products = used.gram[:n_features, :n_features]
        moments = used.moments[:n_features]
        center = np.zeros(n_features)
        label_mean = np.zeros(moments.shape[1])
        if fit_intercept:
            center, label_mean = used.gram[:n_features, -1] / total, used.moments[-1] / total
            products = products - total * np.outer(center, center)
            moments = moments - total * np.outer(center, label_mean)
        scale = scaling.scale
        eigenvalues, directions = np.linalg.eigh(products / np.outer(scale, scale))
        return cls(
            scaling=scaling,
            eigenvalues=np.maximum(eigenvalues, 0.0),
            directions=directions,
            projected=directions.T @ (moments / scale[:, np.newaxis]),
            center=center / scale,
            label_mean=label_mean,
        )

    def coefficients(self, alpha: float) -> Floats:
        """Return the coefficients of the standardized features.

        Parameters
        ----------
        alpha : float
            The penalty.

        Returns
        -------
        ndarray of shape (n_features, n_labels), float64
            In units of the label per standard deviation.
        """
        shrunk = self.projected / (self.eigenvalues[:, np.newaxis] + alpha)
        coefficients = self.directions @ shrunk
        coefficients[self.scaling.is_constant] = 0.0
        return coefficients

    def intercepts(self, coefficients: Floats) -> Floats:
        """Return what is predicted where every feature has its mean, shape (n_labels,)."""
        return self.label_mean - self.center @ coefficients

    def squared_error(self, validation: ColumnSums, alphas: tuple[float, ...]) -> Floats:
        """Return how far predictions of other rows are from their label.

        Parameters
        ----------
        validation : ColumnSums
            Over those rows, of one label.
        alphas : tuple of float
            Penalties.

        Returns
        -------
        ndarray of shape (n_alphas,), float64
            Sum of squared errors for each penalty.
        """
        coefficients = np.hstack([self.coefficients(alpha) for alpha in alphas])
        n_features = len(coefficients)
        rows = validation.on(validation.columns.shifted_by(self.scaling.mean))
        slopes = coefficients / self.scaling.scale[:, np.newaxis]
        # A prediction is a product of these with a row's features and constant.
        model = np.vstack([slopes, self.label_mean - self.center @ coefficients])
        kept = np.r_[0:n_features, rows.columns.n_columns - 1]
        gram, moments = rows.gram[np.ix_(kept, kept)], rows.moments[kept, 0]
        errors: Floats = (
            rows.squares[0] - 2 * moments @ model + (model * (gram @ model)).sum(axis=0)
        )
        return errors


def column_coefficients(
    solution: RidgeSolution, columns: ImputableColumns, *, alpha: float
) -> Floats:
    """Return what columns are multiplied with to give predictions.

    Parameters
    ----------
    solution : RidgeSolution
        From sums of these columns.
    columns : ImputableColumns
        The columns.
    alpha : float
        The penalty.

    Returns
    -------
    ndarray of shape (n_columns, n_labels), float64
        Predictions are ``columns.values(X) @ coefficients``.
    """
    standardized = solution.coefficients(alpha)
    slopes = standardized / solution.scaling.scale[:, np.newaxis]
    coefficients = np.zeros((columns.n_columns, slopes.shape[1]))
    coefficients[: columns.n_features] = slopes
    offset = solution.scaling.mean - np.nan_to_num(columns.shift)
    np.subtract.at(coefficients, columns.indicator, offset[:, np.newaxis] * slopes)
    coefficients[-1] += solution.intercepts(standardized)
    return coefficients
