"""Whole nights of one model and horizon, as small as they can be."""

from dataclasses import replace
from functools import cache

import pandas as pd

from model2_assets.storage import Address, Store
from model2_assets.storage.data_version import table_digest, with_provenance
from model2_assets.training import FittedModels
from model2_assets_tests.sample_models import fitted
from model2_assets_tests.sample_tables import sample_table

OOF = Address("us", "oof_predictions", "21d", "ridge")
TABLES = {
    "oof_predictions": ("OOFPredictions", ("fitted_models",)),
    "oof_paths": ("OOFPaths", ("fitted_models", "oof_predictions")),
    "feature_importance": ("FeatureImportance", ("fitted_models",)),
    "cv_scores": ("CVScores", ("oof_predictions", "oof_paths")),
}
PRODUCTS_OF_A_NIGHT = ("fitted_models", *TABLES)


def at(asset: str) -> Address:
    return replace(OOF, asset=asset)


def table(asset: str, night: int) -> pd.DataFrame:
    """Return the sample table, with one value that belongs to the night."""
    frame = sample_table(TABLES[asset][0])
    column = next(name for name in ("prediction", "value", "importance_gain") if name in frame)
    frame.loc[frame.index[0], column] = float(night)
    return frame


@cache
def digest(asset: str, night: int) -> str:
    """Return the data version of an asset of a night."""
    if asset == "fitted_models":
        return models(night).data_version
    return table_digest(table(asset, night))


@cache
def models(night: int) -> FittedModels:
    return fitted(scale=1.0 + night, n_models=1)


def publish_night(store: Store, night: int) -> str:
    """Publish all results of a night; return the data version of its predictions."""
    store.write(at("fitted_models"), models(night))
    for asset, (_, sources) in TABLES.items():
        inputs = {source: digest(source, night) for source in sources}
        version = digest(asset, night)
        marked = with_provenance(table(asset, night), data_version=version, inputs=inputs)
        store.write(at(asset), marked)
    return digest("oof_predictions", night)


def nights_on_disk(store: Store) -> dict[str, int]:
    """Return which night every current result is of, from its values."""
    found = {"fitted_models": store.open_models(at("fitted_models")).manifest.data_version}
    found |= {asset: table_digest(store.read(at(asset))) for asset in TABLES}
    return {
        asset: next(night for night in range(6) if digest(asset, night) == version)
        for asset, version in found.items()
    }
