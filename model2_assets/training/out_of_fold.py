"""From stored fold models to out-of-fold predictions that can be trusted."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from model2_assets.config.partition import Partition
from model2_assets.errors import StoreError, TrainingError
from model2_assets.storage.data_version import table_digest
from model2_assets.storage.provenance import data_versions_of, require_made_from, with_provenance
from model2_assets.training.base_models import BaseModelTrainer, fit_split
from model2_assets.training.data import TrainingData, hash_row_order
from model2_assets.training.model_registry import ModelRegistry
from model2_assets.training.models import StoredFoldModels
from model2_assets.training.predict import (
    FittedSplit,
    SplitPredictions,
    average_splits,
    predict_out_of_fold,
    predict_rows,
    predict_splits,
)
from model2_assets.training.resources import blas_kernel, usable_cores
from model2_assets.training.task import Tables, Task


def refit_difference(
    make_trainer: Callable[[], BaseModelTrainer],
    data: TrainingData,
    models: Iterable[FittedSplit],
    *,
    split_id: int,
    n_threads: int = 1,
) -> float:
    """Refit one split afresh and compare its test predictions with a given model's.

    Parameters
    ----------
    make_trainer : callable
        Returns a new, unfitted trainer.
    data : TrainingData
        What the given models were trained on.
    models : iterable of FittedSplit
        Holds the model of the split.
    split_id : int
        The split to refit.
    n_threads : int, default 1
        Threads that the refit may use, see `BaseModelTrainer.use_threads`.

    Returns
    -------
    float
        Largest absolute difference in bps; 0.0 for equal bits, infinite where just one
        of two predictions is a finite number.

    Raises
    ------
    TrainingError
        If the split has no model, or the refit fails.
    """
    model = next((model for model in models if model.split_id == split_id), None)
    if model is None:
        raise TrainingError(f"fold {split_id} has no model to compare a refit with; retrain")
    rows = data.test_rows(split_id)
    refitted = fit_split(make_trainer, data, split_id, n_threads=n_threads)
    return largest_difference(
        predict_rows(refitted.trainer, data, rows), predict_rows(model.trainer, data, rows)
    )


def largest_difference(left: NDArray[np.float64], right: NDArray[np.float64]) -> float:
    """Return the largest absolute difference of two arrays of shape (n_rows,).

    Equal values and pairs of NaN differ by 0; a NaN or an infinity beside anything else
    differs by infinity, so that no comparison with a tolerance can pass by accident.
    """
    same = (left == right) | (np.isnan(left) & np.isnan(right))
    unequal_left, unequal_right = left[~same], right[~same]
    if not unequal_left.size:
        return 0.0
    if not (np.isfinite(unequal_left).all() and np.isfinite(unequal_right).all()):
        return float("inf")
    return float(np.abs(unequal_left - unequal_right).max())


@dataclass(frozen=True, eq=False)
class OutOfFold:
    """Out-of-fold predictions and the evidence that goes with them.

    Attributes
    ----------
    oof : DataFrame of shape (n_rows, 2)
        ``prediction`` (bps) and ``fold_id``, indexed by ``(instrument, datetime)``.
    label : Series of shape (n_expected,), float64
        Labels in bps of the rows that must be predicted: every row that has features and a
        label, found in those two tables and not in the splits; of a walk-forward, those
        from the first tested date on.
    determinism_difference_bps : float
        Largest difference that refitting one split made, bps.
    determinism_tolerance_bps : float
        What the trainer promises, bps.
    refitted_split : int
        The split that was refitted.
    same_kernel : bool
        Whether the models were fitted with this machine's linear algebra kernel.
    again : DataFrame of shape (n_rows, 2)
        The same predictions, made once more by the models, read once more from their store.
    rows_never_tested : int
        Further rows with features and a label, which no split tests.
    """

    oof: pd.DataFrame
    label: pd.Series
    determinism_difference_bps: float
    determinism_tolerance_bps: float
    refitted_split: int
    same_kernel: bool
    again: pd.DataFrame
    rows_never_tested: int = 0

    @property
    def data_version(self) -> str:
        """Digest of the predictions."""
        return table_digest(self.oof)


def make_out_of_fold(
    registry: ModelRegistry,
    stored: StoredFoldModels,
    *,
    features: pd.DataFrame,
    labels: pd.DataFrame,
    cv_splits: pd.DataFrame,
    execution_lag_days: int = 1,
    covers_history: bool = True,
    n_threads: int | None = None,
) -> OutOfFold:
    """Predict every row by the stored models that did not see it, and refit one of them.

    Parameters
    ----------
    registry : ModelRegistry
        Makes the trainer of the refit.
    stored : StoredFoldModels
        The fold models of one horizon and model.
    features, labels, cv_splits : DataFrame
        Stored tables, with their provenance.
    execution_lag_days : int, default 1
        Own bars from a row to its entry; matters to weights of rows alone.
    covers_history : bool, default True
        Whether every labelled row must be predicted. False for a walk-forward, whose first
        groups no split tests, and for a splitter of your own that leaves rows out.
    n_threads : int, optional
        Threads of the refit; the usable cores by default. The result does not depend on it.

    Returns
    -------
    OutOfFold
        The predictions, with the evidence that they can be made again.

    Raises
    ------
    StoreError
        If the models were made from other tables or with other settings, or are damaged.
    """
    manifest = stored.manifest
    partition = Partition(manifest.horizon, manifest.model)
    horizon, model = partition
    task = Task.of(
        registry, partition, region=manifest.region, execution_lag_days=execution_lag_days
    )
    task.require_same_settings("fitted_models", manifest)
    oof, data = predict_stored(stored, features=features, labels=labels, cv_splits=cv_splits)
    label, never_tested = rows_to_predict(
        labels[f"label_{horizon}"], features, data, covers_history=covers_history
    )
    split_id = smallest_split(data)
    difference = refit_difference(
        task.make_trainer,
        task.weighted(data, labels),
        stored,
        split_id=split_id,
        n_threads=n_threads or usable_cores(),
    )
    marked = with_provenance(
        oof,
        data_version=table_digest(oof),
        inputs={
            **data_versions_of(features=features, labels=labels, cv_splits=cv_splits),
            "fitted_models": manifest.data_version,
        },
        region=manifest.region,
        horizon=horizon,
        model=model,
        rows_with_label=len(label) + never_tested,
        rows_tested=len(label),
        n_folds=oof["fold_id"].nunique(),
        determinism_difference_bps=difference,
    )
    return OutOfFold(
        oof=marked,
        label=label,
        rows_never_tested=never_tested,
        determinism_difference_bps=difference,
        determinism_tolerance_bps=task.trainer_class.determinism_tolerance_bps,
        refitted_split=split_id,
        same_kernel=manifest.blas_kernel == blas_kernel(),
        again=predict_out_of_fold(stored, data),
    )


def predict_stored(
    stored: StoredFoldModels,
    *,
    features: pd.DataFrame,
    labels: pd.DataFrame,
    cv_splits: pd.DataFrame,
) -> tuple[pd.DataFrame, TrainingData]:
    """Predict every row by the stored models that did not see it.

    Parameters
    ----------
    stored : StoredFoldModels
        The fold models of one horizon and model.
    features, labels, cv_splits : DataFrame
        Stored tables, with their provenance.

    Returns
    -------
    DataFrame of shape (n_rows, 2)
        ``prediction`` (bps) and ``fold_id``, sorted by instrument, then datetime.
    TrainingData
        What it was predicted from.

    Raises
    ------
    StoreError
        If the models were made from other tables than those given: they might have
        seen the rows that they are to predict.
    """
    predictions, data = predict_stored_splits(
        stored, features=features, labels=labels, cv_splits=cv_splits
    )
    return average_splits(predictions, data), data


def predict_stored_splits(
    stored: StoredFoldModels,
    *,
    features: pd.DataFrame,
    labels: pd.DataFrame,
    cv_splits: pd.DataFrame,
) -> tuple[SplitPredictions, TrainingData]:
    """Predict the test rows of every split by its stored model.

    Parameters
    ----------
    stored : StoredFoldModels
        The fold models of one horizon and model.
    features, labels, cv_splits : DataFrame
        Stored tables, with their provenance.

    Returns
    -------
    SplitPredictions
        Of every split.
    TrainingData
        What it was predicted from.

    Raises
    ------
    StoreError
        If the models were made from other tables than those given.
    """
    manifest = stored.manifest
    tables = Tables(features, labels, cv_splits)
    data = tables.of_horizon(manifest.horizon)
    require_made_from("fitted_models", manifest.data_versions, tables.versions)
    if manifest.row_order_hash != hash_row_order(data.index) or (
        manifest.feature_names != data.feature_names
    ):
        raise StoreError(
            "fitted_models was trained on other rows or features than those stored now; "
            "materialize fitted_models again"
        )
    return predict_splits(stored, data), data


def rows_to_predict(
    label: pd.Series, features: pd.DataFrame, data: TrainingData, *, covers_history: bool
) -> tuple[pd.Series, int]:
    """Return the labels of the rows that must be predicted, and how many others there are.

    Parameters
    ----------
    label : Series of shape (n_label_rows,)
        Labels of one horizon in bps, NaN where there is none.
    features : DataFrame of shape (n_rows, n_features)
        Only its index counts.
    data : TrainingData
        The roles of the same horizon.
    covers_history : bool
        Whether every labelled row must be predicted.

    Returns
    -------
    Series of shape (n_expected,), float64
        Found in `label` and `features`, and not in the splits, unless only the rows from the
        first tested date on must be predicted.
    int
        Further rows with features and a label.
    """
    known = labels_with_features(label, features)
    if covers_history:
        return known, 0
    later = _from_first_tested_date(known, data.index[data.tested_rows])
    return later, len(known) - len(later)


def labels_with_features(label: pd.Series, features: pd.DataFrame) -> pd.Series:
    """Return the labels, in bps, of the rows that have features."""
    known = label.dropna()
    return known[known.index.isin(features.index)]


def _from_first_tested_date(label: pd.Series, tested: pd.MultiIndex) -> pd.Series:
    """Return the labels from the first tested date on, whether or not a split tests them."""
    if not len(tested):
        return label
    first = tested.get_level_values("datetime").min()
    later: pd.Series = label[label.index.get_level_values("datetime") >= first]
    return later


def smallest_split(data: TrainingData) -> int:
    """Return the split with the fewest train rows: the cheapest to refit."""
    sizes = [len(data.train_rows(split_id)) for split_id in range(data.n_splits)]
    return sizes.index(min(sizes))
