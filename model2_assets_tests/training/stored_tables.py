"""Tables as the store returns them: each with its data version and what it was made from."""

from dataclasses import dataclass, replace
from typing import Any

import pandas as pd

from model2_assets.config import ExecutionConfig, LabelsConfig, ModelConfig, RegionConfig
from model2_assets.config.partition import Partition
from model2_assets.storage.data_version import data_versions_of
from model2_assets.training import FittedModels, ModelRegistry, Tables, Task, fit_models
from model2_assets_tests.sample_tables import mark
from model2_assets_tests.training.panels import make_tables

TRAINERS = "model2_assets.training"


@dataclass(frozen=True, eq=False)
class StoredTables(Tables):
    def with_splits(self, cv_splits: pd.DataFrame) -> "StoredTables":
        """Return the tables with other splits, made from these features and labels."""
        return replace(self, cv_splits=mark_splits(cv_splits, self.features, self.labels))

    @property
    def arguments(self) -> dict[str, pd.DataFrame]:
        return {"features": self.features, "labels": self.labels, "cv_splits": self.cv_splits}


def mark_splits(
    cv_splits: pd.DataFrame, features: pd.DataFrame, labels: pd.DataFrame
) -> pd.DataFrame:
    return mark(cv_splits, **data_versions_of(features=features, labels=labels))


def stored_tables(**settings: Any) -> StoredTables:
    features, labels, cv_splits = make_tables(**settings)
    features, labels = mark(features, market_data="m"), mark(labels, market_data="m")
    return StoredTables(features, labels, mark_splits(cv_splits, features, labels))


def registry(**ridge: Any) -> ModelRegistry:
    """Return models that are not calibrated, for which the tables are too small."""
    xgboost = {"n_estimators": 5, "max_depth": 2, "learning_rate": 0.3}
    return ModelRegistry(
        {
            "ridge": ModelConfig(
                trainer=f"{TRAINERS}:RidgeTrainer", **{"calibration": "none", **ridge}
            ),
            "xgboost": ModelConfig(
                trainer=f"{TRAINERS}:XGBoostTrainer", params=xgboost, calibration="none"
            ),
        }
    )


def fit(
    tables: StoredTables, model: str = "ridge", *, n_jobs: int = 1, models=None
) -> FittedModels:
    return fit_models(task(model, models=models), tables, ExecutionConfig(n_jobs=n_jobs))


def task(
    model: str = "ridge",
    horizon: str = "21d",
    *,
    models: ModelRegistry | None = None,
    execution_lag_days: int = 1,
) -> Task:
    return Task.of(
        models or registry(),
        Partition(horizon, model),
        region="us",
        settings=RegionConfig(labels=LabelsConfig(execution_lag_days=execution_lag_days)),
    )
