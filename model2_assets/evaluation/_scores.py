"""Scores of out-of-fold predictions, per fold and over all rows."""

from math import nan

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from model2_assets.errors import ContractError
from model2_assets.evaluation._metrics import daily_ic
from model2_assets.evaluation._newey_west import mean_ic_inference

SCORE_METRICS = (
    "rank_ic",
    "ic",
    "icir",
    "r2",
    "mse",
    "rmse",
    "mae",
    "hit_rate",
    "samples",
    "dates",
)
"""Metrics of every scope, in the order of the table."""

INFERENCE_METRICS = ("rank_ic_se", "rank_ic_t")
"""Metrics of scope ``all`` besides: a single fold has too few independent windows."""

Values = NDArray[np.float64]


def score_predictions(oof: pd.DataFrame, label: pd.Series, *, overlap_days: int) -> pd.DataFrame:
    """Score out-of-fold predictions against their labels.

    Cross-validation trains on the future of its test blocks: the scores validate a
    forecaster, and are not those of a backtest.

    Parameters
    ----------
    oof : DataFrame of shape (n_rows, 2)
        Out-of-fold table indexed by ``(instrument, datetime)``, in any row order:
        ``prediction`` (bps) and ``fold_id``.
    label : Series of shape (n_label_rows,), float
        Labels in bps, indexed likewise; aligned by index, and may have further rows.
    overlap_days : int
        Dates over which labels overlap, horizon - 1 at least: the lag of the standard error
        of the mean daily rank IC.

    Returns
    -------
    DataFrame of shape (n_scores, 4)
        ``scope``: ``fold``, or ``all`` rows; ``fold_id`` Int64, missing for all;
        ``metric``; ``value`` float64, NaN where a metric is undefined:

        ============ =====================================================================
        rank_ic, ic  mean over dates of the Spearman and Pearson correlation (`daily_ic`)
        icir         mean over standard deviation (ddof 1) of the daily rank IC, not
                     annualized
        r2           coefficient of determination, as sklearn.metrics.r2_score
        mse          mean squared error, bps²
        rmse, mae    root of it, and mean absolute error, bps
        hit_rate     share of rows whose prediction has the label's sign, among rows where
                     neither is zero
        samples      rows
        dates        distinct dates
        rank_ic_se   standard error of the mean daily rank IC (`mean_ic_inference`)
        rank_ic_t    rank_ic over it
        ============ =====================================================================

    Raises
    ------
    ContractError
        If there are no rows, a prediction is not finite, a row has no fold or no label, or a
        row repeats.
    """
    labels = _labels_of(oof, label)
    prediction = oof["prediction"].to_numpy(dtype=np.float64)
    folds = oof["fold_id"].to_numpy(dtype=np.int64)
    index = oof.index
    assert isinstance(index, pd.MultiIndex)
    records: list[tuple[str, int | None, str, float]] = []
    for fold in np.unique(folds):
        rows = np.flatnonzero(folds == fold)
        daily = daily_ic(prediction[rows], labels[rows], index[rows])
        scores = _scores(prediction[rows], labels[rows], daily)
        records += [("fold", int(fold), metric, scores[metric]) for metric in SCORE_METRICS]
    daily = daily_ic(prediction, labels, index)
    inference = mean_ic_inference(daily["rank_ic"], lag=overlap_days)
    scores = _scores(prediction, labels, daily)
    scores |= {"rank_ic_se": inference.standard_error, "rank_ic_t": inference.t_statistic}
    records += [
        ("all", None, metric, scores[metric]) for metric in SCORE_METRICS + INFERENCE_METRICS
    ]
    table = pd.DataFrame(records, columns=["scope", "fold_id", "metric", "value"])
    return table.astype({"fold_id": "Int64", "value": "float64"})


def _labels_of(oof: pd.DataFrame, label: pd.Series) -> Values:
    if len(oof) == 0:
        raise ContractError("out-of-fold predictions have no rows to score; train again")
    if not oof.index.is_unique:
        _refuse(oof.index, oof.index.duplicated(), "appears more than once", "keep one row")
    prediction = oof["prediction"].to_numpy(dtype=np.float64)
    _refuse(oof.index, ~np.isfinite(prediction), "has no finite prediction", "train again")
    _refuse(oof.index, oof["fold_id"].isna().to_numpy(), "has no fold_id", "train again")
    if oof.index.equals(label.index):
        labels = label.to_numpy(dtype=np.float64)
    else:
        if not label.index.is_unique:
            _refuse(label.index, label.index.duplicated(), "has two labels", "keep one")
        positions = label.index.get_indexer(oof.index)
        labels = label.to_numpy(dtype=np.float64, na_value=np.nan)[positions]
        labels = np.where(positions < 0, np.nan, labels)
    _refuse(
        oof.index, ~np.isfinite(labels), "has no label", "score with the labels it was trained on"
    )
    return labels


def _refuse(index: pd.Index, faulty: NDArray[np.bool_], fault: str, remedy: str) -> None:
    if faulty.any():
        instrument, date = index[int(np.argmax(faulty))]
        raise ContractError(
            f"out-of-fold row of instrument {instrument} on {date:%Y-%m-%d} {fault} (as do "
            f"{int(faulty.sum()) - 1} others); {remedy}"
        )


def _scores(prediction: Values, label: Values, daily: pd.DataFrame) -> dict[str, float]:
    from sklearn.metrics import mean_absolute_error, mean_squared_error, r2_score

    rank_ic = daily["rank_ic"].dropna().to_numpy()
    mse = float(mean_squared_error(label, prediction))
    return {
        "rank_ic": _mean(rank_ic),
        "ic": _mean(daily["ic"].dropna().to_numpy()),
        "icir": _mean_over_deviation(rank_ic),
        "r2": float(r2_score(label, prediction)) if len(label) > 1 else nan,
        "mse": mse,
        "rmse": float(np.sqrt(mse)),
        "mae": float(mean_absolute_error(label, prediction)),
        "hit_rate": _hit_rate(prediction, label),
        "samples": float(len(label)),
        "dates": float(len(daily)),
    }


def _mean(values: Values) -> float:
    return float(values.mean()) if len(values) else nan


def _mean_over_deviation(values: Values) -> float:
    if len(values) < 2 or values.min() == values.max():
        return nan
    return float(values.mean() / values.std(ddof=1))


def _hit_rate(prediction: Values, label: Values) -> float:
    signed = (prediction != 0) & (label != 0)
    if not signed.any():
        return nan
    return float(np.mean(np.sign(prediction[signed]) == np.sign(label[signed])))
