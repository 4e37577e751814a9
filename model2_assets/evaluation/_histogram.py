"""How values are distributed, within limits and beyond them."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True, eq=False)
class Histogram:
    """Counts of values in bins of equal width.

    Attributes
    ----------
    edges : ndarray of shape (n_bins + 1,), float64
        Ascending, symmetric about zero, in the values' unit.
    counts : ndarray of shape (n_bins,), int64
        Values in each bin; the last bin includes its upper edge.
    beyond : int
        Finite values outside the edges.
    """

    edges: NDArray[np.float64]
    counts: NDArray[np.int64]
    beyond: int

    @property
    def shares(self) -> NDArray[np.float64]:
        """Share of all finite values in each bin; zeros where there is none."""
        total = int(self.counts.sum()) + self.beyond
        return self.counts / max(total, 1)


def histogram(values: ArrayLike, *, reach: float, n_bins: int = 100) -> Histogram:
    """Count values in bins from ``-reach`` to ``reach``.

    Parameters
    ----------
    values : array-like, float
        Those that are not finite are left out.
    reach : float
        Where bins end, in the values' unit; above 0.
    n_bins : int, default 100
        Bins of equal width; an even number has an edge at zero.

    Returns
    -------
    Histogram
        The counts.

    Examples
    --------
    >>> histogram([-1.5, 0.5, 1.0, 7.0], reach=2, n_bins=4).counts.tolist()
    [1, 0, 1, 1]
    """
    numbers = np.asarray(values, dtype=np.float64)
    numbers = numbers[np.isfinite(numbers)]
    counts, edges = np.histogram(numbers, bins=n_bins, range=(-reach, reach))
    return Histogram(edges, counts.astype(np.int64), len(numbers) - int(counts.sum()))


def reach_of(values: ArrayLike, *, tail: float = 0.001) -> float:
    """Return how far from zero all but a share of the values lie; 1.0 without any size.

    Parameters
    ----------
    values : array-like, float
        Those that are not finite are left out.
    tail : float, default 0.001
        Share of the values that may lie beyond.

    Returns
    -------
    float
        In the values' unit.
    """
    numbers = np.abs(np.asarray(values, dtype=np.float64))
    numbers = numbers[np.isfinite(numbers)]
    return float(np.quantile(numbers, 1 - tail)) or 1.0 if len(numbers) else 1.0
