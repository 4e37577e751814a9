"""The simplest stack that cannot bet against its base models."""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import nnls

from model2_assets.errors import TrainingError


def nonnegative_weights(columns: ArrayLike, label: ArrayLike) -> NDArray[np.float64]:
    r"""Fit the weights of a linear stack, none of them below zero.

    .. math::

        \min_{w \ge 0} \; \lVert (y - \bar y) - (P - \bar P) w \rVert_2

    as Breiman [1]_ stacks regressions. Non-negative weights keep nearly equal columns from
    being played against each other.

    Parameters
    ----------
    columns : array-like of shape (n_rows, n_columns), float
        Out-of-fold predictions, bps.
    label : array-like of shape (n_rows,), float
        Labels, bps.

    Returns
    -------
    ndarray of shape (n_columns,), float64
        All zero where no column has a positive part in the best fit: such a stack predicts
        nothing.

    Raises
    ------
    TrainingError
        If there is no row, or a value is not finite.

    References
    ----------
    .. [1] L. Breiman, "Stacked Regressions", Machine Learning 24, 1996.

    Examples
    --------
    >>> weights = nonnegative_weights([[1.0, -1.0], [2.0, 1.0], [3.0, 0.0]], [2.0, 4.0, 6.0])
    >>> weights.round(9).tolist()
    [2.0, 0.0]
    """
    P = np.asarray(columns, dtype=np.float64)
    y = np.asarray(label, dtype=np.float64)
    if not len(y) or not (np.isfinite(P).all() and np.isfinite(y).all()):
        raise TrainingError(
            f"a stack needs rows whose columns and label are all finite, got {len(y):,} rows; drop "
            f"those with a missing value"
        )
    weights: NDArray[np.float64] = nnls(P - P.mean(axis=0), y - y.mean())[0]
    return weights
