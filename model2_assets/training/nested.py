"""From tables to the nested out-of-fold predictions of one horizon and model."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace

import pandas as pd

from model2_assets.config import CrossValidationConfig, ExecutionConfig
from model2_assets.cross_validation import (
    OverlapProof,
    build_cv_splits,
    check_min_samples,
    prove_no_overlap,
)
from model2_assets.data_version import table_digest
from model2_assets.provenance import data_version_of, with_provenance
from model2_assets.training._nested import predict_nested, tested_groups
from model2_assets.training._resources import measure_resources
from model2_assets.training._training_data import TrainingData
from model2_assets.training.checkpoints import FoldCheckpoints
from model2_assets.training.fitting import (
    assemble_current_data,
    assemble_roles,
    fit_every_split,
    kept_folds_of,
    row_weights_of,
)
from model2_assets.training.model_registry import ModelRegistry

logger = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class NestedOutOfFold:
    """Nested out-of-fold predictions and the evidence that goes with them.

    Attributes
    ----------
    nested : DataFrame of shape (n_predictions, 5)
        As `predict_nested` returns it, with its provenance.
    expected : mapping of int to MultiIndex
        Train rows of every outer fold.
    proof : OverlapProof
        Overlaps between train and test labels in the splits of the nested models.
    n_models : int
        Models that predicted; none is stored.
    n_reused : int
        Those among them that an interrupted run had fitted already.
    seconds : float
        Wall time of all of it.
    """

    nested: pd.DataFrame
    expected: Mapping[int, pd.MultiIndex]
    proof: OverlapProof
    n_models: int
    n_reused: int
    seconds: float

    @property
    def data_version(self) -> str:
        """Digest of the predictions."""
        return data_version_of(self.nested)


def build_nested_splits(
    features_index: pd.MultiIndex, labels: pd.DataFrame, config: CrossValidationConfig
) -> pd.DataFrame:
    """Split the same rows once more, testing every two groups together.

    Parameters
    ----------
    features_index : MultiIndex of shape (n_feature_rows,)
        Rows that have features.
    labels : DataFrame of shape (n_label_rows, n_columns)
        The labels table.
    config : CrossValidationConfig
        Of the splits that test one group each; groups, embargo and purging are kept.

    Returns
    -------
    DataFrame of shape (n_rows, 1 + n_splits)
        A cv_splits table with C(n_groups, 2) splits, each purged around both groups.

    Raises
    ------
    CrossValidationError
        If a split trains on or tests fewer than ``min_samples`` labelled rows.
    """
    pairs = config.model_copy(update={"n_test_groups": 2, "nested": False})
    splits = build_cv_splits(features_index, labels, pairs)
    check_min_samples(splits, labels, min_samples=config.min_samples)
    return splits


def make_nested(
    registry: ModelRegistry,
    *,
    features: pd.DataFrame,
    labels: pd.DataFrame,
    cv_splits: pd.DataFrame,
    horizon: str,
    model: str,
    region: str,
    config: CrossValidationConfig,
    execution: ExecutionConfig,
    execution_lag_days: int,
    checkpoints: FoldCheckpoints | None = None,
) -> NestedOutOfFold:
    """Fit a model without every two folds, and predict the train rows of every fold.

    Parameters
    ----------
    registry : ModelRegistry
        Makes the trainers.
    features, labels, cv_splits : DataFrame
        Stored tables, with their provenance.
    horizon, model, region : str
        Such as ``21d``, ``ridge``, ``us``.
    config : CrossValidationConfig
        How `cv_splits` were made; with ``nested`` on.
    execution : ExecutionConfig
        How many folds at once, and how much memory.
    execution_lag_days : int
        Own bars from a row to its entry; matters to weights of rows alone.
    checkpoints : FoldCheckpoints, optional
        Where finished models stay in case that this run is interrupted, and those of a run
        that was are found.

    Returns
    -------
    NestedOutOfFold
        The predictions; the models are not kept.

    Raises
    ------
    StoreError
        If the splits were made from other features or labels.
    CrossValidationError
        If a split trains on or tests too few rows.
    TrainingError
        If a fold cannot be fitted, or `cv_splits` test another number of groups.
    """
    with measure_resources() as usage:
        data, versions = assemble_current_data(
            features=features, labels=labels, cv_splits=cv_splits, horizon=horizon
        )
        expected = _train_rows(data)
        assert isinstance(features.index, pd.MultiIndex)
        pair_splits = build_nested_splits(features.index, labels, config)
        proof = prove_no_overlap(pair_splits, labels)
        # Without features: their matrix is there already, and is far larger than the rest.
        pairs = assemble_roles(features, labels, pair_splits, horizon=horizon)
        pair_data = replace(pairs, X=data.X, feature_names=data.feature_names)
        logger.info("%s|%s: nested predictions leave out two folds at a time", horizon, model)
        models = fit_every_split(
            registry,
            pair_data,
            horizon=horizon,
            model=model,
            execution=execution,
            row_weights=row_weights_of(
                registry,
                data,
                labels,
                horizon=horizon,
                model=model,
                execution_lag_days=execution_lag_days,
            ),
            kept=kept_folds_of(
                checkpoints,
                registry,
                pair_data,
                data_versions=versions,
                horizon=horizon,
                model=model,
                execution_lag_days=execution_lag_days,
            ),
        )
        nested = predict_nested(models, data, pair_data)
    settings = registry.model(model)
    marked = with_provenance(
        nested,
        data_version=table_digest(nested),
        inputs=versions,
        region=region,
        horizon=horizon,
        model=model,
        trainer=settings.trainer,
        params=registry.parameters(model, horizon),
        seed=settings.seed,
        sample_weights=settings.sample_weights,
    )
    return NestedOutOfFold(
        nested=marked,
        expected=expected,
        proof=proof,
        n_models=len(models),
        n_reused=sum(model.fitted_at is not None for model in models),
        seconds=usage.seconds,
    )


def stored_nested(
    nested: pd.DataFrame,
    *,
    features: pd.DataFrame,
    labels: pd.DataFrame,
    cv_splits: pd.DataFrame,
    horizon: str,
    config: CrossValidationConfig,
) -> NestedOutOfFold:
    """Bring stored nested predictions together with what they have to agree with.

    Parameters
    ----------
    nested : DataFrame of shape (n_predictions, 5)
        The stored predictions.
    features, labels, cv_splits : DataFrame
        Stored tables, with their provenance.
    horizon : str
        Such as ``21d``.
    config : CrossValidationConfig
        How `cv_splits` were made; with ``nested`` on.

    Returns
    -------
    NestedOutOfFold
        Nothing is fitted; the splits of the models are built and proved again.
    """
    assert isinstance(features.index, pd.MultiIndex)
    return NestedOutOfFold(
        nested=nested,
        expected=_train_rows(assemble_roles(features, labels, cv_splits, horizon=horizon)),
        proof=prove_no_overlap(build_nested_splits(features.index, labels, config), labels),
        n_models=0,
        n_reused=0,
        seconds=0.0,
    )


def _train_rows(data: TrainingData) -> dict[int, pd.MultiIndex]:
    """Return the train rows of every outer fold."""
    return {
        groups[0]: data.index[data.train_rows(split_id)]
        for split_id, groups in enumerate(tested_groups(data, n_groups=1))
    }
