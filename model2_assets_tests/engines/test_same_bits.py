"""The models of a region, fitted here and by the workers of a real cluster."""

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from model2_assets.engines import open_engine
from model2_assets.errors import TrainingError
from model2_assets.features.build import make_features
from model2_assets.market_data import load_market_data
from model2_assets.storage import Address, Store
from model2_assets.storage.matrix import StoredMatrix, stored_matrix
from model2_assets.training import Task, TrainingData, data, fold_models
from model2_assets.training.fold_models import lack_of_worker_memory
from model2_assets.training.predict import make_out_of_fold
from model2_assets_tests.defs.small_region import SMALL_XGBOOST
from model2_assets_tests.engines.cluster import running_cluster
from model2_assets_tests.engines.region import (
    bits,
    fitted,
    region_config,
    store_tables,
    task_of,
)


def without_working_file(frame: pd.DataFrame) -> StoredMatrix:
    matrix = stored_matrix(frame)
    assert matrix is not None
    return replace(matrix, path="")


def on_a_small_worker(task: Task, data: TrainingData, *, allowed: int | None) -> str:
    return lack_of_worker_memory(task, data, allowed=1)


@pytest.mark.end_to_end
def test_workers_make_the_same_bits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = region_config(xgboost={"params": SMALL_XGBOOST})
    tables, store = store_tables(tmp_path / "data", config), Store(str(tmp_path / "data"))
    with running_cluster(tmp_path / "cluster") as cluster:
        here = {model: bits(fitted(config, tables, model)) for model in ("ridge", "xgboost", "net")}
        (sums,) = (tmp_path / "data").rglob("ridge_sums")
        sums.rename(sums.with_name("made_here"))
        for model, expected in here.items():
            assert bits(fitted(config, tables, model, execution=cluster.execution())) == expected

        # As on a machine that sees the store alone.
        monkeypatch.setattr(data, "stored_matrix", without_working_file)
        monkeypatch.setattr(fold_models, "lack_of_worker_memory", on_a_small_worker)
        together = fitted(config, tables, "xgboost", execution=cluster.execution())
        assert bits(together) == here["xgboost"]
        with pytest.raises(TrainingError, match="ElasticNetTrainer cannot be fitted by several"):
            fitted(config, tables, "net", execution=cluster.execution())

        address = Address("us", "fitted_models", "21d", "xgboost")
        store.write(address, together)
        task, stored = task_of(config, "xgboost"), store.open_models(address)
        made = make_out_of_fold(task, stored, tables).oof
        assert make_out_of_fold(task, stored, tables, execution=cluster.execution()).oof.equals(
            made
        )

        settings = config.region("us")
        panel = load_market_data(settings.market_data).panel
        with open_engine(cluster.execution(), n_threads=1) as engine:
            features = make_features(panel, settings.features, scratch=tmp_path, run=engine.map)
        assert features.equals(tables.features)
        assert "model2_assets" not in cluster.log()  # as in stack traces of tasks
    assert not list((tmp_path / "data" / ".working").glob("workers-*"))
