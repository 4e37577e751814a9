"""Scores of out-of-fold predictions: per fold, split and path, and over all rows."""

from collections.abc import Iterator
from dataclasses import dataclass
from math import nan

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from model2_assets.config.partition import horizon_days
from model2_assets.errors import ContractError
from model2_assets.evaluation.ic import (
    NO_LABEL,
    LabelPanel,
    RowName,
    Rows,
    correlate_dates,
    label_panel,
    refuse_rows,
    rows_named_by,
)
from model2_assets.evaluation.inference import (
    deflated_sharpe_ratio,
    label_overlap_days,
    mean_ic_inference,
)
from model2_assets.evaluation.quantiles import spread_dates
from model2_assets.storage.provenance import INPUTS, data_versions_of, facts_of, require_made_from

SCOPES = ("fold", "split", "path", "all")
"""What is scored, in the order of the table."""

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

HISTORY_METRICS = (
    "rank_ic_se",
    "rank_ic_t",
    "n_effective",
    "decile_spread_bps",
    "deflated_sharpe",
)
"""Metrics of complete histories besides, scopes ``path`` and ``all``: a single fold has too
few independent windows."""

LAG_OVERLAPS = 2
"""Lag of standard errors, in overlaps of labels. With one, Bartlett weights see two thirds of
the variance that overlapping adds, and a 5% test rejects 9 to 15% of worthless forecasts;
with two, 6 to 13% (8,000 dates at 21 days to 1,200 at 63); more do not help short histories."""

_IDS = ("fold_id", "split_id", "path_id")

Values = NDArray[np.float64]


