"""Out-of-fold predictions and paths: every row predicted by models that never saw it."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from model2_assets.config import ExecutionConfig
from model2_assets.engines import Engine, give_pages_back, open_engine
from model2_assets.errors import StoreError, TrainingError
from model2_assets.panel import (
    INDEX_NAMES,
    PART_ROWS,
    date_codes,
    instrument_codes,
    positions_in,
    row_name,
)
from model2_assets.storage.data_version import (
    INPUTS,
    data_versions_of,
    facts_of,
    require_made_from,
)
from model2_assets.storage.matrix import StoredMatrix
from model2_assets.storage.models import StoredFoldModels
from model2_assets.training.base_models import BaseModelTrainer, FoldModel, predict_rows
from model2_assets.training.data import (
    FeatureMatrix,
    SelectedRows,
    TrainingData,
    hash_row_order,
)
from model2_assets.training.fit import fit_split
from model2_assets.training.fold_models import within_memory
from model2_assets.training.models import load_model, load_models
from model2_assets.training.resources import blas_kernel, usable_cores
from model2_assets.training.task import Tables, Task


@dataclass(frozen=True, eq=False)
class SplitPredictions:
    """Every prediction, in bps, that every split makes, split after split.

    `row` is the position of the predicted row in the training data, ascending within a split.
    """

    row: NDArray[np.intp]
    split_id: NDArray[np.int16]
    prediction: NDArray[np.float64]


Predict = Callable[[FoldModel, FeatureMatrix, NDArray[np.intp]], NDArray[np.float64]]
"""Predicts rows of features by a model, with the bits of `predict_rows`."""


def predict_splits(
    models: Iterable[FoldModel], data: TrainingData, *, predict: Predict = predict_rows
) -> SplitPredictions:
    """Predict the test rows of every split by its model, whatever the order of the models.

    One model is held at a time; one that is missing or given twice is refused.
    """
    predictions: dict[int, NDArray[np.float64]] = {}
    for model in models:
        if model.split_id in predictions or not 0 <= model.split_id < data.n_splits:
            raise TrainingError(
                f"split {model.split_id}: given twice, or not among the {data.n_splits} splits of "
                f"cv_splits; retrain the model on these cv_splits"
            )
        test = data.test_rows(model.split_id)
        predictions[model.split_id] = predict(model, data.X, test)
    splits = range(data.n_splits)
    missing = sorted(set(splits) - set(predictions))
    if missing:
        raise TrainingError(
            f"split {missing[0]} has no model; retrain the model on these cv_splits"
        )
    return SplitPredictions(
        row=np.concatenate([data.test_rows(split_id) for split_id in splits]),
        split_id=np.repeat(
            np.array(splits, dtype=np.int16), [len(predictions[split_id]) for split_id in splits]
        ),
        prediction=np.concatenate([predictions[split_id] for split_id in splits]),
    )


def predict_out_of_fold(models: Iterable[FoldModel], data: TrainingData) -> pd.DataFrame:
    """Predict every row by the models of the splits that test it.

    Parameters
    ----------
    models : iterable of FoldModel
        The model of every split of `data`, in any order; one is held at a time.
    data : TrainingData
        Features and roles.

    Returns
    -------
    DataFrame of shape (n_tested_rows, 2)
        Indexed by ``(instrument, datetime)``, sorted by instrument, then datetime.
        ``prediction`` (float64, bps) is the mean over the splits that test the row: one
        split where one group is tested at a time, C(N-1, k-1) where k groups are.
        ``fold_id`` (int16) is the group of the row's date. Groups that no split tests,
        the first ones of a walk-forward, have no rows.

    Raises
    ------
    TrainingError
        If the model of a split is missing or given twice, or no split tests a row, though
        others of its group are tested.
    """
    return average_splits(predict_splits(models, data), data)


def average_splits(predictions: SplitPredictions, data: TrainingData) -> pd.DataFrame:
    """Average the predictions of every row that is tested, as `predict_out_of_fold` returns it."""
    n_tests = np.bincount(predictions.row, minlength=data.n_rows)
    groups_tested = np.unique(data.group_id[n_tests > 0])
    never = np.flatnonzero((n_tests == 0) & np.isin(data.group_id, groups_tested))
    if never.size:
        raise TrainingError(
            f"no split predicts {never.size} rows, first {row_name(data.index, never[0])}; "
            f"rebuild cv_splits"
        )
    mean = mean_by_row(predictions.row, predictions.prediction, data.n_rows)
    order = output_order(data)
    order = order[n_tests[order] > 0]
    return pd.DataFrame(
        {"prediction": mean[order], "fold_id": data.group_id[order]}, index=data.index[order]
    )


def recombine_predictions(predictions: SplitPredictions, data: TrainingData) -> pd.DataFrame:
    """List every prediction, by instrument, datetime and split, with the path it belongs to.

    The n-th split that tests a row gives the row's part of path n: the rule of
    ``PurgedEmbargoedTimeSeriesSplit.path_ids``, read from the roles, so that it holds for any
    splitter that tests every row equally often (López de Prado 2018, section 12.4).
    ``prediction_std`` is the sample standard deviation of a row's predictions.
    """
    # Stable: the splits of a row stay in their order.
    order = np.argsort(output_place(data)[predictions.row], kind="stable")
    row, prediction = predictions.row[order], predictions.prediction[order]
    mean = mean_by_row(row, prediction, data.n_rows)
    variance = mean_by_row(row, (prediction - mean[row]) ** 2, data.n_rows, ddof=1)
    is_first = np.diff(row, prepend=-1) != 0
    occurrence = np.arange(len(row)) - np.flatnonzero(is_first)[np.cumsum(is_first) - 1]
    return pd.DataFrame(
        {
            **{name: data.index.get_level_values(name).take(row) for name in INDEX_NAMES},
            "split_id": predictions.split_id[order],
            "path_id": occurrence.astype(np.int16),
            "group_id": data.group_id[row],
            "prediction": prediction,
            "prediction_std": np.sqrt(variance)[row],
        },
        copy=False,
    )


def mean_by_row(
    row: NDArray[np.intp], values: NDArray[np.float64], n_rows: int, *, ddof: int = 0
) -> NDArray[np.float64]:
    """Return the mean value of every row, its divisor less `ddof`; NaN where it has too few.

    A row's values are added up in the order given, so equal orders give equal bits.
    """
    total = np.bincount(row, weights=values, minlength=n_rows)
    divisor = np.bincount(row, minlength=n_rows) - ddof
    mean = np.full(n_rows, np.nan)
    np.divide(total, divisor, out=mean, where=divisor > 0)
    return mean


def output_order(data: TrainingData) -> NDArray[np.intp]:
    """Return the positions of all rows sorted by instrument, then datetime."""
    return np.lexsort((date_codes(data.index).codes, instrument_codes(data.index).codes))


def output_place(data: TrainingData) -> NDArray[np.intp]:
    """Return the place of every row in `output_order`."""
    place = np.empty(data.n_rows, dtype=np.intp)
    place[output_order(data)] = np.arange(data.n_rows)
    return place


def refit_difference(
    make_trainer: Callable[[], BaseModelTrainer],
    data: TrainingData,
    fitted: FoldModel,
    *,
    split_id: int,
    n_threads: int = 1,
) -> float:
    """Refit a split; return the `largest_difference` of test predictions to its model's."""
    rows = data.test_rows(split_id)
    calibrates = fitted.calibration is not None
    again = fit_split(make_trainer, data, split_id, calibrates=calibrates, n_threads=n_threads)
    return largest_difference(predict_rows(again, data.X, rows), predict_rows(fitted, data.X, rows))


