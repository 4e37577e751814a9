"""The null control: labels that mean nothing must be predicted no better than by chance."""

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import sqrt
from typing import TypeVar

import joblib
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from model2_assets.config import ChecksConfig
from model2_assets.errors import TrainingError
from model2_assets.panel import date_codes
from model2_assets.training import (
    ColumnSums,
    FeatureMatrix,
    ImputableColumns,
    RidgeSolution,
    TrainingData,
    assemble_training_data,
    column_coefficients,
    compact,
    date_runs,
    number_rows,
    role_marks,
    rows_by_id,
    usable_cores,
)


def permute_within_dates(
    date_starts: NDArray[np.int64], dates: range, *, n_permutations: int, seed: int
) -> NDArray[np.intp]:
    """Draw permutations of rows that keep every row in its date.

    Every date has a random stream of its own, so its permutations do not depend on how
    dates are cut into runs.

    Parameters
    ----------
    date_starts : ndarray of shape (n_dates + 1,), int64
        First row of each date, and the number of rows.
    dates : range
        Positions of neighbouring dates.
    n_permutations : int
        Permutations to draw.
    seed : int
        Seed of every draw.

    Returns
    -------
    ndarray of shape (n_permutations, n_rows), intp
        For each row of these dates, the row (of the whole table) that lends its label.
    """
    first = date_starts[dates.start]
    rows = np.empty((n_permutations, date_starts[dates.stop] - first), dtype=np.intp)
    for date in dates:
        start, stop = date_starts[date], date_starts[date + 1]
        own = np.broadcast_to(np.arange(start, stop, dtype=np.intp), (n_permutations, stop - start))
        rows[:, start - first : stop - first] = np.random.default_rng([seed, date]).permuted(
            own, axis=1
        )
    return rows


Floats = NDArray[np.float64]

MIN_NAMES = 3
"""Fewest names of a date with a correlation: two always correlate by plus or minus one."""


def rank_correlations(predictions: Floats, label_ranks: Floats) -> Floats:
    """Correlate the ranks of predictions with the ranks of labels, row by row.

    Labels are ranked once by the caller and only permuted after, so that one sort a row is
    enough.

    Parameters
    ----------
    predictions : ndarray of shape (n_permutations, n_names), float64
        Predictions of one date; any unit.
    label_ranks : ndarray of shape (n_permutations, n_names), float64
        Ranks of the labels that these names have, ties sharing their average.

    Returns
    -------
    ndarray of shape (n_permutations,), float64
        Spearman's correlation; NaN below 3 names or with a constant side.
    """
    n_names = predictions.shape[1]
    if n_names < MIN_NAMES:
        return np.full(len(predictions), np.nan)
    order = np.argsort(predictions, axis=1)
    ordered = np.take_along_axis(predictions, order, axis=1)
    centered = label_ranks - label_ranks.mean(axis=1, keepdims=True)
    ranks = np.arange(n_names) - (n_names - 1) / 2
    products = np.take_along_axis(centered, order, axis=1) @ ranks
    squares = np.full(len(predictions), ranks @ ranks)
    tied = (ordered[:, 1:] == ordered[:, :-1]).any(axis=1)
    if tied.any():
        products[tied], squares[tied] = _with_ties(predictions[tied], centered[tied])
    scale = np.sqrt(squares * np.einsum("ij,ij->i", centered, centered))
    correlations = np.full(len(predictions), np.nan)
    np.divide(products, scale, out=correlations, where=scale > 0)
    return correlations


def _with_ties(predictions: Floats, centered: Floats) -> tuple[Floats, Floats]:
    from scipy.stats import rankdata

    ranks = rankdata(predictions, axis=1)
    ranks -= ranks.mean(axis=1, keepdims=True)
    return np.einsum("ij,ij->i", ranks, centered), np.einsum("ij,ij->i", ranks, ranks)


