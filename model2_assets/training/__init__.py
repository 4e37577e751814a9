"""Base models: trainers, the one cross-validation loop, and their products.

Names are imported when first used, so that importing this package loads neither
scikit-learn nor XGBoost.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from model2_assets.training.base_models import (
        BaseModelTrainer,
        FoldModel,
        ParameterError,
        SplitView,
    )
    from model2_assets.training.checkpoints import (
        FoldCheckpoints,
    )
    from model2_assets.training.data import (
        SelectedRows,
        TrainingData,
        assemble_training_data,
        hash_row_order,
    )
    from model2_assets.training.fit import (
        FittedModels,
        cross_validate,
        fit_models,
        fit_split,
    )
    from model2_assets.training.importances import (
        aggregate_importances,
        top_importances,
    )
    from model2_assets.training.linear import (
        LinearTrainer,
    )
    from model2_assets.training.live import (
        LivePredictions,
        assemble_labelled_rows,
        find_live_rows,
        fit_final_model,
        make_live,
    )
    from model2_assets.training.model_registry import (
        ModelRegistry,
    )
    from model2_assets.training.models import load_model, load_models
    from model2_assets.training.nested import (
        NestedOutOfFold,
        build_nested_splits,
        make_nested,
        predict_nested,
        stored_nested,
    )
    from model2_assets.training.predict import (
        OutOfFold,
        OutOfFoldPaths,
        PathPlan,
        SplitPredictions,
        average_splits,
        largest_difference,
        make_out_of_fold,
        make_paths,
        mean_by_row,
        predict_out_of_fold,
        predict_splits,
        predict_stored,
        recombine_predictions,
        refit_difference,
        rows_to_predict,
    )
    from model2_assets.training.resources import (
        ResourceUsage,
        estimate_training_bytes,
        fit_n_jobs_to_memory,
        measure_resources,
        usable_cores,
    )
    from model2_assets.training.ridge import (
        RidgeTrainer,
    )
    from model2_assets.training.task import (
        Tables,
        Task,
    )
    from model2_assets.training.weights import (
        LabelSpans,
        label_spans,
    )
    from model2_assets.training.xgboost import (
        XGBoostTrainer,
    )

_MODULES = {
    "BaseModelTrainer": "base_models",
    "FittedModels": "fit",
    "FoldCheckpoints": "checkpoints",
    "FoldModel": "base_models",
    "LabelSpans": "weights",
    "LinearTrainer": "linear",
    "LivePredictions": "live",
    "ModelRegistry": "model_registry",
    "NestedOutOfFold": "nested",
    "OutOfFold": "predict",
    "OutOfFoldPaths": "predict",
    "ParameterError": "base_models",
    "PathPlan": "predict",
    "ResourceUsage": "resources",
    "RidgeTrainer": "ridge",
    "SelectedRows": "data",
    "SplitPredictions": "predict",
    "SplitView": "base_models",
    "Tables": "task",
    "Task": "task",
    "TrainingData": "data",
    "XGBoostTrainer": "xgboost",
    "aggregate_importances": "importances",
    "assemble_labelled_rows": "live",
    "assemble_training_data": "data",
    "average_splits": "predict",
    "build_nested_splits": "nested",
    "cross_validate": "fit",
    "estimate_training_bytes": "resources",
    "find_live_rows": "live",
    "fit_final_model": "live",
    "fit_models": "fit",
    "fit_n_jobs_to_memory": "resources",
    "fit_split": "fit",
    "hash_row_order": "data",
    "label_spans": "weights",
    "largest_difference": "predict",
    "load_model": "models",
    "load_models": "models",
    "make_live": "live",
    "make_nested": "nested",
    "make_out_of_fold": "predict",
    "make_paths": "predict",
    "mean_by_row": "predict",
    "measure_resources": "resources",
    "predict_nested": "nested",
    "predict_out_of_fold": "predict",
    "predict_splits": "predict",
    "predict_stored": "predict",
    "recombine_predictions": "predict",
    "refit_difference": "predict",
    "rows_to_predict": "predict",
    "stored_nested": "nested",
    "top_importances": "importances",
    "usable_cores": "resources",
}

__all__ = [
    "BaseModelTrainer",
    "FittedModels",
    "FoldCheckpoints",
    "FoldModel",
    "LabelSpans",
    "LinearTrainer",
    "LivePredictions",
    "ModelRegistry",
    "NestedOutOfFold",
    "OutOfFold",
    "OutOfFoldPaths",
    "ParameterError",
    "PathPlan",
    "ResourceUsage",
    "RidgeTrainer",
    "SelectedRows",
    "SplitPredictions",
    "SplitView",
    "Tables",
    "Task",
    "TrainingData",
    "XGBoostTrainer",
    "aggregate_importances",
    "assemble_labelled_rows",
    "assemble_training_data",
    "average_splits",
    "build_nested_splits",
    "cross_validate",
    "estimate_training_bytes",
    "find_live_rows",
    "fit_final_model",
    "fit_models",
    "fit_n_jobs_to_memory",
    "fit_split",
    "hash_row_order",
    "label_spans",
    "largest_difference",
    "load_model",
    "load_models",
    "make_live",
    "make_nested",
    "make_out_of_fold",
    "make_paths",
    "mean_by_row",
    "measure_resources",
    "predict_nested",
    "predict_out_of_fold",
    "predict_splits",
    "predict_stored",
    "recombine_predictions",
    "refit_difference",
    "rows_to_predict",
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
