"""Ridge on imputed, standardized features, from sums of products."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property, reduce
from typing import Self

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class ImputableColumns:
    """Columns that are the same for every split, and of which imputed features are made.

    A missing value becomes the mean of the split's train rows, so imputed features differ
    from split to split. But they are linear in columns that do not: each feature less a
    number, with 0 where it is missing; an indicator that it is there (for features that are
    missing in some of the rows); and a constant. Sums of products of these, made once per
    block of rows, serve every split that trains on the block.

    Attributes
    ----------
    shift : ndarray of shape (n_features,), float64
        What each feature is reduced by; NaN for a feature without any value. The model is
        the same for any. Near the values rounding is small, and a constant feature that is
        shifted by its own value is exactly 0.
    missing : ndarray of shape (n_missing,), intp
        Ascending positions of the features that have an indicator.
    """

    shift: Floats
    missing: NDArray[np.intp]

    @classmethod
    def of(cls, X: NDArray[np.float32]) -> Self:
        """Choose the columns of rows of shape (n_rows, n_features), NaN where missing.

        Features are shifted by the first value that they have: a fact of these rows alone.
        """
        return cls._of(X, has_missing(X))

    @classmethod
    def _of(cls, X: NDArray[np.float32], incomplete: NDArray[np.bool_]) -> Self:
        missing = np.flatnonzero(np.isnan(X[incomplete]).any(axis=0))
        shift = X[np.argmin(incomplete)].astype(np.float64)
        for feature in np.flatnonzero(np.isnan(shift)):
            present = np.flatnonzero(~np.isnan(X[:, feature]))
            if len(present):
                shift[feature] = X[present[0], feature]
        return cls(shift=shift, missing=missing)

    @classmethod
    def common(cls, parts: Iterable[Self]) -> Self:
        """Return columns that the sums over every one of the parts can be brought to."""
        return reduce(cls._with, parts)

    def _with(self, other: Self) -> Self:
        return type(self)(
            shift=np.where(np.isnan(self.shift), other.shift, self.shift),
            missing=np.union1d(self.missing, other.missing),
        )

    def shifted_by(self, shift: Floats) -> Self:
        """Return the same columns, features being reduced by other numbers."""
        return type(self)(shift=shift, missing=self.missing)

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
        np.subtract(X, np.nan_to_num(self.shift), out=features)
        if len(self.missing):
            absent = np.isnan(X)
            np.copyto(features, 0.0, where=absent)
            values[:, self.n_features : -1] = ~absent[:, self.missing]
        return values


@dataclass(frozen=True, eq=False)
class ColumnSums:
    """Sums of products of columns over rows.

    Attributes
    ----------
    columns : ImputableColumns
        The columns.
    gram : ndarray of shape (n_columns, n_columns), float64
        Sums of their products with each other.
    moments : ndarray of shape (n_columns, n_labels), float64
        Sums of their products with each label.
    squares : ndarray of shape (n_labels,), float64
        Sum of squares of each label.
    """

    columns: ImputableColumns
    gram: Floats
    moments: Floats
    squares: Floats

    @classmethod
    def of(
        cls, X: NDArray[np.float32], labels: Floats, weights: Floats | None = None
    ) -> "ColumnSums":
        """Add up rows.

        Rows without any missing value are added up on features and the constant, which their
        indicators equal; the others, usually few, on all columns.

        Parameters
        ----------
        X : ndarray of shape (n_rows, n_features), float32
            NaN where a feature is missing.
        labels : ndarray of shape (n_rows, n_labels), float64
            Labels.
        weights : ndarray of shape (n_rows,), float64, optional
            What every product of a row is multiplied by.
        """
        incomplete = has_missing(X)
        columns = ImputableColumns._of(X, incomplete)
        roots = None if weights is None else np.sqrt(weights)
        if not incomplete.any():
            return _products(columns, columns.values(X), labels, roots)
        some = _products(
            columns,
            columns.values(X[incomplete]),
            labels[incomplete],
            None if roots is None else roots[incomplete],
        )
        if incomplete.all():
            return some
        plain = ImputableColumns(shift=columns.shift, missing=np.empty(0, dtype=np.intp))
        values = plain.values(X)
        values[incomplete] = 0.0
        labels = np.where(incomplete[:, np.newaxis], 0.0, labels)
        return some.plus(_products(plain, values, labels, roots).on(columns))

    @classmethod
    def total(cls, parts: Sequence["ColumnSums"]) -> "ColumnSums":
        """Add up sums over several sets of rows, in their order."""
        columns = ImputableColumns.common(part.columns for part in parts)
        total = parts[0].on(columns)
        for part in parts[1:]:
            other = part.on(columns)
            total.gram[...] += other.gram
            total.moments[...] += other.moments
            total.squares[...] += other.squares
        return total

    def plus(self, other: "ColumnSums") -> "ColumnSums":
        """Return the sums over the rows of both, of equal columns."""
        return ColumnSums(
            columns=self.columns,
            gram=self.gram + other.gram,
            moments=self.moments + other.moments,
            squares=self.squares + other.squares,
        )

    def of_label(self, label: int) -> "ColumnSums":
        """Return the sums of one label, by its position."""
        one = slice(label, label + 1)
        return ColumnSums(
            columns=self.columns,
            gram=self.gram,
            moments=self.moments[:, one],
            squares=self.squares[one],
        )

    def on(self, columns: ImputableColumns) -> "ColumnSums":
        """Return the sums of products of other columns over the same rows.

        Parameters
        ----------
        columns : ImputableColumns
            With an indicator for every feature that has one here.

        Returns
        -------
        ColumnSums
            With x less s in place of x less t, each product of x has (t - s) times that of
            its indicator added.
        """
        own, n_features = self.columns, columns.n_features
        source = np.concatenate(
            [np.arange(n_features), own.indicator[columns.missing], [own.n_columns - 1]]
        )
        indicator = columns.indicator
        offset = np.nan_to_num(own.shift - columns.shift)
        gram, moments = self.gram[np.ix_(source, source)], self.moments[source]
        if offset.any():
            gram[:n_features] += offset[:, np.newaxis] * gram[indicator]
            gram[:, :n_features] += offset * gram[:, indicator]
            moments[:n_features] += offset[:, np.newaxis] * moments[indicator]
        return ColumnSums(columns=columns, gram=gram, moments=moments, squares=self.squares.copy())


def has_missing(X: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Tell which rows of shape (n_rows, n_features) have a missing value.

    A row whose sum overflows both ways counts as one that has.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        total = X @ np.ones(X.shape[1], dtype=np.float32)
    return np.isnan(total)


def _products(
    columns: ImputableColumns, values: Floats, labels: Floats, roots: Floats | None
) -> ColumnSums:
    if roots is not None:
        values *= roots[:, np.newaxis]
        labels = labels * roots[:, np.newaxis]
    # Label by label: a product with several at once is rounded otherwise than with one.
    each = np.ascontiguousarray(labels.T)
    return ColumnSums(
        columns=columns,
        gram=values.T @ values,
        moments=np.stack([values.T @ label for label in each], axis=1),
        squares=np.array([label @ label for label in each]),
    )


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
