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
        TrainingData,
        assemble_training_data,
    )
    from model2_assets.training.fit import (
        FittedModels,
        cross_validate,
        fit_models,
    )
    from model2_assets.training.importances import (
        aggregate_importances,
    )
    from model2_assets.training.linear import (
        LinearTrainer,
    )
    from model2_assets.training.live import (
        fit_final_model,
        make_live,
    )
    from model2_assets.training.model_registry import (
        ModelRegistry,
    )
    from model2_assets.training.models import (
        load_model,
    )
    from model2_assets.training.nested import (
        make_nested,
    )
    from model2_assets.training.predict import (
        make_out_of_fold,
        make_paths,
        predict_out_of_fold,
    )
    from model2_assets.training.ridge import (
        RidgeTrainer,
    )
    from model2_assets.training.task import (
        Tables,
        Task,
    )
    from model2_assets.training.xgboost import (
        XGBoostTrainer,
    )

_MODULES = {
    "BaseModelTrainer": "base_models",
    "FittedModels": "fit",
    "FoldCheckpoints": "checkpoints",
    "FoldModel": "base_models",
    "LinearTrainer": "linear",
    "ModelRegistry": "model_registry",
    "ParameterError": "base_models",
    "RidgeTrainer": "ridge",
    "SplitView": "base_models",
    "Tables": "task",
    "Task": "task",
    "TrainingData": "data",
    "XGBoostTrainer": "xgboost",
    "aggregate_importances": "importances",
    "assemble_training_data": "data",
    "cross_validate": "fit",
    "fit_final_model": "live",
    "fit_models": "fit",
    "load_model": "models",
    "make_live": "live",
    "make_nested": "nested",
    "make_out_of_fold": "predict",
    "make_paths": "predict",
    "predict_out_of_fold": "predict",
}

__all__ = [
    "BaseModelTrainer",
    "FittedModels",
    "FoldCheckpoints",
    "FoldModel",
    "LinearTrainer",
    "ModelRegistry",
    "ParameterError",
    "RidgeTrainer",
    "SplitView",
    "Tables",
    "Task",
    "TrainingData",
    "XGBoostTrainer",
    "aggregate_importances",
    "assemble_training_data",
    "cross_validate",
    "fit_final_model",
    "fit_models",
    "load_model",
    "make_live",
    "make_nested",
    "make_out_of_fold",
    "make_paths",
    "predict_out_of_fold",
]


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
