"""The whole job as one hand-written script: features to scores, four models, five folds."""

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmarks import features_by_rolling, ridge_by_hand, xgboost_by_hand
from benchmarks.folds_by_hand import purged_folds
from benchmarks.inputs import HORIZONS, Inputs
from benchmarks.outcome import Outcome, as_predictions, prediction_name

LAG, WINSORIZE = 1, 0.10


def run(inputs: Inputs) -> Outcome:
    """Do the job, without any check or report.

    Parameters
    ----------
    inputs : Inputs
        The market.

    Returns
    -------
    Outcome
        Out-of-fold predictions of XGBoost, and phases that are the baselines of features,
        Ridge and XGBoost alone.
    """
    outcome = Outcome()
    with outcome.phase("read"):
        bars = pd.read_parquet(inputs.market)
    with outcome.phase("labels"):
        labels = make_labels(bars)
    with outcome.phase("features"):
        values = features_by_rolling.compute(bars)
        features = features_by_rolling.rank(values).astype("float32")
        features = features.reorder_levels(["datetime", "instrument"]).sort_index()
        del values
    with outcome.phase("splits"):
        labels = labels.reindex(features.index)
        ends = labels.filter(like="label_end").max(axis=1).dropna()
        folds = purged_folds(pd.Series(ends.index.get_level_values("datetime")), _plain(ends))
    for horizon in HORIZONS:
        _models(outcome, features, labels, ends.index, folds, horizon, inputs.trees)
    return outcome


def make_labels(bars: pd.DataFrame) -> pd.DataFrame:
    """Return winsorized excess returns, centred again, and the last date that they look at.

    Parameters
    ----------
    bars : DataFrame of shape (n_bars, 8)
        Daily bars.

    Returns
    -------
    DataFrame of shape (n_bars, 4)
        ``label_{horizon}`` (bps) and ``label_end_{horizon}``, indexed by (datetime,
        instrument).
    """
    bars = bars.sort_values(["instrument", "datetime"], ignore_index=True)
    by_instrument = bars.groupby("instrument", sort=False)
    columns: dict[str, Any] = {}
    for horizon in HORIZONS:
        days = int(horizon.removesuffix("d"))
        entry = by_instrument["close"].shift(-LAG)
        forward = 1e4 * (by_instrument["close"].shift(-LAG - days) / entry - 1)
        exit_date = by_instrument["datetime"].shift(-LAG - days).where(forward.notna())
        by_date = forward.groupby(bars["datetime"])
        excess = forward - by_date.transform("mean")
        of_date = excess.groupby(bars["datetime"])
        low, high = (bars["datetime"].map(of_date.quantile(q)) for q in (WINSORIZE, 1 - WINSORIZE))
        clipped = excess.clip(low, high)
        label = clipped - clipped.groupby(bars["datetime"]).transform("mean")
        columns[f"label_{horizon}"] = label
        # Excess and limits look at all rows of the date, so its latest exit counts.
        latest = exit_date.groupby(bars["datetime"]).transform("max")
        columns[f"label_end_{horizon}"] = latest.where(forward.notna())
    table = pd.DataFrame(columns)
    table.index = pd.MultiIndex.from_frame(bars[["datetime", "instrument"]])
    return table


def _models(
    outcome: Outcome,
    features: pd.DataFrame,
    labels: pd.DataFrame,
    rows: pd.Index,
    folds: list[tuple[NDArray[np.intp], NDArray[np.intp]]],
    horizon: str,
    trees: int,
) -> None:
    y = labels.loc[rows, f"label_{horizon}"]
    known = y.notna().to_numpy()
    position = np.cumsum(known) - 1
    own_folds = [(position[a[known[a]]], position[b[known[b]]]) for a, b in folds]
    y = y[known]
    X = features.loc[y.index]
    with outcome.phase("ridge"):
        ridge, pipelines = ridge_by_hand.cross_validate(X, y, own_folds, dtype="float64")
    with outcome.phase("xgboost"):
        boosted, models = xgboost_by_hand.cross_validate(X, y, own_folds, trees=trees)
    with outcome.phase("importances"):
        importances = pd.DataFrame(
            {
                "ridge": np.mean([pipeline[-1].coef_ for pipeline in pipelines], axis=0),
                "xgboost": np.mean([model.feature_importances_ for model in models], axis=0),
            },
            index=X.columns,
        )
    table = pd.DataFrame({"label": y, "ridge": ridge, "xgboost": boosted})
    with outcome.phase("scores"):
        outcome.facts[horizon] = _scores(table)
    with outcome.phase("write"), tempfile.TemporaryDirectory() as folder:
        table.to_parquet(Path(folder, "oof.parquet"))
        importances.to_parquet(Path(folder, "importances.parquet"))
    outcome.arrays[prediction_name(horizon)] = as_predictions(boosted)


def _scores(table: pd.DataFrame) -> dict[str, float]:
    dates = table.index.get_level_values("datetime")
    ranks = table.groupby(dates).rank()
    return {
        model: float(ranks["label"].groupby(dates).corr(ranks[model]).mean())
        for model in ("ridge", "xgboost")
    }


def _plain(series: pd.Series) -> pd.Series:
    return series.reset_index(drop=True)