def largest_difference(left: NDArray[np.float64], right: NDArray[np.float64]) -> float:
    """Return the largest absolute difference of two arrays; of two NaN or equal infinities, 0.

    A NaN or an infinity beside anything else differs by infinity, so that no comparison with a
    tolerance can pass by accident.
    """
    differ = ~((left == right) | (np.isnan(left) & np.isnan(right)))
    found = np.abs(left[differ] - right[differ])
    return float(np.nan_to_num(found, nan=np.inf, posinf=np.inf).max(initial=0.0))


def predicted_by(engine: Engine, stored: StoredFoldModels) -> Predict:
    """Return what predicts by stored models on an engine: part by part, where their rows are."""

    def predict(model: FoldModel, X: FeatureMatrix, rows: NDArray[np.intp]) -> NDArray[np.float64]:
        if not isinstance(X, SelectedRows) or X.stored is None or not len(rows):
            return predict_rows(model, X, rows)
        task = partial(_predict_part, stored, X.stored, model.split_id)
        parts = (X.positions[rows[at : at + PART_ROWS]] for at in range(0, len(rows), PART_ROWS))
        return np.concatenate(list(engine.map(task, map(_as_ranges, parts))))

    return predict_rows if engine.is_local else predict


Ranges = list[tuple[int, int]]


def _as_ranges(rows: NDArray[np.intp]) -> Ranges:
    """Return ascending rows as ranges of neighbours, each from its first row to beyond its last."""
    cuts = np.flatnonzero(np.diff(rows) != 1) + 1
    starts, ends = rows[np.r_[0, cuts]], rows[np.r_[cuts - 1, -1]] + 1
    return list(zip(starts.tolist(), ends.tolist(), strict=True))


def _predict_part(
    stored: StoredFoldModels, matrix: StoredMatrix, split_id: int, ranges: Ranges
) -> NDArray[np.float64]:
    first, last = ranges[0][0], ranges[-1][1]
    values = matrix.rows(first, last)
    give_pages_back(values)
    rows = np.concatenate([np.arange(start - first, stop - first) for start, stop in ranges])
    X = SelectedRows(values, rows)
    return predict_rows(load_model(stored, split_id), X, np.arange(len(rows)))


