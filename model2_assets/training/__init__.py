"""Base models: trainers, the one cross-validation loop, and their products.

Names are imported when first used, so that importing this package loads neither
scikit-learn nor XGBoost.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from model2_assets.training._column_sums import ColumnSums, ImputableColumns
    from model2_assets.training._determinism import largest_difference, refit_difference
    from model2_assets.training._importances import aggregate_importances, top_importances
    from model2_assets.training._live_rows import find_live_rows
    from model2_assets.training._manifest import FoldFile, Manifest, Provenance, TrainedRows
    from model2_assets.training._nested import predict_nested
    from model2_assets.training._out_of_fold import (
        FittedSplit,
        SplitPredictions,
        average_splits,
        mean_by_row,
        predict_out_of_fold,
        predict_splits,
    )
    from model2_assets.training._paths import recombine_predictions
    from model2_assets.training._resources import (
        ResourceUsage,
        estimate_training_bytes,
        fit_n_jobs_to_memory,
        measure_resources,
    )
    from model2_assets.training._ridge_solution import RidgeSolution, column_coefficients
    from model2_assets.training._ridge_sums import role_marks
    from model2_assets.training._row_blocks import (
        RowBlocks,
        compact,
        date_runs,
        number_rows,
        rows_by_id,
    )
    from model2_assets.training._selected_rows import SelectedRows
    from model2_assets.training._training_data import FeatureMatrix, hash_row_order
    from model2_assets.training._uniqueness import LabelSpans, label_spans
    from model2_assets.training.base_models import (
        BaseModelTrainer,
        FoldModel,
        FoldProgress,
        ParameterError,
        TrainingData,
        assemble_training_data,
        cross_validate,
        fit_split,
        usable_cores,
    )
    from model2_assets.training.checkpoints import FoldCheckpoints
    from model2_assets.training.final import assemble_labelled_rows, fit_final_model
    from model2_assets.training.fitting import FittedModels, assemble_roles, fit_models
    from model2_assets.training.linear import LinearTrainer
    from model2_assets.training.live import LivePredictions, make_live
    from model2_assets.training.model_registry import ModelRegistry
    from model2_assets.training.nested import (
        NestedOutOfFold,
        build_nested_splits,
        make_nested,
        stored_nested,
    )
    from model2_assets.training.out_of_fold import (
        OutOfFold,
        make_out_of_fold,
        predict_stored,
        rows_to_predict,
    )
    from model2_assets.training.paths import OutOfFoldPaths, PathPlan, make_paths
    from model2_assets.training.persistence import (
        StoredFoldModels,
        open_fold_models,
        open_kept_models,
        save_fold_models,
    )
    from model2_assets.training.ridge import RidgeTrainer
    from model2_assets.training.xgboost import XGBoostTrainer

_MODULES = {
    "BaseModelTrainer": "base_models",
    "ColumnSums": "_column_sums",
    "FeatureMatrix": "_training_data",
    "FittedModels": "fitting",
    "FittedSplit": "_out_of_fold",
    "FoldCheckpoints": "checkpoints",
    "FoldFile": "_manifest",
    "FoldModel": "base_models",
    "FoldProgress": "base_models",
    "ImputableColumns": "_column_sums",
    "LabelSpans": "_uniqueness",
    "LinearTrainer": "linear",
    "LivePredictions": "live",
    "Manifest": "_manifest",
    "ModelRegistry": "model_registry",
    "NestedOutOfFold": "nested",
    "OutOfFold": "out_of_fold",
    "OutOfFoldPaths": "paths",
    "ParameterError": "base_models",
    "PathPlan": "paths",
    "Provenance": "_manifest",
    "ResourceUsage": "_resources",
    "RidgeSolution": "_ridge_solution",
    "RidgeTrainer": "ridge",
    "RowBlocks": "_row_blocks",
    "SelectedRows": "_selected_rows",
    "SplitPredictions": "_out_of_fold",
    "StoredFoldModels": "persistence",
    "TrainedRows": "_manifest",
    "TrainingData": "base_models",
    "XGBoostTrainer": "xgboost",
    "aggregate_importances": "_importances",
    "assemble_labelled_rows": "final",
    "assemble_roles": "fitting",
    "assemble_training_data": "base_models",
    "average_splits": "_out_of_fold",
    "build_nested_splits": "nested",
    "column_coefficients": "_ridge_solution",
    "compact": "_row_blocks",
    "cross_validate": "base_models",
    "date_runs": "_row_blocks",
    "estimate_training_bytes": "_resources",
    "find_live_rows": "_live_rows",
    "fit_final_model": "final",
    "fit_models": "fitting",
    "fit_n_jobs_to_memory": "_resources",
    "fit_split": "base_models",
    "hash_row_order": "_training_data",
    "label_spans": "_uniqueness",
    "largest_difference": "_determinism",
    "make_live": "live",
    "make_nested": "nested",
    "make_out_of_fold": "out_of_fold",
    "make_paths": "paths",
    "mean_by_row": "_out_of_fold",
    "measure_resources": "_resources",
    "number_rows": "_row_blocks",
    "open_fold_models": "persistence",
    "open_kept_models": "persistence",
    "predict_nested": "_nested",
    "predict_out_of_fold": "_out_of_fold",
    "predict_splits": "_out_of_fold",
    "predict_stored": "out_of_fold",
    "recombine_predictions": "_paths",
    "refit_difference": "_determinism",
    "role_marks": "_ridge_sums",
    "rows_by_id": "_row_blocks",
    "rows_to_predict": "out_of_fold",
    "save_fold_models": "persistence",
    "stored_nested": "nested",
    "top_importances": "_importances",
    "usable_cores": "base_models",
}

__all__ = [
    "BaseModelTrainer",
    "ColumnSums",
    "FeatureMatrix",
    "FittedModels",
    "FittedSplit",
    "FoldCheckpoints",
    "FoldFile",
    "FoldModel",
    "FoldProgress",
    "ImputableColumns",
    "LabelSpans",
    "LinearTrainer",
    "LivePredictions",
    "Manifest",
    "ModelRegistry",
    "NestedOutOfFold",
    "OutOfFold",
    "OutOfFoldPaths",
    "ParameterError",
    "PathPlan",
    "Provenance",
    "ResourceUsage",
    "RidgeSolution",
    "RidgeTrainer",
    "RowBlocks",
    "SelectedRows",
    "SplitPredictions",
    "StoredFoldModels",
    "TrainedRows",
    "TrainingData",
    "XGBoostTrainer",
    "aggregate_importances",
    "assemble_labelled_rows",
    "assemble_roles",
    "assemble_training_data",
    "average_splits",
    "build_nested_splits",
    "column_coefficients",
    "compact",
    "cross_validate",
    "date_runs",
    "estimate_training_bytes",
    "find_live_rows",
    "fit_final_model",
    "fit_models",
    "fit_n_jobs_to_memory",
    "fit_split",
    "hash_row_order",
    "label_spans",
    "largest_difference",
    "make_live",
    "make_nested",
    "make_out_of_fold",
    "make_paths",
    "mean_by_row",
    "measure_resources",
    "number_rows",
    "open_fold_models",
    "open_kept_models",
    "predict_nested",
    "predict_out_of_fold",
    "predict_splits",
    "predict_stored",
    "recombine_predictions",
    "refit_difference",
    "role_marks",
    "rows_by_id",
    "rows_to_predict",
    "save_fold_models",
    "stored_nested",
    "top_importances",
    "usable_cores",
]


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