def score_predictions(
    oof: pd.DataFrame,
    label: pd.Series,
    *,
    horizon_days: int,
    overlap_days: int,
    n_trials: int = 1,
    paths: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Score out-of-fold predictions against their labels.

    Cross-validation trains on the future of its test blocks: the scores validate a
    forecaster, and are not those of a backtest.

    With several test groups a split, a row has several predictions. The scopes ``fold`` and
    ``all`` score their mean, which no single model makes: averaging removes a part of the
    models' noise, so means flatter. The scopes ``split`` and ``path`` score the predictions as
    they were made, and the spread over paths says how much a score owes to the choice of
    train rows. With one test group a split, splits are folds and the one path is ``all``.

    Parameters
    ----------
    oof : DataFrame of shape (n_rows, 2)
        Out-of-fold table indexed by ``(instrument, datetime)``, in any row order:
        ``prediction`` (bps) and ``fold_id``.
    label : Series of shape (n_label_rows,), float
        Labels in bps, indexed likewise; aligned by index, and may have further rows.
    horizon_days : int
        Dates after which a label's window is over: the deflated Sharpe ratio is that of
        dates so far apart, whose returns do not overlap.
    overlap_days : int
        Dates over which labels overlap, horizon - 1 at least. The standard error of the mean
        daily rank IC looks back over twice as many.
    n_trials : int, default 1
        Models and horizons tried, for the deflated Sharpe ratio.
    paths : DataFrame of shape (n_predictions, n_columns), optional
        Every single prediction: columns ``instrument``, ``datetime``, ``split_id``,
        ``path_id`` and ``prediction`` (bps), in any row order. Without it, there are no
        scores of splits and paths.

    Returns
    -------
    DataFrame of shape (n_scores, 6)
        ``scope``: ``fold``, ``split``, ``path``, or ``all`` rows; ``fold_id``, ``split_id``
        and ``path_id`` Int64, missing but for the scope's own; ``metric``; ``value``
        float64, NaN where a metric is undefined:

        ================= ================================================================
        rank_ic, ic       mean over dates of the Spearman and Pearson correlation
                          (`daily_ic`)
        icir              mean over standard deviation (ddof 1) of the daily rank IC, not
                          annualized
        r2                coefficient of determination, as sklearn.metrics.r2_score
        mse               mean squared error, bps²
        rmse, mae         root of it, and mean absolute error, bps
        hit_rate          share of rows whose prediction has the label's sign, among rows
                          where neither is zero
        samples           rows
        dates             distinct dates
        rank_ic_se        standard error of the mean daily rank IC (`mean_ic_inference`)
        rank_ic_t         rank_ic over it
        n_effective       independent dates that would give the same standard error
        decile_spread_bps mean over dates of the top quantile's label less the bottom
                          quantile's, bps (`decile_spread`)
        deflated_sharpe   probability that the spread's Sharpe ratio, over every
                          `horizon_days`-th date, exceeds the expected best of `n_trials`
                          worthless models (`deflated_sharpe_ratio`); the median over all
                          dates to start from, since one start's is much a matter of luck
        ================= ================================================================

    Raises
    ------
    ContractError
        If there are no rows, a prediction is not finite, a row has no fold or no label, or a
        row repeats.
    """
    panel = label_panel(label)
    records: list[_Record] = []
    overall = _prepare_oof(oof, panel)
    settings = _Settings(horizon_days, overlap_days, n_trials)
    fold_of = oof["fold_id"].to_numpy(dtype=np.int64)
    for fold, scored in overall.by(fold_of, "fold"):
        records += _records("fold", fold, _scores(scored))
    if paths is not None:
        single = _prepare_paths(paths, panel)
        for split, scored in single.by(paths["split_id"].to_numpy(np.int32), "split"):
            records += _records("split", split, _scores(scored))
        for path, scored in single.by(paths["path_id"].to_numpy(np.int32), "path"):
            records += _records("path", path, _scores(scored) | _history(scored, settings))
    scored = overall.scored(slice(None), "out-of-fold history")
    records += _records("all", None, _scores(scored) | _history(scored, settings))
    table = pd.DataFrame(records, columns=["scope", *_IDS, "metric", "value"])
    return table.astype(dict.fromkeys(_IDS, "Int64") | {"value": "float64"})


_Record = tuple[str, int | None, int | None, int | None, str, float]


@dataclass(frozen=True)
class _Settings:
    horizon_days: int
    overlap_days: int
    n_trials: int


@dataclass(frozen=True, eq=False)
class _Scored:
    """Predictions beside their labels, in canonical order, with their daily correlations."""

    prediction: Values
    label: Values
    counts: NDArray[np.int64]
    ic: Values
    rank_ic: Values


@dataclass(frozen=True, eq=False)
class _Predictions:
    """Predictions of a table, in its row order, and where their labels are."""

    panel: LabelPanel
    position: Rows
    prediction: Values
    name: RowName

    def by(self, ids: NDArray[np.integer], unit: str) -> Iterator[tuple[int, _Scored]]:
        """Yield the rows of every id, ascending."""
        for unit_id in np.unique(ids):
            yield int(unit_id), self.scored(ids == unit_id, f"{unit} {unit_id}")

    def scored(self, rows: NDArray[np.bool_] | slice, unit: str) -> _Scored:
        """Return chosen rows in canonical order; a row that repeats is refused."""
        position, prediction = self.position[rows], self.prediction[rows]
        placed = np.full(len(self.panel.label), np.nan)
        placed[position] = prediction
        chosen = np.flatnonzero(np.isfinite(placed))
        if len(chosen) < len(position):
            repeats = pd.Series(position).duplicated().to_numpy()
            of_table = np.arange(len(self.position))[rows]
            refuse_rows(
                unit,
                repeats,
                lambda row: self.name(int(of_table[row])),
                "appears more than once",
                "keep one row",
            )
        prediction, label = placed[chosen], self.panel.label[chosen]
        date = self.panel.date[chosen]
        # From the first date to the last: a date between without rows keeps its place.
        counts = np.bincount(date - date[0]).astype(np.int64)
        ic, rank_ic = correlate_dates(prediction, label, counts)
        return _Scored(prediction, label, counts, ic, rank_ic)


def _prepare_oof(oof: pd.DataFrame, panel: LabelPanel) -> _Predictions:
    index = oof.index
    if len(oof) == 0:
        raise ContractError("out-of-fold predictions have no rows to score; train again")
    assert isinstance(index, pd.MultiIndex)
    refuse_rows(
        "out-of-fold",
        oof["fold_id"].isna().to_numpy(),
        rows_named_by(index),
        "has no fold_id",
        "train again",
    )
    position = panel.positions_of_index(index)
    return _checked(
        _Predictions(panel, position, oof["prediction"].to_numpy(np.float64), rows_named_by(index)),
        "out-of-fold",
    )


def _prepare_paths(paths: pd.DataFrame, panel: LabelPanel) -> _Predictions:
    if len(paths) == 0:
        raise ContractError("oof_paths has no rows to score; materialize it again")
    instrument, datetime = paths["instrument"], paths["datetime"]

    def name(row: int) -> tuple[str, pd.Timestamp]:
        return instrument.iloc[row], datetime.iloc[row]

    position = panel.positions(instrument, datetime)
    return _checked(
        _Predictions(panel, position, paths["prediction"].to_numpy(np.float64), name), "oof_paths"
    )


def _checked(predictions: _Predictions, table: str) -> _Predictions:
    finite = np.isfinite(predictions.prediction)
    refuse_rows(table, ~finite, predictions.name, "has no finite prediction", "train again")
    refuse_rows(
        table,
        predictions.position == NO_LABEL,
        predictions.name,
        "has no label",
        "score with the labels it was trained on",
    )
    return predictions


def _records(scope: str, unit_id: int | None, scores: dict[str, float]) -> list[_Record]:
    fold, split, path = (unit_id if scope == name[:-3] else None for name in _IDS)
    return [(scope, fold, split, path, metric, value) for metric, value in scores.items()]


def _scores(scored: _Scored) -> dict[str, float]:
    from sklearn.metrics import mean_absolute_error, mean_squared_error, r2_score

    prediction, label = scored.prediction, scored.label
    rank_ic = scored.rank_ic[np.isfinite(scored.rank_ic)]
    mse = float(mean_squared_error(label, prediction))
    return {
        "rank_ic": _mean(rank_ic),
        "ic": _mean(scored.ic),
        "icir": _mean_over_deviation(rank_ic),
        "r2": float(r2_score(label, prediction)) if len(label) > 1 else nan,
        "mse": mse,
        "rmse": float(np.sqrt(mse)),
        "mae": float(mean_absolute_error(label, prediction)),
        "hit_rate": _hit_rate(prediction, label),
        "samples": float(len(label)),
        "dates": float(np.count_nonzero(scored.counts)),
    }


def _history(scored: _Scored, settings: _Settings) -> dict[str, float]:
    inference = mean_ic_inference(scored.rank_ic, lag=LAG_OVERLAPS * settings.overlap_days)
    spread = spread_dates(scored.prediction, scored.label, scored.counts)
    return {
        "rank_ic_se": inference.standard_error,
        "rank_ic_t": inference.t_statistic,
        "n_effective": inference.n_effective,
        "decile_spread_bps": _mean(spread),
        "deflated_sharpe": _median_over_starts(spread, settings),
    }


def _median_over_starts(spread: Values, settings: _Settings) -> float:
    """Deflate the Sharpe ratio from every date that a series of windows can start at."""
    found = [
        deflated_sharpe_ratio(spread[start :: settings.horizon_days], n_trials=settings.n_trials)
        for start in range(min(settings.horizon_days, len(spread)))
    ]
    known = [probability for probability in found if np.isfinite(probability)]
    return float(np.median(known)) if known else nan


def _mean(values: Values) -> float:
    values = values[np.isfinite(values)]
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


SCORE_ID_COLUMNS = ("fold_id", "split_id", "path_id")
"""Columns that say which fold, split or path a score is of; all are missing for all rows."""


def score_partition(
    oof: pd.DataFrame,
    paths: pd.DataFrame,
    labels: pd.DataFrame,
    *,
    horizon: str,
    model: str,
    execution_lag_days: int,
    n_trials: int,
) -> pd.DataFrame:
    """Score the out-of-fold predictions of one horizon and model.

    Parameters
    ----------
    oof : DataFrame of shape (n_rows, 2)
        Stored out-of-fold predictions, with their provenance.
    paths : DataFrame of shape (n_predictions, n_columns)
        Stored single predictions of every split (``oof_paths``), with their provenance.
    labels : DataFrame of shape (n_labels, 3 * n_horizons)
        Stored labels, with their provenance.
    horizon, model : str
        Such as ``21d`` and ``ridge``.
    execution_lag_days : int
        Trading bars from signal to entry.
    n_trials : int
        Models times horizons of the region: what the best was chosen from.

    Returns
    -------
    DataFrame of shape (n_scores, 8)
        Columns of CVScores: ``model``, ``horizon``, ``scope``, ``fold_id``, ``split_id``,
        ``path_id`` (Int16), ``metric``, ``value``; see `score_predictions`.

    Raises
    ------
    StoreError
        If the predictions were made from other labels, or by other models than each other.
    ContractError
        If a row has no label or no finite prediction, or repeats.
    """
    made_from = facts_of(oof).get(INPUTS, {})
    at_hand = data_versions_of(labels=labels)
    require_made_from("oof_predictions", made_from, at_hand)
    require_made_from("oof_paths", facts_of(paths).get(INPUTS, {}), {**made_from, **at_hand})
    scores = score_predictions(
        oof,
        labels[f"label_{horizon}"],
        horizon_days=horizon_days(horizon),
        overlap_days=label_overlap_days(horizon, execution_lag_days=execution_lag_days),
        n_trials=n_trials,
        paths=paths,
    )
    scores.insert(0, "horizon", horizon)
    scores.insert(0, "model", model)
    ids = dict.fromkeys(SCORE_ID_COLUMNS, "Int16")
    return scores.astype({**ids, "model": "str", "horizon": "str"})


def wide_scores(scores: pd.DataFrame) -> pd.DataFrame:
    """Return one row per fold, split, path and for all rows, a column per metric.

    Parameters
    ----------
    scores : DataFrame of shape (n_scores, n_columns)
        Scores of one partition.

    Returns
    -------
    DataFrame of shape (n_units, 2 + n_metrics)
        ``scope``, its ``id`` (Int16, missing for all), and the metrics, NaN where a scope has
        none.
    """
    ids = scores["fold_id"].fillna(scores["split_id"]).fillna(scores["path_id"])
    unit = scores["scope"] + ids.astype("str").where(ids.notna(), "")
    first = ~unit.duplicated()
    wide = scores.assign(unit=unit).pivot_table(
        index="unit", columns="metric", values="value", sort=False, dropna=False
    )
    values = wide[list(dict.fromkeys(scores["metric"]))].reset_index(drop=True)
    values.insert(0, "scope", scores.loc[first, "scope"].to_numpy())
    values.insert(1, "id", ids[first].array)
    return values


def has_several_paths(scores: pd.DataFrame) -> bool:
    """Tell whether a partition's scores are of more than one path."""
    return int(scores["path_id"].nunique()) > 1


def describe_scores(scores: pd.DataFrame) -> list[str]:
    """Return one line of text per fold, one per path where there are several, one for all."""
    wide = wide_scores(scores)
    several = (wide["scope"] == "path").sum() > 1
    shown = wide[wide["scope"].isin(["fold", "all", *(["path"] if several else [])])]
    return [
        f"{_unit(row.scope, row.id, several)}: rank IC {row.rank_ic:.4f}, "
        f"IC {row.ic:.4f}, ICIR {row.icir:.3f}, R² {row.r2:.4f}, RMSE {row.rmse:,.0f} bps, "
        f"MAE {row.mae:,.0f} bps, hit rate {row.hit_rate:.3f}, {row.samples:,.0f} samples"
        for row in shown.itertuples()
    ]


def _unit(scope: object, unit_id: object, several_paths: bool) -> str:
    if scope != "all":
        return f"{scope} {unit_id}"
    return "all folds, mean over paths" if several_paths else "all folds"
