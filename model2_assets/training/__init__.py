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
        aggregate_importances,
    )
    from model2_assets.training.checkpoints import FoldCheckpoints
    from model2_assets.training.data import TrainingData, assemble_training_data
    from model2_assets.training.fit import cross_validate
    from model2_assets.training.fold_models import FittedModels, fit_models
    from model2_assets.training.linear import LinearTrainer
    from model2_assets.training.model_registry import ModelRegistry
    from model2_assets.training.models import load_model
    from model2_assets.training.predict import predict_out_of_fold
    from model2_assets.training.ridge import RidgeTrainer
    from model2_assets.training.task import Tables, Task
    from model2_assets.training.xgboost import XGBoostTrainer

_NAMES = {
    "base_models": (
        "BaseModelTrainer",
        "FoldModel",
        "ParameterError",
        "SplitView",
        "aggregate_importances",
    ),
    "checkpoints": ("FoldCheckpoints",),
    "data": ("TrainingData", "assemble_training_data"),
    "fit": ("cross_validate",),
    "fold_models": ("FittedModels", "fit_models"),
    "linear": ("LinearTrainer",),
    "model_registry": ("ModelRegistry",),
    "models": ("load_model",),
    "predict": ("predict_out_of_fold",),
    "ridge": ("RidgeTrainer",),
    "task": ("Tables", "Task"),
    "xgboost": ("XGBoostTrainer",),
}
_MODULES = {name: module for module, names in _NAMES.items() for name in names}

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
    "fit_models",
    "load_model",
    "predict_out_of_fold",
]


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
