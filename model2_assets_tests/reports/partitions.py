"""Partitions of a region as the store returns them, without any model fitted."""

import math
from typing import Any

import pandas as pd

from model2_assets.config import RegionConfig, parse_config
from model2_assets.config import partition as keys
from model2_assets.evaluation.scores import score_partition
from model2_assets.reports import PartitionResults, partition_report
from model2_assets.storage.data_version import (
    data_versions_of,
    stamped,
    table_digest,
    with_provenance,
)
from model2_assets.storage.models import Manifest, ModelFile
from model2_assets_tests.evaluation.paths_example import example, labels_table
from model2_assets_tests.sample_models import sample_provenance

HORIZON = "5d"


class Partition(PartitionResults):
    def report(self, **sections: Any) -> str:
        return partition_report(self, config=region_config(**sections), prediction_bps=1000)


def region_config(**sections: Any) -> RegionConfig:
    return parse_config({"regions": {"us": {"labels": {"horizons": [5]}, **sections}}}).region("us")


def partition(*, model: str = "ridge", seed: int = 0, **settings: Any) -> Partition:
    """Return a partition whose predictions are those of `paths_example`."""
    made = example(seed=seed, **settings)
    # The labels of one region are the same, whatever the model.
    label = example(**settings).label
    labels = labels_table(label, HORIZON)
    labels = with_provenance(labels, data_version=table_digest(labels), inputs={"market_data": "d"})
    facts = {"region": "us", "horizon": HORIZON, "model": model}
    inputs = {"labels": table_digest(labels)}
    manifest = _manifest(model, n_splits=made.cv.n_splits)
    inputs["fitted_models"] = manifest.data_version
    oof = with_provenance(
        made.oof,
        data_version=table_digest(made.oof),
        inputs=inputs,
        n_folds=made.oof["fold_id"].nunique(),
        rows_tested=len(made.oof),
        determinism_difference_bps=0.0,
        **facts,
    )
    paths = with_provenance(made.paths, data_version="p", inputs=inputs, **facts)
    key = keys.Partition(HORIZON, model)
    scores = score_partition(
        oof, labels, key, paths=paths, config=region_config().labels, n_trials=2
    )
    scores = stamped(scores, inputs=data_versions_of(oof_predictions=oof, labels=labels))
    return Partition(oof, scores, _importance(manifest), labels, manifest)


def _importance(manifest: Manifest) -> pd.DataFrame:
    """Return importances that every fold model ranks alike."""
    values = {"feature": ["a", "b", "c"]}
    for kind in ("gain", "weight", "coefficient"):
        known = kind == "coefficient"
        values[f"importance_{kind}"] = [3.0, -2.0, 0.5] if known else [math.nan] * 3
    for fold in manifest.folds:
        values[f"importance_coefficient_fold_{fold.split_id}"] = [3.0, -2.0, 0.5]
    values |= {"rank_ic": [0.0125, -0.5, math.nan], "rank_ic_t": [1.75, -40.0, math.nan]}
    return with_provenance(
        pd.DataFrame(values),
        data_version="i",
        inputs={"fitted_models": manifest.data_version},
    )


def _manifest(model: str, *, n_splits: int) -> Manifest:
    folds = tuple(
        ModelFile(
            split_id=split_id,
            file=f"fold_{split_id}-{'0' * 12}.joblib",
            sha256="0" * 64,
            bytes=2500,
            digest=f"{split_id:064x}",
            n_train=1234,
            n_test=567,
            seconds=0.1,
        )
        for split_id in range(n_splits)
    )
    provenance = sample_provenance(
        horizon=HORIZON,
        model=model,
        params={"alpha": 10000.0, "solver": "a&b"},
        data_versions={},
        seconds=1.5,
        peak_rss_bytes=10**8,
    )
    return Manifest(**vars(provenance), folds=folds, library_versions={"scikit-learn": "1.8"})
