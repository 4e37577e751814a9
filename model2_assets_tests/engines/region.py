"""The tables of a synthetic region in a store, and fits of its models."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd

from model2_assets.config import FeaturesConfig, Model2Config, Partition, parse_config
from model2_assets.cross_validation import build_cv_splits
from model2_assets.features.build import make_features
from model2_assets.labels import make_labels
from model2_assets.market_data import load_market_data
from model2_assets.storage import Address, Store
from model2_assets.storage.data_version import data_versions_of, stamped
from model2_assets.training import FittedModels, ModelRegistry, Tables, Task, fit_models
from model2_assets.training.task import TableSource

NET = "model2_assets_tests.training.trainers:ElasticNetTrainer"


def region_config(n_instruments: int = 12, n_dates: int = 460, **models: Any) -> Model2Config:
    params = {"n_instruments": n_instruments, "n_dates": n_dates, "seed": 11, "signal": 0.0}
    market = {"source": "synthetic", "params": params}
    return parse_config(
        {
            "regions": {"us": {"market_data": market, "labels": {"horizons": [21]}}},
            "models": {"net": {"trainer": NET}, **models},
        }
    )


def store_tables(
    folder: Path,
    config: Model2Config,
    *,
    features_of: Callable[[pd.DataFrame, FeaturesConfig], pd.DataFrame] = make_features,
) -> Tables:
    """Make the tables of the region, store them, and return them as they are read back."""
    settings, store = config.region("us"), Store(str(folder))
    panel = stamped(load_market_data(settings.market_data).panel, inputs={})
    origin = data_versions_of(market_data=panel)
    labels = stamped(make_labels(panel, settings.labels), inputs=origin)
    features = stamped(features_of(panel, settings.features), inputs=origin)
    splits = build_cv_splits(features.index, labels, settings.cross_validation)
    made_from = data_versions_of(features=features, labels=labels)
    made = {"features": features, "labels": labels, "cv_splits": stamped(splits, inputs=made_from)}
    for name, table in made.items():
        store.write(Address("us", name), table)
    return TableSource(str(folder), "us").load()


def task_of(config: Model2Config, model: str) -> Task:
    registry = ModelRegistry.from_config(config, "us")
    return Task.of(registry, Partition("21d", model), region="us", settings=config.region("us"))


def fitted(config: Model2Config, tables: Tables, model: str, **options: Any) -> FittedModels:
    execution = options.pop("execution", config.execution)
    return fit_models(task_of(config, model), tables, execution, **options)


def bits(models: FittedModels) -> list[object]:
    """Return what has to be the same: digests of trees and coefficients, and calibrations."""
    return [(one.split_id, one.digest(), one.calibration) for one in models.models]
