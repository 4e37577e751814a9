"""One stored file of every kind, and how what it gives its readers is told apart."""

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from model2_assets.engines import LocalEngine
from model2_assets.storage import PRODUCTS, WITHOUT_VERSIONS, Address, Store
from model2_assets.storage.data_version import facts_of, table_digest
from model2_assets.storage.models import TrainedRows
from model2_assets.storage.record import Record
from model2_assets.training import (
    FittedModels,
    FoldModel,
    RidgeTrainer,
    Tables,
    XGBoostTrainer,
)
from model2_assets.training.models import load_models
from model2_assets.training.sums import read_sums, write_sums
from model2_assets_tests import sample_models
from model2_assets_tests.sample_tables import SHARED, mark, sample_table
from model2_assets_tests.training.panels import make_tables
from model2_assets_tests.training.trainers import ElasticNetTrainer

NET = "model2_assets_tests.training.trainers:ElasticNetTrainer"
TRAINERS = {
    "ridge": ("model2_assets.training:RidgeTrainer", RidgeTrainer, {}),
    "xgboost": (
        "model2_assets.training:XGBoostTrainer",
        XGBoostTrainer,
        {"n_estimators": 2, "min_child_weight_fraction": 0.0},
    ),
    "net": (NET, ElasticNetTrainer, {}),
}
TRAINED_ON = TrainedRows(
    rows=10,
    first_date="2024-01-02",
    last_date="2024-02-02",
    first_label_end="2024-02-02",
    last_label_end="2024-03-02",
)


@dataclass(frozen=True)
class StoredFile:
    """A file on disk, and a digest of what its reader gets.

    Attributes
    ----------
    kind : str
        What it is.
    path : Path
        Where.
    read : callable
        Returns something that is equal where the values are; raises where the file is refused.
    is_made_again : bool
        Whether a reader makes the file again where it is damaged, and so refuses nothing.
    is_verified : bool
        Whether a reader looks at all of it; of the working matrix only ``model2 check`` does.
    """

    kind: str
    path: Path
    read: Callable[[], Any]
    is_made_again: bool = False
    is_verified: bool = True


def address_of(asset: str, model: str = "ridge", region: str = "us") -> Address:
    if asset in SHARED:
        return Address(region, asset)
    return Address(region, asset, "21d", model)


def table_of(asset: str, night: int = 0) -> Any:
    """Return the sample table of an asset, with a value that belongs to the night."""
    frame = sample_table(PRODUCTS[asset].contract or "")
    column = next((name for name in ("prediction", "value", "importance_gain") if name in frame), 0)
    if column:
        frame.loc[frame.index[0], column] = float(night)
    return mark(frame, market_data="m")


def models_of(asset: str, model: str, night: int = 0, region: str = "us") -> FittedModels:
    """Return two fold models or a final model of a night."""
    path, trainer, params = TRAINERS[model]
    base = sample_models.fitted()
    X = np.linspace(-1, 1, 20, dtype=np.float32).reshape(10, 2)
    is_final = asset == "final_models"
    folds = tuple(
        FoldModel(
            split_id=split_id,
            trainer=trainer(params=params, seed=7).fit(
                X, np.arange(10.0) * (1 + night) + split_id, feature_names=("a", "b")
            ),
            n_train=10,
            n_test=0 if is_final else 5,
            seconds=0.5,
        )
        for split_id in ((0,) if is_final else (0, 1))
    )
    provenance = replace(
        base.provenance,
        region=region,
        model=model,
        trainer=path,
        params=folds[0].trainer.params,
        kind="final_model" if is_final else "fold_models",
        trained_on=TRAINED_ON if is_final else None,
    )
    return FittedModels(models=folds, provenance=provenance)


def value_of(address: Address, night: int = 0) -> Any:
    """Return what is stored at an address on a night."""
    product = PRODUCTS[address.asset]
    if product.format == "fold_models":
        assert address.model is not None
        return models_of(address.asset, address.model, night, address.region)
    if product.format == "html":
        return f"<html><body>night {night}, R² −1</body></html>\n"
    return table_of(address.asset, night)


