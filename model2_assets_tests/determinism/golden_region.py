"""Out-of-fold predictions of a synthetic region, by the core alone."""

import tempfile
from typing import Any

import pandas as pd

from model2_assets.config import Model2Config, parse_config
from model2_assets.config.partition import Partition
from model2_assets.cross_validation import build_cv_splits
from model2_assets.features.build import make_features
from model2_assets.labels import make_labels
from model2_assets.market_data import load_market_data
from model2_assets.storage import Address, Store
from model2_assets.storage.data_version import data_versions_of
from model2_assets.training import ModelRegistry, Tables, Task, fit_models
from model2_assets.training.predict import make_out_of_fold
from model2_assets_tests.sample_tables import mark

CONFIG: dict[str, Any] = {
    "regions": {
        "us": {
            "market_data": {
                "source": "synthetic",
                "params": {"n_instruments": 10, "n_dates": 420, "seed": 17, "missing_days": 0.01},
            },
        }
    },
    "models": {"xgboost": {"params": {"n_estimators": 40, "min_child_weight_fraction": 0.02}}},
    "execution": {"n_jobs": 1},
}
"""Written out, and changed by nothing but a decision: the golden predictions are made of it."""


def golden_predictions() -> pd.DataFrame:
    """Return the out-of-fold predictions of all models and horizons side by side, in bps.

    Returns
    -------
    DataFrame of shape (n_rows, n_horizons * n_models)
        Columns such as ``21d|ridge``, rows in canonical order; missing where a row has no
        label of the horizon.
    """
    config = parse_config(CONFIG)
    tables = _tables(config)
    with tempfile.TemporaryDirectory() as folder:
        store = Store(folder)
        return pd.DataFrame(
            {
                f"{horizon}|{model}": _predictions(config, store, tables, horizon, model)
                for horizon in config.region("us").labels.horizon_keys
                for model in config.models_of("us")
            }
        )


def _tables(config: Model2Config) -> Tables:
    region = config.region("us")
    panel = load_market_data(region.market_data).panel
    labels = mark(make_labels(panel, region.labels), **data_versions_of(market_data=panel))
    features = mark(make_features(panel, region.features), **data_versions_of(market_data=panel))
    splits = build_cv_splits(features.index, labels, region.cross_validation)
    cv_splits = mark(splits, **data_versions_of(labels=labels, features=features))
    return Tables(features, labels, cv_splits)


def _predictions(
    config: Model2Config, store: Store, tables: Tables, horizon: str, model: str
) -> pd.Series:
    registry = ModelRegistry.from_config(config, "us")
    address = Address("us", "fitted_models", horizon, model)
    task = Task.of(registry, Partition(horizon, model), region="us")
    store.write(address, fit_models(task, tables, config.execution))
    return make_out_of_fold(task, store.open_models(address), tables).oof["prediction"]
