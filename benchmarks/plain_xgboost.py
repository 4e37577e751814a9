"""The oracle of exact trees: ``xgboost.train`` on the train rows as one matrix."""

import numpy as np
import xgboost as xgb

from benchmarks import xgboost_by_hand as by_hand
from benchmarks.folds_by_hand import labelled, read_tables
from benchmarks.inputs import HORIZONS, Inputs
from benchmarks.outcome import Outcome
from benchmarks.trees import tree_digest


def run(inputs: Inputs, *, folds: int) -> Outcome:
    """Fit the first folds of both horizons, on one thread.

    Parameters
    ----------
    inputs : Inputs
        Stored features, labels and splits.
    folds : int
        How many folds.

    Returns
    -------
    Outcome
        Digests of every model's trees.
    """
    outcome = Outcome()
    digests: dict[str, list[str]] = {}
    with outcome.phase("load"):
        features, labels, splits = read_tables(inputs)
    for horizon in HORIZONS:
        X, y, chosen = labelled(features, labels, splits, horizon)
        digests[horizon] = []
        for train, _ in chosen[:folds]:
            matrix = np.ascontiguousarray(X.to_numpy(dtype=np.float32)[train])
            with outcome.phase("fit"):
                booster = _fit(matrix, y.to_numpy()[train], inputs.trees)
            digests[horizon].append(tree_digest(booster))
    outcome.facts["trees"] = digests
    return outcome


def _fit(X: np.ndarray, y: np.ndarray, trees: int) -> xgb.Booster:
    params = {
        "objective": "reg:squarederror",
        "tree_method": "hist",
        "max_depth": by_hand.DEPTH,
        "max_bin": by_hand.BINS,
        "learning_rate": by_hand.LEARNING_RATE,
        "min_child_weight": by_hand.LEAF_SHARE * len(X),
        "reg_lambda": 1.0,
        "seed": by_hand.SEED,
        "nthread": 1,
    }
    return xgb.train(params, xgb.QuantileDMatrix(X, label=y, max_bin=by_hand.BINS), trees)
