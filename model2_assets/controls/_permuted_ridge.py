"""Ridge on labels permuted within each date: fitted from blocks of rows, ranked by date."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeVar

import joblib
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from model2_assets.controls._permutation import permute_within_dates
from model2_assets.controls._rank_correlation import rank_correlations
from model2_assets.controls._row_patterns import RowPatterns, find_row_patterns
from model2_assets.panel import date_codes
from model2_assets.training import (
    ColumnSums,
    FeatureMatrix,
    ImputableColumns,
    RidgeSolution,
    TrainingData,
    column_coefficients,
    compact,
    date_runs,
    rows_by_id,
)

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]
Result = TypeVar("Result")

_RUN_ROWS = 8192
"""Rows worked on at once: with 200 permutations, 13 MB an array."""


@dataclass(frozen=True, eq=False)
class PermutedRidge:
    """What both passes look at.

    Attributes
    ----------
    data : TrainingData
        Features, labels and roles of one horizon.
    patterns : RowPatterns
        Which splits train on and test each row.
    columns : ImputableColumns
        The columns whose products are added up.
    label_ranks : ndarray of shape (n_rows,), float64
        Rank of each label within its date, ties sharing their average.
    date_starts : ndarray of shape (n_dates + 1,), int64
        First row of each date, and the number of rows.
    n_permutations : int
        Permutations.
    seed : int
        Their seed.
    """

    data: TrainingData
    patterns: RowPatterns
    columns: ImputableColumns
    label_ranks: Floats
    date_starts: Counts
    n_permutations: int
    seed: int

    @classmethod
    def of(cls, data: TrainingData, *, n_permutations: int, seed: int) -> "PermutedRidge":
        """Prepare both passes over the rows of a horizon."""
        dates = date_codes(data.index)
        ranks = pd.Series(data.y).groupby(dates.codes).rank()
        return cls(
            data=data,
            patterns=find_row_patterns(data),
            columns=_columns_of(data.X),
            label_ranks=np.asarray(ranks, dtype=np.float64),
            date_starts=dates.starts,
            n_permutations=n_permutations,
            seed=seed,
        )

    def rank_ic_sums(self, *, alpha: float, n_threads: int) -> tuple[Floats, Counts]:
        """Fit every split on every permutation, predict, and rank.

        Parameters
        ----------
        alpha : float
            Ridge's penalty.
        n_threads : int
            Runs of dates worked on at once. Their sums are added in the order of dates.

        Returns
        -------
        total : ndarray of shape (n_permutations,), float64
            Sum of the rank ICs of all dates.
        n_dates : ndarray of shape (n_permutations,), int64
            Dates that have one.
        """
        coefficients = self._coefficients(alpha, n_threads)
        total = np.zeros(self.n_permutations)
        n_dates = np.zeros(self.n_permutations, dtype=np.int64)
        for part, part_dates in self._in_order(
            lambda dates: self._score(dates, coefficients), n_threads
        ):
            total += part
            n_dates += part_dates
        return total, n_dates

    def _coefficients(self, alpha: float, n_threads: int) -> Floats:
        """Return coefficients by test set: shape (n_test_sets, n_columns, n_permutations).

        Predictions are linear in them, so mean coefficients give the mean prediction of
        the splits that test a row.
        """
        sums = self._sums_by_pattern(n_threads)
        test_sets = self.patterns.test_sets
        coefficients = np.zeros((len(test_sets), self.columns.n_columns, self.n_permutations))
        for split_id in range(self.data.n_splits):
            trained = np.flatnonzero(self.patterns.trains[:, split_id]).tolist()
            solution = RidgeSolution.of(ColumnSums.total([sums[pattern] for pattern in trained]))
            coefficients[test_sets[:, split_id]] += column_coefficients(
                solution, self.columns, alpha=alpha
            )
        n_models = np.maximum(test_sets.sum(axis=1), 1)
        coefficients /= n_models[:, np.newaxis, np.newaxis]
        return coefficients

    def _sums_by_pattern(self, n_threads: int) -> dict[int, ColumnSums]:
        totals: dict[int, ColumnSums] = {}
        for run in self._in_order(self._add_up, n_threads):
            for pattern, sums in run:
                totals[pattern] = totals[pattern].plus(sums) if pattern in totals else sums
        return totals

    def _add_up(self, dates: range) -> list[tuple[int, ColumnSums]]:
        rows = self._rows(dates)
        values = self.columns.values(self.data.X[rows])
        labels = self.data.y[self._permuted_rows(dates)]
        return [
            (pattern, self._products(values[own], labels[:, own]))
            for pattern, own in rows_by_id(self.patterns.ids[rows])
            if self.patterns.is_trained[pattern]
        ]

    def _products(self, values: Floats, labels: Floats) -> ColumnSums:
        return ColumnSums(
            columns=self.columns,
            gram=values.T @ values,
            moments=values.T @ labels.T,
            squares=np.square(labels).sum(axis=1),
        )

    def _score(self, dates: range, coefficients: Floats) -> tuple[Floats, Counts]:
        rows = self._rows(dates)
        values = self.columns.values(self.data.X[rows])
        label_ranks = self.label_ranks[self._permuted_rows(dates)]
        predictions = np.full(label_ranks.shape, np.nan)
        test_sets = self.patterns.test_set_of[self.patterns.ids[rows]]
        for test_set, own in rows_by_id(test_sets):
            if self.patterns.is_tested[test_set]:
                predictions[:, own] = coefficients[test_set].T @ values[own].T
        is_tested = self.patterns.is_tested[test_sets]
        total = np.zeros(self.n_permutations)
        n_dates = np.zeros(self.n_permutations, dtype=np.int64)
        for date in dates:
            start, stop = self.date_starts[date : date + 2] - rows.start
            names = compact(start + np.flatnonzero(is_tested[start:stop]))
            rank_ic = rank_correlations(predictions[:, names], label_ranks[:, names])
            defined = ~np.isnan(rank_ic)
            total += np.where(defined, rank_ic, 0.0)
            n_dates += defined
        return total, n_dates

    def _rows(self, dates: range) -> slice:
        return slice(int(self.date_starts[dates.start]), int(self.date_starts[dates.stop]))

    def _permuted_rows(self, dates: range) -> NDArray[np.intp]:
        return permute_within_dates(
            self.date_starts, dates, n_permutations=self.n_permutations, seed=self.seed
        )

    def _in_order(self, work: Callable[[range], Result], n_threads: int) -> Iterator[Result]:
        """Work on runs of dates side by side; yield results in the order of dates."""
        runs = date_runs(self.date_starts, max_rows=_RUN_ROWS)
        parallel = joblib.Parallel(n_jobs=n_threads, backend="threading", return_as="generator")
        results: Iterator[Result] = parallel(joblib.delayed(work)(run) for run in runs)
        return results


def _columns_of(X: FeatureMatrix) -> ImputableColumns:
    chunks = range(0, len(X), _RUN_ROWS)
    return ImputableColumns.common(
        ImputableColumns.of(X[start : start + _RUN_ROWS]) for start in chunks
    )