@dataclass(frozen=True, eq=False)
class RowPatterns:
    """Which splits train on and test each row.

    Splits differ in few ways: by groups of dates, less what is purged at their edges. So
    there are some tens of patterns, and a sum over the train rows of any split is a sum of
    patterns.

    Attributes
    ----------
    ids : ndarray of shape (n_rows,), intp
        Pattern of each row.
    trains : ndarray of shape (n_patterns, n_splits), bool
        Whether a split trains on the rows of a pattern.
    test_sets : ndarray of shape (n_test_sets, n_splits), bool
        The distinct sets of splits that test a row.
    test_set_of : ndarray of shape (n_patterns,), intp
        Test set of the rows of each pattern.
    """

    ids: NDArray[np.intp]
    trains: NDArray[np.bool_]
    test_sets: NDArray[np.bool_]
    test_set_of: NDArray[np.intp]

    @cached_property
    def is_trained(self) -> NDArray[np.bool_]:
        """Whether any split trains on the rows of a pattern: shape (n_patterns,)."""
        return np.asarray(self.trains.any(axis=1), dtype=bool)

    @cached_property
    def is_tested(self) -> NDArray[np.bool_]:
        """Whether a test set has any split: shape (n_test_sets,)."""
        return np.asarray(self.test_sets.any(axis=1), dtype=bool)


def find_row_patterns(data: TrainingData) -> RowPatterns:
    """Group rows by the splits that train on them and the splits that test them.

    The rows are those of `TrainingData.train_rows` and `TrainingData.test_rows`, by which
    every model is fitted and predicts. A row may be among both: that is what a control is
    there to find out.

    Parameters
    ----------
    data : TrainingData
        Rows and their roles.

    Returns
    -------
    RowPatterns
        Patterns in the order of their first rows.

    Raises
    ------
    TrainingError
        If a split has no train or no test rows; the message names it.
    """
    for split_id in range(data.n_splits):
        n_train, n_test = len(data.train_rows(split_id)), len(data.test_rows(split_id))
        if not n_train or not n_test:
            raise TrainingError(
                f"split {split_id} has {n_train} train and {n_test} test rows; lengthen "
                f"the history, or lower n_groups or embargo_days"
            )
    ids = number_rows(data.n_rows, role_marks(data))
    trains = np.zeros((int(ids.max(initial=-1)) + 1, data.n_splits), dtype=bool)
    tests = np.zeros_like(trains)
    for split_id in range(data.n_splits):
        trains[ids[data.train_rows(split_id)], split_id] = True
        tests[ids[data.test_rows(split_id)], split_id] = True
    test_sets, test_set_of = np.unique(tests, axis=0, return_inverse=True)
    return RowPatterns(
        ids=ids,
        trains=trains,
        test_sets=test_sets,
        test_set_of=test_set_of.ravel().astype(np.intp),
    )


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


logger = logging.getLogger(__name__)

PENALTY = 1.0
"""Ridge's alpha, as good as none: the freer the fit, the plainer a label that it has seen."""


@dataclass(frozen=True, eq=False)
class NullControl:
    """How well permuted labels were predicted.

    Attributes
    ----------
    rank_ics : ndarray of shape (n_permutations,), float64
        Mean per-date rank IC of each permutation, over the dates that have one.
    n_dates : int
        Dates with a rank IC. Without any, because none has three names, `rank_ics` are NaN.
    seed : int
        Seed of the permutations.
    """

    rank_ics: NDArray[np.float64]
    n_dates: int
    seed: int

    @property
    def mean(self) -> float:
        """Mean over the permutations."""
        return float(self.rank_ics.mean())

    @property
    def sd(self) -> float:
        """Sample standard deviation over the permutations."""
        return float(self.rank_ics.std(ddof=1))

    @property
    def monte_carlo_error(self) -> float:
        """Standard error of the mean, ``sd / sqrt(n_permutations)``."""
        return self.sd / sqrt(len(self.rank_ics))