def addresses() -> Iterable[Address]:
    for asset, product in PRODUCTS.items():
        for model in TRAINERS if product.format == "fold_models" else ("ridge",):
            yield address_of(asset, model)


def open_store(folder: Path) -> Store:
    return Store(str(folder), keep_versions=3, trainers=[NET])


def fill(folder: Path) -> Store:
    """Store two nights of every asset; return the store."""
    store = open_store(folder)
    for night in (0, 1):
        for address in addresses():
            store.write(address, value_of(address, night))
    return store


def digest(value: Any) -> Any:
    """Return what is equal where values, and what is stated of them, are."""
    if isinstance(value, str):
        return value
    if hasattr(value, "manifest"):
        return value.manifest, [fold.trainer.digest() for fold in load_models(value)]
    return table_digest(value), json.dumps(facts_of(value), sort_keys=True)


def stored_files(store: Store) -> list[StoredFile]:
    """Return a file of every kind, each with its reader."""
    files = []
    for address in addresses():
        files += _current(store, address)
        if store.archive.versions(address) and address.model in (None, "ridge"):
            files += _kept(store, address)
    return [*files, *_working(store), _sums(store)]


def _current(store: Store, address: Address) -> list[StoredFile]:
    def read() -> Any:
        return digest(store.load(address))

    def verify() -> Any:
        store.verify(address)
        return read()

    entry = Path(str(store.entry_file(address)))
    if address.asset in WITHOUT_VERSIONS:
        (record,) = Path(str(store.archive.folder(address))).glob("*.json")
        return [
            StoredFile(address.asset, entry, read),
            StoredFile(f"{address.asset}: record", record, verify),
        ]
    if address.product.format != "fold_models":
        return [StoredFile(address.asset, entry, read)]
    kind = f"{address.asset} of {address.model}"
    first = store.open_models(address).manifest.folds[0].file
    return [
        StoredFile(f"{kind}: manifest", entry, read),
        StoredFile(f"{kind}: model", entry.with_name(first), read),
    ]


def _kept(store: Store, address: Address) -> list[StoredFile]:
    version = store.archive.versions(address)[-1]
    folder = Path(str(store.archive.folder(address)))

    def record() -> Record:
        path = folder / version.file_name
        return Record.from_json(path.read_bytes(), origin=str(path))

    return [
        StoredFile(
            f"kept {address.asset}",
            Path(str(store.archive.path(address, version))),
            lambda: store.archive.read(address, version),
        ),
        StoredFile(f"kept {address.asset}: record", folder / version.file_name, record),
    ]


def _working(store: Store) -> list[StoredFile]:
    address = Address("us", "features")
    folder = store.working_files("us").folder
    assert folder is not None

    def read() -> Any:
        return digest(store.read(address))

    def read_and_verify() -> Any:
        store.verify(address)
        return read()

    (matrix,) = (folder / "matrix").glob("*.npy")
    (rows,) = (folder / "matrix_rows").glob("*.npz")
    return [
        StoredFile("working matrix, in a step", matrix, read, True, is_verified=False),
        StoredFile("working matrix, in model2 check", matrix, read_and_verify, True),
        StoredFile("rows of the working matrix", rows, read, is_made_again=True),
    ]


def _sums(store: Store) -> StoredFile:
    path = Path(str(store.base)) / "sums.npz"
    features, labels, splits = make_tables(n_dates=30, n_instruments=4)
    tables = Tables(features, labels, splits)
    if not path.exists():
        write_sums(path, tables.add_up(LocalEngine()))

    def read() -> Any:
        sums = read_sums(path)
        return {
            block: [part.gram.tolist(), part.moments.tolist(), part.squares.tolist()]
            for block, part in sums.items()
        }

    return StoredFile("sums of Ridge", path, read, is_made_again=True)
