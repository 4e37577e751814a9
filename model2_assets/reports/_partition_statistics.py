"""Daily statistics of one horizon and model, computed once for all parts of its report."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from model2_assets.errors import StoreError
from model2_assets.evaluation import (
    daily_ic,
    decile_spread,
    label_overlap_days,
    quantile_returns,
    rank_autocorrelation,
    top_quantile_turnover,
)

_AGREES = 1e-9
_SHORT_LAGS = (1, 5)


@dataclass(frozen=True, eq=False)
class PartitionStatistics:
    """Daily statistics of the out-of-fold predictions of one horizon and model.

    Attributes
    ----------
    horizon_days, overlap_days : int
        Dates after which a label is over, and over which labels overlap.
    prediction, label : ndarray of shape (n_rows,), float64
        In the order of the out-of-fold table, bps.
    rank_ic, spread : Series of shape (n_dates,)
        Daily rank IC, and what the top quantile earned over the bottom one, bps.
    names : Series of shape (n_dates,)
        Instruments of every date.
    quantiles : DataFrame of shape (n_dates, n_quantiles)
        As `quantile_returns`, bps.
    turnover, autocorrelation : mapping of int to Series of shape (n_dates,)
        Of the top quantile and of the ranks, by distance in dates.
    """

    horizon_days: int
    overlap_days: int
    prediction: NDArray[np.float64]
    label: NDArray[np.float64]
    rank_ic: pd.Series
    spread: pd.Series
    names: pd.Series
    quantiles: pd.DataFrame
    turnover: Mapping[int, pd.Series]
    autocorrelation: Mapping[int, pd.Series]

    @property
    def dates(self) -> pd.DatetimeIndex:
        """The dates with predictions, ascending."""
        return pd.DatetimeIndex(self.rank_ic.index)


def partition_statistics(
    oof: pd.DataFrame, labels: pd.DataFrame, *, horizon: str, execution_lag_days: int
) -> PartitionStatistics:
    """Compute the daily statistics of one horizon and model.

    Parameters
    ----------
    oof : DataFrame of shape (n_rows, 2)
        Out-of-fold predictions.
    labels : DataFrame of shape (n_labels, 3 * n_horizons)
        The labels that they were made from.
    horizon : str
        Such as ``21d``.
    execution_lag_days : int
        Trading bars from signal to entry.

    Returns
    -------
    PartitionStatistics
        Over every date with predictions.
    """
    index = oof.index
    assert isinstance(index, pd.MultiIndex)
    prediction = oof["prediction"].to_numpy(dtype=np.float64)
    label = labels_of(oof, labels, horizon)
    daily = daily_ic(prediction, label, index)
    horizon_days = int(horizon.removesuffix("d"))
    lags = sorted({*_SHORT_LAGS, horizon_days})
    return PartitionStatistics(
        horizon_days=horizon_days,
        overlap_days=label_overlap_days(horizon, execution_lag_days=execution_lag_days),
        prediction=prediction,
        label=label,
        rank_ic=daily["rank_ic"],
        spread=decile_spread(prediction, label, index),
        names=daily["n"],
        quantiles=quantile_returns(prediction, label, index),
        turnover={lag: top_quantile_turnover(prediction, index, period_dates=lag) for lag in lags},
        autocorrelation={lag: rank_autocorrelation(prediction, index, lag=lag) for lag in lags},
    )


def labels_of(oof: pd.DataFrame, labels: pd.DataFrame, horizon: str) -> NDArray[np.float64]:
    """Return the label of every out-of-fold row, bps, shape (n_rows,)."""
    aligned: NDArray[np.float64] = (
        labels[f"label_{horizon}"].reindex(oof.index).to_numpy(dtype=np.float64)
    )
    return aligned


def require_scores_of(rank_ic: pd.Series, scores: pd.DataFrame) -> None:
    """Refuse scores that are not those of the predictions at hand.

    Parameters
    ----------
    rank_ic : Series of shape (n_dates,)
        Daily rank IC of the predictions at hand.
    scores : DataFrame of shape (n_scores, n_columns)
        Stored scores of the partition.

    Raises
    ------
    StoreError
        If their mean rank IC differs.
    """
    of_all = scores[(scores["scope"] == "all") & (scores["metric"] == "rank_ic")]["value"]
    scored, found = float(of_all.iloc[0]), float(rank_ic.mean())
    if not np.isclose(scored, found, rtol=0, atol=_AGREES, equal_nan=True):
        raise StoreError(
            f"cv_scores state a rank IC of {scored:.6f} where oof_predictions have {found:.6f}: "
            f"they are of other predictions; materialize cv_scores again"
        )
