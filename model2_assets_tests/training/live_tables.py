"""A small region up to out-of-fold predictions, with rows that are too recent for a label."""

import tempfile
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from upath import UPath

from model2_assets.config import (
    CrossValidationConfig,
    ExecutionConfig,
    LabelsConfig,
    ModelConfig,
)
from model2_assets.cross_validation import build_cv_splits
from model2_assets.labels import make_labels
from model2_assets.market_data import synthetic_panel
from model2_assets.panel import to_canonical
from model2_assets.storage.data_version import data_versions_of, facts_of
from model2_assets.storage.models import Manifest
from model2_assets.training import (
    FittedModels,
    ModelRegistry,
    Tables,
    fit_models,
    predict_out_of_fold,
)
from model2_assets.training.live import fit_final_model
from model2_assets_tests.sample_models import save_fold_models
from model2_assets_tests.sample_tables import mark
from model2_assets_tests.training.stored_tables import TRAINERS, task

HORIZON = "21d"


@dataclass(frozen=True)
class LiveTables:
    market_data: pd.DataFrame
    features: pd.DataFrame
    labels: pd.DataFrame
    oof: pd.DataFrame
    validated: Manifest

    @property
    def paths(self) -> pd.DataFrame:
        """The same predictions as the single path of splits that test one group each."""
        return mark(self.oof.reset_index(), **facts_of(self.oof)["inputs"])

    def replaced(self, **changes: Any) -> "LiveTables":
        return replace(self, **changes)


def models(**ridge: Any) -> ModelRegistry:
    ridge = {"params": {"alpha": 50.0}, **ridge}
    return ModelRegistry(
        {
            "ridge": ModelConfig(trainer=f"{TRAINERS}:RidgeTrainer", **ridge),
            "xgboost": ModelConfig(
                trainer=f"{TRAINERS}:XGBoostTrainer", params={"n_estimators": 5}
            ),
        }
    )


def live_tables(
    model: str = "ridge", registry: ModelRegistry | None = None, **labelled: object
) -> LiveTables:
    registry = registry or models()
    bars = synthetic_panel(n_instruments=8, n_dates=200, seed=3)
    panel = mark(to_canonical(bars.set_index(["instrument", "datetime"]).assign(in_universe=True)))
    versions = data_versions_of(market_data=panel)
    settings = LabelsConfig(horizons=(21,), execution_lag_days=1, **labelled)
    labels = mark(make_labels(panel, settings), **versions)
    features = mark(two_features(panel), **versions)
    config = CrossValidationConfig(n_groups=3, embargo_days=1, min_samples=20)
    made_from = data_versions_of(features=features, labels=labels)
    splits = mark(build_cv_splits(features.index, labels, config), **made_from)
    tables = Tables(features, labels, splits)
    of_model = task(model, HORIZON, models=registry)
    fitted = fit_models(of_model, tables, ExecutionConfig(n_jobs=1))
    data = tables.of_horizon(HORIZON)
    oof = predict_out_of_fold(fitted.models, data)
    return LiveTables(
        market_data=panel,
        features=features,
        labels=labels,
        oof=mark(oof, **made_from, fitted_models=fitted.data_version),
        validated=manifest_of(fitted),
    )


def two_features(panel: pd.DataFrame) -> pd.DataFrame:
    close = panel["close"].groupby(level="instrument")
    features = pd.DataFrame(
        {
            "momentum": panel["close"] / close.shift(20) - 1,
            "reversal": 1 - panel["close"] / close.shift(1),
        }
    ).dropna()
    return features.astype(np.float32)


def manifest_of(fitted: FittedModels) -> Manifest:
    """Return the manifest that storing the models writes."""
    with tempfile.TemporaryDirectory() as folder:
        return save_fold_models(UPath(folder), fitted.models, provenance=fitted.provenance)


def fit_final(
    tables: LiveTables, registry: ModelRegistry | None = None, **execution: float
) -> FittedModels:
    return fit_final_model(
        task(tables.validated.model, HORIZON, models=registry or models()),
        tables.validated,
        tables.oof,
        features=tables.features,
        labels=tables.labels,
        execution=ExecutionConfig(**execution),
    )


def oracle_rows(tables: LiveTables) -> pd.MultiIndex:
    """Return the rows with features and a label, by a merge, in canonical order."""
    label = tables.labels[[f"label_{HORIZON}"]].dropna().reset_index()
    merged = label.merge(tables.features.reset_index(), on=["instrument", "datetime"])
    ordered = merged.sort_values(["datetime", "instrument"])
    return pd.MultiIndex.from_frame(ordered[["instrument", "datetime"]])
