"""The tables that programs start from, made once and kept as files."""

import shutil
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import pandas as pd

from benchmarks.market import make_market
from benchmarks.sizes import SIZES, Size
from model2_assets.config import CrossValidationConfig, FeaturesConfig, LabelsConfig
from model2_assets.cross_validation import build_cv_splits
from model2_assets.features import build_features_from_config
from model2_assets.labels import build_labels_from_config
from model2_assets.market_data import validate_panel
from model2_assets.storage import Address, Store
from model2_assets.storage.data_version import data_versions_of, table_digest, with_provenance

HORIZONS = ("21d", "63d")
FIVE_FOLDS, CPCV = "bench", "cpcv"
"""Regions of the store: the same tables, with splits of five folds or of CPCV(6, 2)."""

SPLITS = {
    FIVE_FOLDS: CrossValidationConfig(),
    CPCV: CrossValidationConfig(n_groups=6, n_test_groups=2),
}


@dataclass(frozen=True)
class Inputs:
    """Where the tables of one generated market are.

    Attributes
    ----------
    size : Size
        Its size.
    seed : int
        Seed of the market.
    folder : Path
        Holds ``market.parquet``, ``clean.parquet`` and the store.
    trees : int
        Trees of every XGBoost model.
    """

    size: Size
    seed: int
    folder: Path
    trees: int = 300

    @property
    def market(self) -> Path:
        """Daily bars."""
        return self.folder / "market.parquet"

    @property
    def clean_market(self) -> Path:
        """Daily bars without faults."""
        return self.folder / "clean.parquet"

    def path(self, asset: str, region: str = FIVE_FOLDS) -> Path:
        """Return the Parquet file of a table."""
        return Path(str(self.store.path(Address(region, asset))))

    def read(self, asset: str, region: str = FIVE_FOLDS) -> pd.DataFrame:
        """Read a table as the assets of the graph do."""
        return self.store.read(Address(region, asset))

    @property
    def store(self) -> Store:
        """The store of the tables."""
        return Store(str(self.folder / "store"))

    def remove_sums(self) -> None:
        """Remove the sums that an earlier run has kept for Ridge.

        The working matrix stays: it is written when features are published.
        """
        for region in SPLITS:
            folder = self.store.working_files(region).folder
            if folder is not None:
                shutil.rmtree(folder / "ridge_sums", ignore_errors=True)


def prepare(size: str, seed: int, cache: Path, *, trees: int = 300) -> Inputs:
    """Make the market and its tables, or find them made.

    Parameters
    ----------
    size : str
        Such as ``S``.
    seed : int
        Seed of the market.
    cache : Path
        Folder that keeps them; delete it to have them made again.
    trees : int, default 300
        Trees of every XGBoost model.

    Returns
    -------
    Inputs
        Where they are.
    """
    folder = cache / "inputs" / f"{size}-{seed}"
    if not folder.exists():
        unfinished = folder.with_name(f".{folder.name}-{uuid4().hex}")
        unfinished.mkdir(parents=True)
        try:
            _make(Inputs(SIZES[size], seed, unfinished))
            unfinished.rename(folder)
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)
    return Inputs(SIZES[size], seed, folder, trees)


def _make(inputs: Inputs) -> None:
    make_market(inputs.size, inputs.seed, clean=True).to_parquet(inputs.clean_market, index=False)
    bars = make_market(inputs.size, inputs.seed)
    bars.to_parquet(inputs.market, index=False)
    panel, _ = validate_panel(bars)
    labels = _marked(build_labels_from_config(panel, LabelsConfig()), market_data=panel)
    features = _marked(build_features_from_config(panel, FeaturesConfig()), market_data=panel)
    assert isinstance(features.index, pd.MultiIndex)
    for region, config in SPLITS.items():
        splits = build_cv_splits(features.index, labels, config)
        inputs.store.write(Address(region, "labels"), labels)
        inputs.store.write(
            Address(region, "cv_splits"), _marked(splits, labels=labels, features=features)
        )
    inputs.store.write(Address(FIVE_FOLDS, "features"), features)


def _marked(table: pd.DataFrame, **made_from: pd.DataFrame) -> pd.DataFrame:
    return with_provenance(
        table, data_version=table_digest(table), inputs=data_versions_of(**made_from)
    )
