"""Sums of products that give imputation and scaling by any set of train rows exactly."""

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
