"""Nested out-of-fold predictions: what a stacker may train on and still be scored fairly."""

from collections.abc import Iterable

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from model2_assets.errors import TrainingError
from model2_assets.panel import INDEX_NAMES
from model2_assets.training._out_of_fold import FittedSplit, output_order, predict_splits
from model2_assets.training._training_data import TRAIN, TrainingData


def predict_nested(
    models: Iterable[FittedSplit], data: TrainingData, pair_data: TrainingData
) -> pd.DataFrame:
    """Predict the train rows of every fold by models that saw neither it nor the row's own.

    A stacker that is scored on outer fold a trains on the rows of the other folds. Their
    out-of-fold predictions come from models that were fitted on a, so its coefficients
    know the labels that it is scored on. Here the row of fold b has, for outer fold a, the
    prediction of the model that leaves out both, purged around both: that of the split
    of {a, b} in combinatorial cross-validation with two test groups. This is the inner
    loop of nested cross-validation [1]_ [2]_.

    Parameters
    ----------
    models : iterable of FittedSplit
        The model of every split of `pair_data`, in any order; one is held at a time.
    data : TrainingData
        Rows, and roles of splits that test one group each.
    pair_data : TrainingData
        The same rows, and roles of the splits that test two groups each.

    Returns
    -------
    DataFrame of shape (n_predictions, 5)
        Sorted by outer fold, instrument, datetime. ``outer_fold_id`` (int16),
        ``instrument``, ``datetime``, ``fold_id`` (int16, the row's own group) and
        ``prediction`` (float64, bps): for every outer fold, its train rows in `data`.

    Raises
    ------
    TrainingError
        If a model is missing, the rows or groups of the two differ, or a split tests
        another number of groups.

    References
    ----------
    .. [1] D. H. Wolpert, "Stacked Generalization", Neural Networks 5(2), 1992.
    .. [2] S. Varma and R. Simon, "Bias in Error Estimation when Using Cross-Validation for
       Model Selection", BMC Bioinformatics 7:91, 2006.
    """
    if not data.index.equals(pair_data.index) or (data.group_id != pair_data.group_id).any():
        raise TrainingError(
            "nested splits have other rows or groups than cv_splits; materialize cv_splits again"
        )
    outer_split = {groups[0]: s for s, groups in enumerate(tested_groups(data, n_groups=1))}
    pairs = tested_groups(pair_data, n_groups=2)
    predictions = predict_splits(models, pair_data)
    parts = []
    for pair_id, pair in enumerate(pairs):
        of_pair = predictions.split_id == pair_id
        rows, values = predictions.row[of_pair], predictions.prediction[of_pair]
        for outer in pair:
            trains = data.roles[rows, outer_split[outer]] == TRAIN
            chosen = trains & (data.group_id[rows] != outer)
            fold = np.full(np.count_nonzero(chosen), outer, dtype=np.int16)
            parts.append((fold, rows[chosen], values[chosen]))
    outer_fold, row, prediction = (np.concatenate(column) for column in zip(*parts, strict=True))
    return _as_table(outer_fold, row, prediction, data)


def tested_groups(data: TrainingData, *, n_groups: int) -> list[tuple[int, ...]]:
    """Return the groups that each split tests.

    Parameters
    ----------
    data : TrainingData
        Roles and groups.
    n_groups : int
        Groups that each split must test.

    Returns
    -------
    list of tuple of int
        Ascending groups, a tuple a split.

    Raises
    ------
    TrainingError
        If a split tests another number of groups.
    """
    tested = [
        tuple(np.unique(data.group_id[data.test_rows(split_id)]).tolist())
        for split_id in range(data.n_splits)
    ]
    for split_id, groups in enumerate(tested):
        if len(groups) != n_groups:
            raise TrainingError(
                f"split {split_id} tests groups {list(groups)}, nested predictions need "
                f"{n_groups}; materialize cv_splits again with n_test_groups 1"
            )
    return tested


def _as_table(
    outer_fold: NDArray[np.int16],
    row: NDArray[np.intp],
    prediction: NDArray[np.float64],
    data: TrainingData,
) -> pd.DataFrame:
    place = np.empty(data.n_rows, dtype=np.int64)
    place[output_order(data)] = np.arange(data.n_rows)
    order = np.argsort(outer_fold.astype(np.int64) * data.n_rows + place[row])
    row = row[order]
    return pd.DataFrame(
        {
            "outer_fold_id": outer_fold[order],
            **{name: data.index.get_level_values(name).take(row) for name in INDEX_NAMES},
            "fold_id": data.group_id[row],
            "prediction": prediction[order],
        }
    )
