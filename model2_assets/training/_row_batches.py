"""Rows of training data, batch by batch, as XGBoost takes them in."""

from collections.abc import Callable
from typing import Any

import numpy as np
import xgboost as xgb
from numpy.typing import NDArray

from model2_assets.training._params import ParameterError
from model2_assets.training._training_data import FeatureMatrix

_BATCH_ROWS = 65_536
_LARGEST_RANK = 0.5


class RowBatches(xgb.DataIter):
    """Chosen rows in batches, so that no copy of all of them is ever in memory.

    XGBoost reads them several times: to count, to find the cuts of the histograms, and to
    sort values into bins. Cuts and bins are those of one array of the same rows.

    Parameters
    ----------
    X : array of shape (n_all_rows, n_features), float32
        Features, of which slices and positions of rows are taken.
    y : ndarray of shape (n_all_rows,), float64
        Labels.
    rows : ndarray of shape (n_rows,), intp
        Positions of the chosen rows.
    weight : ndarray of shape (n_rows,), float64, optional
        Weights of the chosen rows.
    missing_as : float, optional
        Put in place of NaN.
    """

    def __init__(
        self,
        X: FeatureMatrix,
        y: NDArray[np.float64],
        rows: NDArray[np.intp],
        weight: NDArray[np.float64] | None = None,
        missing_as: float | None = None,
    ) -> None:
        super().__init__(release_data=True)
        self._missing_as = missing_as
        self._X, self._y, self._rows, self._weight = X, y, rows, weight
        self._start = 0

    def require_ranks(self) -> None:
        """Refuse features that are not ranks, which lie between -0.5 and 0.5.

        Raises
        ------
        ParameterError
            At the first batch that has another value.
        """
        for start in range(0, len(self._rows), _BATCH_ROWS):
            features = self._X[self._rows[start : start + _BATCH_ROWS]]
            largest = np.fmax.reduce(np.abs(features), axis=None, initial=0.0)
            if largest > _LARGEST_RANK:
                raise ParameterError(
                    "bins",
                    f"even bins are for features normalized by rank, which lie between -0.5 and "
                    f"0.5, got {largest:g}; use learned",
                )

    def next(self, input_data: Callable[..., Any]) -> bool:
        """Hand over the next batch; tell whether there was one."""
        batch = slice(self._start, self._start + _BATCH_ROWS)
        rows = self._rows[batch]
        if not len(rows):
            return False
        weight = {} if self._weight is None else {"weight": self._weight[batch]}
        features = fill_missing(self._X[rows], self._missing_as)
        input_data(data=features, label=self._y[rows], **weight)
        self._start += len(rows)
        return True

    def reset(self) -> None:
        """Begin again."""
        self._start = 0


def fill_missing(X: NDArray[np.float32], value: float | None) -> NDArray[np.float32]:
    """Return features with a number in place of NaN; None leaves them as they are."""
    return X if value is None else np.where(np.isnan(X), np.float32(value), X)
