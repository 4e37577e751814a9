"""XGBoost as a user would write it: its scikit-learn estimator per fold and horizon."""

import os

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from xgboost import XGBRegressor

from benchmarks.folds_by_hand import Fold, labelled, read_tables
from benchmarks.inputs import HORIZONS, Inputs
from benchmarks.outcome import Outcome, as_predictions, prediction_name
from benchmarks.trees import tree_digest

DEPTH, BINS, LEARNING_RATE, LEAF_SHARE, SEED = 4, 256, 0.02, 0.05, 7
"""Hyper-parameters of both sides; a leaf has at least that share of the train rows."""


def run(inputs: Inputs) -> Outcome:
    """Cross-validate both horizons; XGBoost uses every core.

    Parameters
    ----------
    inputs : Inputs
        Stored features, labels and splits.

    Returns
    -------
    Outcome
        Out-of-fold predictions of both horizons, and digests of every model's trees.
    """
    outcome = Outcome()
    digests: dict[str, list[str]] = {}
    with outcome.phase("load"):
        features, labels, splits = read_tables(inputs)
    for horizon in HORIZONS:
        with outcome.phase("fit and predict"):
            X, y, folds = labelled(features, labels, splits, horizon)
            prediction, models = cross_validate(X, y, folds, trees=inputs.trees)
        outcome.arrays[prediction_name(horizon)] = as_predictions(prediction)
        digests[horizon] = [tree_digest(model.get_booster()) for model in models]
    outcome.facts["trees"] = digests
    return outcome


def cross_validate(
    X: pd.DataFrame, y: pd.Series, folds: list[Fold], *, trees: int
) -> tuple[NDArray[np.float64], list[XGBRegressor]]:
    """Fit a regressor on the train rows of every fold and predict its test rows."""
    prediction, models = np.full(len(X), np.nan), []
    for train, test in folds:
        model = XGBRegressor(
            tree_method="hist",
            n_estimators=trees,
            max_depth=DEPTH,
            max_bin=BINS,
            learning_rate=LEARNING_RATE,
            min_child_weight=LEAF_SHARE * len(train),
            reg_lambda=1.0,
            random_state=SEED,
            n_jobs=len(os.sched_getaffinity(0)),
        )
        model.fit(X.iloc[train], y.iloc[train])
        prediction[test] = model.predict(X.iloc[test])
        models.append(model)
    return prediction, models
