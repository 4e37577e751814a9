"""Ridge as a user would write it: a scikit-learn pipeline per fold and horizon."""

from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.impute import SimpleImputer
from sklearn.linear_model import Ridge
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from benchmarks.folds_by_hand import Fold, labelled, read_tables
from benchmarks.inputs import HORIZONS, Inputs
from benchmarks.outcome import Outcome, as_predictions, prediction_name

ALPHA = 10_000.0

Dtype = Literal["float64", "float32"]


def run(inputs: Inputs, *, dtype: Dtype) -> Outcome:
    """Cross-validate both horizons; BLAS uses every core.

    Parameters
    ----------
    inputs : Inputs
        Stored features, labels and splits.
    dtype : {"float64", "float32"}
        What each fold's matrix is converted to.

    Returns
    -------
    Outcome
        Out-of-fold predictions of both horizons.
    """
    outcome = Outcome()
    with outcome.phase("load"):
        features, labels, splits = read_tables(inputs)
    for horizon in HORIZONS:
        with outcome.phase("fit and predict"):
            X, y, folds = labelled(features, labels, splits, horizon)
            prediction, _ = cross_validate(X, y, folds, dtype=dtype)
        outcome.arrays[prediction_name(horizon)] = as_predictions(prediction)
    return outcome


def cross_validate(
    X: pd.DataFrame, y: pd.Series, folds: list[Fold], *, dtype: Dtype
) -> tuple[NDArray[np.float64], list[Pipeline]]:
    """Fit a pipeline on the train rows of every fold and predict its test rows."""
    prediction, models = np.full(len(X), np.nan), []
    for train, test in folds:
        model = make_pipeline(
            SimpleImputer(keep_empty_features=True), StandardScaler(), Ridge(alpha=ALPHA)
        )
        model.fit(X.iloc[train].astype(dtype), y.iloc[train])
        prediction[test] = model.predict(X.iloc[test].astype(dtype))
        models.append(model)
    return prediction, models
