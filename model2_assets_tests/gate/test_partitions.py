from pathlib import Path

import pytest

from model2_assets.cli.gate import look_at_partitions
from model2_assets.config.partition import Partition
from model2_assets.storage import Address, Store
from model2_assets_tests.sample_models import fitted
from model2_assets_tests.sample_tables import cv_scores, oof_predictions

PARTITIONS = (Partition("21d", "ridge"), Partition("63d", "ridge"))
ASSETS = ("fitted_models", "oof_predictions", "cv_scores")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = Store(tmp_path)
    for horizon, model in PARTITIONS:
        store.write(Address("us", "fitted_models", horizon, model), fitted(horizon=horizon))
        store.write(Address("us", "oof_predictions", horizon, model), oof_predictions())
        store.write(Address("us", "cv_scores", horizon, model), cv_scores())
    return store


def problems(store: Store) -> list[tuple[str, ...]]:
    found = look_at_partitions(store, "us", PARTITIONS, assets=ASSETS)
    assert [partition.partition for partition in found] == ["21d|ridge", "63d|ridge"]
    assert [partition.is_missing for partition in found] == [bool(p.problems) for p in found]
    return [partition.problems for partition in found]


def test_partitions_that_can_be_read_have_no_problem(store: Store) -> None:
    assert problems(store) == [(), ()]


def test_every_missing_product_is_named(store: Store) -> None:
    store.path(Address("us", "oof_predictions", "63d", "ridge")).unlink()
    (store.path(Address("us", "fitted_models", "63d", "ridge")) / "manifest.json").unlink()

    present, (models, oof) = problems(store)

    assert present == ()
    assert models.startswith("fitted_models: ")
    assert "manifest.json: does not exist" in models
    assert oof.startswith("oof_predictions: ")
    assert "ridge.parquet: not there; materialize oof_predictions first" in oof


@pytest.mark.parametrize("asset", ASSETS)
def test_a_damaged_product_counts_as_missing(store: Store, asset: str) -> None:
    path = store.path(Address("us", asset, "21d", "ridge"))
    if path.is_dir():
        path = next(file for file in path.iterdir() if file.name.startswith("fold_"))
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0xFF
    path.write_bytes(bytes(data[:-3]) if asset == "oof_predictions" else bytes(data))

    (problem,), present = problems(store)

    assert present == ()
    assert problem.startswith(f"{asset}: ")
    assert path.name in problem
