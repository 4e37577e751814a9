"""Fold models small enough to be fitted in a millisecond."""

from typing import Any

import numpy as np

from model2_assets.storage.models import Provenance
from model2_assets.storage.models import save_fold_models as save_models
from model2_assets.training import FittedModels, FoldModel, RidgeTrainer


def fitted(scale: float = 1.0, n_models: int = 2, horizon: str = "21d") -> FittedModels:
    X = np.linspace(-1, 1, 20, dtype=np.float32).reshape(10, 2)
    y = scale * np.arange(10.0)
    models = tuple(
        FoldModel(
            split_id=split_id,
            trainer=RidgeTrainer(params={}, seed=7).fit(X, y + split_id, feature_names=("a", "b")),
            n_train=10,
            n_test=5,
            seconds=0.5,
        )
        for split_id in range(n_models)
    )
    return FittedModels(models=models, provenance=sample_provenance(horizon=horizon))


def sample_provenance(**others: Any) -> Provenance:
    """Return where some models come from: a Ridge of two features, but for what is given."""
    stated = {
        "region": "us",
        "horizon": "21d",
        "model": "ridge",
        "trainer": "model2_assets.training:RidgeTrainer",
        "params": {},
        "seed": 7,
        "feature_names": ("a", "b"),
        "data_versions": {"labels": "1"},
        "row_order_hash": "2",
        "seconds": 1.0,
        "peak_rss_bytes": 1,
    }
    return Provenance(**stated | others)


def save_fold_models(folder, models, *, provenance):
    """Store models in a folder of their own, outside of a store."""
    models = tuple(models)
    return save_models(folder, FittedModels(models=models, provenance=provenance))
