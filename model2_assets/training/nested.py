"""Nested out-of-fold predictions: what a stacker may train on and still be scored fairly.

A stacker that is scored on outer fold a trains on the rows of the other folds. Their out-of-fold
predictions come from models that were fitted on a, so its coefficients know the labels that it is
scored on. Here the row of fold b has, for outer fold a, the prediction of the model that leaves
out both, purged around both: that of the split of {a, b} in combinatorial cross-validation with
two test groups. This is the inner loop of nested cross-validation [1]_ [2]_.

References
----------
.. [1] D. H. Wolpert, "Stacked Generalization", Neural Networks 5(2), 1992.
.. [2] S. Varma and R. Simon, "Bias in Error Estimation when Using Cross-Validation for
   Model Selection", BMC Bioinformatics 7:91, 2006.
"""

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from model2_assets.config import CrossValidationConfig, ExecutionConfig
from model2_assets.cross_validation import OverlapProof, Role, build_cv_splits, prove_no_overlap
from model2_assets.cross_validation.table import check_min_samples
from model2_assets.errors import TrainingError
from model2_assets.panel import INDEX_NAMES
from model2_assets.training.base_models import FoldModel
from model2_assets.training.checkpoints import FoldCheckpoints
from model2_assets.training.data import TrainingData, panel_rows
from model2_assets.training.fold_models import fit_every_split
from model2_assets.training.predict import output_place, predict_splits
from model2_assets.training.resources import measure_resources
from model2_assets.training.task import Tables, Task

logger = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class NestedOutOfFold:
    """Nested out-of-fold predictions, as `predict_nested` returns them, and their evidence.

    `expected` holds the train rows of every outer fold, `proof` what overlaps or breaks the
    embargo in the splits of the nested models. Of these, `n_models` predicted, `n_reused` of them
    fitted by an interrupted run, and none is stored. All took `seconds`.
    """

    nested: pd.DataFrame
    expected: Mapping[int, pd.MultiIndex]
    proof: OverlapProof
    n_models: int
    n_reused: int
    seconds: float


def make_nested(
    task: Task,
    tables: Tables,
    config: CrossValidationConfig,
    execution: ExecutionConfig,
    *,
    checkpoints: FoldCheckpoints | None = None,
) -> NestedOutOfFold:
    """Fit a model without every two folds, and predict the train rows of every fold.

    A split that trains on or tests too few rows, and `cv_splits` that test several groups or
    were made from other tables, are refused before any fit.
    """
    with measure_resources() as usage:
        data = task.training_data(tables)
        expected = expected_rows(data)
        pair_splits, proof = prove_nested_splits(tables, config)
        # Without features: their matrix is there already, and is far larger than the rest.
        pairs = replace(tables, cv_splits=pair_splits).roles(
            task.partition.horizon, embargo_days=task.embargo_days
        )
        pair_data = replace(
            pairs, X=data.X, feature_names=data.feature_names, row_weights=data.row_weights
        )
        logger.info("%s: nested predictions leave out two folds at a time", task.partition.key)
        kept = checkpoints.of_fits(task, tables, pair_data) if checkpoints else None
        models = fit_every_split(task, pair_data, execution, kept=kept)
        nested = predict_nested(models, data, pair_data)
    return NestedOutOfFold(
        nested=task.mark(nested, tables.versions, **task.settings),
        expected=expected,
        proof=proof,
        n_models=len(models),
        n_reused=sum(model.fitted_at is not None for model in models),
        seconds=usage.seconds,
    )


def predict_nested(
    models: Iterable[FoldModel], data: TrainingData, pair_data: TrainingData
) -> pd.DataFrame:
    """Predict the train rows of every fold by models that saw neither it nor the row's own.

    `data` has roles of splits that test one group each, `pair_data` those of the splits that
    test two, for the same rows; `models` are of the latter, in any order. For every outer fold
    there are its train rows in `data`, sorted by outer fold, instrument, datetime:
    ``outer_fold_id``, ``instrument``, ``datetime``, ``fold_id`` (the row's own group) and
    ``prediction`` (bps).
    """
    if not data.index.equals(pair_data.index) or (data.group_id != pair_data.group_id).any():
        raise TrainingError(
            "nested splits have other rows or groups than cv_splits; materialize cv_splits again"
        )
    # Groups are numbered from 0, and each is tested by one split.
    split_of_outer = np.argsort(_tested_groups(data, n_groups=1)[:, 0])
    pairs = _tested_groups(pair_data, n_groups=2)
    predicted = predict_splits(models, pair_data)
    # Of the two groups that a model leaves out, one is the row's own.
    outer = pairs.sum(axis=1)[predicted.split_id] - data.group_id[predicted.row]
    trained = np.flatnonzero(data.roles[predicted.row, split_of_outer[outer]] == Role.TRAIN)
    place = output_place(data)[predicted.row[trained]]
    lines = trained[np.argsort(outer[trained] * data.n_rows + place)]
    row = predicted.row[lines]
    return pd.DataFrame(
        {
            "outer_fold_id": outer[lines].astype(np.int16),
            **{name: data.index.get_level_values(name).take(row) for name in INDEX_NAMES},
            "fold_id": data.group_id[row],
            "prediction": predicted.prediction[lines],
        }
    )


def build_nested_splits(
    features_index: pd.MultiIndex, labels: pd.DataFrame, config: CrossValidationConfig
) -> pd.DataFrame:
    """Split the same rows once more, testing every two groups together, each purged around both."""
    pairs = config.model_copy(update={"n_test_groups": 2, "nested": False})
    splits = build_cv_splits(features_index, labels, pairs)
    check_min_samples(splits, labels, min_samples=config.min_samples)
    return splits


def prove_nested_splits(
    tables: Tables, config: CrossValidationConfig
) -> tuple[pd.DataFrame, OverlapProof]:
    """Build the splits of nested models, and prove them."""
    splits = build_nested_splits(panel_rows(tables.features), tables.labels, config)
    return splits, prove_no_overlap(splits, tables.labels, embargo_days=config.embargo_days)


def expected_rows(data: TrainingData) -> dict[int, pd.MultiIndex]:
    """Return the train rows of every outer fold."""
    return {
        int(group): data.index[data.train_rows(split_id)]
        for split_id, (group,) in enumerate(_tested_groups(data, n_groups=1))
    }


def _tested_groups(data: TrainingData, *, n_groups: int) -> NDArray[np.int16]:
    """Return the groups that each split tests, of which there must be so many."""
    tested = [np.unique(data.group_id[data.test_rows(s)]) for s in range(data.n_splits)]
    for split_id, groups in enumerate(tested):
        if len(groups) != n_groups:
            raise TrainingError(
                f"split {split_id} tests groups {groups.tolist()}, nested predictions need "
                f"{n_groups}; materialize cv_splits again with n_test_groups 1"
            )
    return np.array(tested)