def predict_stored(
    stored: StoredFoldModels,
    tables: Tables,
    *,
    embargo_days: int = 5,
    predict: Predict = predict_rows,
) -> tuple[SplitPredictions, TrainingData]:
    """Predict the test rows of every split by its stored model, and return the data as well.

    Models that were made from other tables are refused: they might have seen the rows that
    they are to predict.
    """
    manifest = stored.manifest
    data = tables.of_horizon(manifest.horizon, embargo_days=embargo_days)
    require_made_from("fitted_models", manifest.data_versions, tables.versions)
    if manifest.row_order_hash != hash_row_order(data.index) or (
        manifest.feature_names != data.feature_names
    ):
        raise StoreError(
            "fitted_models was trained on other rows or features than those stored now; "
            "materialize fitted_models again"
        )
    return predict_splits(load_models(stored), data, predict=predict), data


@dataclass(frozen=True, eq=False)
class OutOfFold:
    """Out-of-fold predictions and the evidence that goes with them.

    `label` holds the labels, in bps, of the rows that must be predicted, see
    `rows_to_predict`; `rows_never_tested` counts those with a label besides. `again` holds the
    same predictions, made once more by the models, read once more from their store. Refitting
    `refitted_split` moved predictions by `determinism_difference_bps` at most, where the
    trainer promises `determinism_tolerance_bps`, for this machine's linear algebra kernel.
    """

    oof: pd.DataFrame
    label: pd.Series
    determinism_difference_bps: float
    determinism_tolerance_bps: float
    refitted_split: int
    same_kernel: bool
    again: pd.DataFrame
    rows_never_tested: int = 0


def make_out_of_fold(
    task: Task,
    stored: StoredFoldModels,
    tables: Tables,
    *,
    covers_history: bool = True,
    execution: ExecutionConfig | None = None,
) -> OutOfFold:
    """Predict every row by the stored models that did not see it, and refit one of them.

    Without `covers_history`, a row that no split tests need not be predicted: the first groups
    of a walk-forward, and what a splitter of one's own leaves out. Models of other tables or
    settings are refused. `execution` is how many cores and how much memory the refit may use.
    """
    manifest = stored.manifest
    task.require_same_settings("fitted_models", manifest)
    execution = execution or ExecutionConfig()
    n_threads = execution.n_jobs or usable_cores()
    with open_engine(execution, n_threads=n_threads) as engine:
        predict, embargo_days = predicted_by(engine, stored), task.embargo_days
        found, data = predict_stored(stored, tables, embargo_days=embargo_days, predict=predict)
        oof = average_splits(found, data)
        found = predict_splits(load_models(stored), data, predict=predict)
    again = average_splits(found, data)
    del found  # the refit takes more memory than anything before
    label, never_tested = rows_to_predict(
        tables, data, task.partition.horizon, covers_history=covers_history
    )
    # The fewest train rows: the cheapest to refit.
    split_id = min(range(data.n_splits), key=lambda split: len(data.train_rows(split)))
    fitted = load_model(stored, split_id)
    refit_data, _ = within_memory(task, task.weighted(data, tables.labels), execution)
    difference = refit_difference(
        lambda: task.make_trainer(fitted.chosen_params),
        refit_data,
        fitted,
        split_id=split_id,
        n_threads=n_threads,
    )
    marked = task.mark(
        oof,
        {**tables.versions, "fitted_models": manifest.data_version},
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
        determinism_tolerance_bps=task.unfitted.determinism_tolerance_bps,
        refitted_split=split_id,
        same_kernel=manifest.blas_kernel == blas_kernel(),
        again=again,
    )


def rows_to_predict(
    tables: Tables, data: TrainingData, horizon: str, *, covers_history: bool
) -> tuple[pd.Series, int]:
    """Return the labels, in bps, of the rows that must be predicted, and how many others are.

    Those are the rows with features and a label, found in these two tables and not in the
    splits; where not all of history is covered, those from the first tested date on, whether
    or not a split tests them.
    """
    label = tables.labels[f"label_{horizon}"].dropna()
    label = label[positions_in(tables.features.index, label.index) >= 0]
    tested = data.index[data.tested_rows].get_level_values("datetime")
    if covers_history or not len(tested):
        return label, 0
    later: pd.Series = label[label.index.get_level_values("datetime") >= tested.min()]
    return later, len(label) - len(later)


def make_paths(
    task: Task,
    stored: StoredFoldModels,
    oof: pd.DataFrame,
    tables: Tables,
    *,
    execution: ExecutionConfig | None = None,
) -> tuple[pd.DataFrame, pd.MultiIndex]:
    """Predict every row by every stored model that tests it; return the tested rows, too.

    Models of other tables are refused, and so is an `oof` of other models.
    """
    of_models = {"fitted_models": stored.manifest.data_version}
    require_made_from("oof_predictions", facts_of(oof).get(INPUTS, {}), of_models)
    with open_engine(execution or ExecutionConfig(), n_threads=usable_cores()) as engine:
        predict = predicted_by(engine, stored)
        predictions, data = predict_stored(stored, tables, predict=predict)
    paths = recombine_predictions(predictions, data)
    marked = task.mark(
        paths,
        {**tables.versions, **data_versions_of(oof_predictions=oof), **of_models},
        n_splits=data.n_splits,
        n_paths=int(paths["path_id"].max()) + 1,
        calibrations=stored.manifest.calibrations,
    )
    return marked, data.index[data.tested_rows]