def null_control(
    data: TrainingData, *, n_permutations: int = 200, seed: int = 7, n_threads: int | None = None
) -> NullControl:
    r"""Cross-validate Ridge on labels permuted within each date.

    A permuted label says nothing about its row, nor about labels of other dates. So given
    the train labels of a split, every arrangement of a test date's labels is equally
    likely, and the expected rank IC is exactly 0 whatever the features: unless labels of
    the test date reached the fit. Then a prediction follows its own row's label in
    proportion to the row's leverage, and rank ICs lie near :math:`\sqrt{p / n}` for
    :math:`p` features and :math:`n` train rows, which is many Monte Carlo errors. Where a
    split trains on other rows of a date than it tests, their labels come from one urn, and
    rank ICs turn slightly negative; the overlap proof refuses such splits outright.

    Permuting destroys two leaks, which this control therefore cannot see: labels whose
    windows overlap on different dates (the overlap proof counts these), and features that
    know the future (the look-ahead control finds these).

    Parameters
    ----------
    data : TrainingData
        Features, labels and roles of one horizon. A split's model is fitted on its
        `train_rows` and predicts its `test_rows`; a row that several splits test is
        predicted by their mean. Rows that no split tests are not scored.
    n_permutations : int, default 200
        Permutations, at least 2; each refits every split.
    seed : int, default 7
        Seed of the permutations. Dates have streams of their own, so the same seed moves
        the rows of two horizons alike.
    n_threads : int, optional
        Threads; by default one per usable core. Results are equal to the bit for any.

    Returns
    -------
    NullControl
        Mean rank IC of each permutation.

    Raises
    ------
    TrainingError
        If there are fewer than 2 permutations, or a split has no train or no test rows.

    Notes
    -----
    Predictions are those of scikit-learn's ``SimpleImputer``, ``StandardScaler`` and
    ``Ridge(alpha=1)``, fitted on the train rows of every split for every permutation. They
    take two passes over the rows: one adds up products of features and labels by blocks of
    rows, from which every split follows by one eigendecomposition; the other predicts and
    ranks. Memory does not grow with rows times permutations.

    Where a date is tested in part, its labels are ranked among all rows of the date.

    References
    ----------
    P. Good, "Permutation, Parametric and Bootstrap Tests of Hypotheses", 3rd edition,
    Springer 2005: permutations within blocks, here dates.
    """
    if n_permutations < 2:
        raise TrainingError(
            f"null control: n_permutations must be at least 2 to have a spread, "
            f"got {n_permutations}"
        )
    started = time.monotonic()
    ridge = PermutedRidge.of(data, n_permutations=n_permutations, seed=seed)
    with threadpool_limits(limits=1, user_api="blas"):
        total, n_dates = ridge.rank_ic_sums(alpha=PENALTY, n_threads=n_threads or usable_cores())
    rank_ics = np.divide(total, n_dates, out=np.full(n_permutations, np.nan), where=n_dates > 0)
    logger.info(
        "null control: %d permutations of %s labels in %d splits, %.1f s",
        n_permutations,
        f"{data.n_rows:,}",
        data.n_splits,
        time.monotonic() - started,
    )
    return NullControl(rank_ics=rank_ics, n_dates=int(n_dates.max(initial=0)), seed=seed)


def null_control_by_horizon(
    features: pd.DataFrame,
    labels: pd.DataFrame,
    splits: pd.DataFrame,
    *,
    horizons: Sequence[str],
    settings: ChecksConfig,
    n_threads: int | None = None,
) -> dict[str, NullControl]:
    """Run the null control on the rows of every horizon.

    Parameters
    ----------
    features, labels, splits : DataFrame
        The tables that models are trained on.
    horizons : sequence of str
        Such as ``("21d", "63d")``.
    settings : ChecksConfig
        Number of permutations, and their seed.
    n_threads : int, optional
        Threads; the usable cores by default. The result does not depend on it.

    Returns
    -------
    dict of str to NullControl
        By horizon.
    """
    return {
        horizon: null_control(
            assemble_training_data(features, labels, splits, horizon=horizon),
            n_permutations=settings.null_control_permutations,
            seed=settings.controls_seed,
            n_threads=n_threads,
        )
        for horizon in horizons
    }
