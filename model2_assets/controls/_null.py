"""The null control: labels that mean nothing must be predicted no better than by chance."""

import logging
import time
from dataclasses import dataclass
from math import sqrt

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from model2_assets.controls._permuted_ridge import PermutedRidge
from model2_assets.errors import TrainingError
from model2_assets.training import TrainingData, usable_cores

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
