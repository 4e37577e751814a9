"""The name of a stored result, how it is stored, and where."""

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from fsspec import get_filesystem_class
from fsspec.asyn import AsyncFileSystem
from upath import UPath

from model2_assets.config.partition import NAME_RULE, Partition, is_horizon, is_name
from model2_assets.config.sections import expand_home
from model2_assets.errors import NO_SECRET_IN_URLS, ConfigError, StoreError, url_carries_secret
from model2_assets.storage.files import is_local, is_s3

Format = Literal["parquet", "json_lines", "fold_models", "html"]


@dataclass(frozen=True)
class Product:
    """How one asset is stored.

    Attributes
    ----------
    format : {"parquet", "json_lines", "fold_models", "html"}
        File format.
    contract : str or None
        Name of the table's contract; None for fold models, which have a manifest, and for
        reports, which are read by people.
    as_matrix : bool, default False
        Whether its values, all float32, are also kept as a working matrix.
    as_dataset : bool, default False
        Whether it is a folder of parts, in place of one file, where it is large.
    """

    format: Format
    contract: str | None
    as_matrix: bool = False
    as_dataset: bool = False

    @property
    def suffix(self) -> str:
        """What follows the parts of an address on disk: nothing where it is a folder of models."""
        return _SUFFIXES[self.format][0]

    @property
    def kept_suffix(self) -> str:
        """Of the file of a kept version: of models, their manifest; these stay in their folder."""
        return _SUFFIXES[self.format][1]


PRODUCTS: Mapping[str, Product] = {
    "market_data": Product("parquet", "MarketData", as_dataset=True),
    "labels": Product("parquet", "Labels", as_dataset=True),
    "features": Product("parquet", "Features", as_matrix=True, as_dataset=True),
    "cv_splits": Product("parquet", "CVSplits"),
    "fitted_models": Product("fold_models", None),
    "oof_predictions": Product("parquet", "OOFPredictions"),
    "oof_paths": Product("parquet", "OOFPaths"),
    "nested_oof": Product("parquet", "NestedOOF"),
    "feature_importance": Product("parquet", "FeatureImportance"),
    "cv_scores": Product("json_lines", "CVScores"),
    "final_models": Product("fold_models", None),
    "live_predictions": Product("parquet", "LivePredictions"),
    "tear_sheet": Product("html", None),
    "leaderboard": Product("parquet", "Leaderboard"),
    "stacking_frame": Product("parquet", "StackingFrame"),
    "region_report": Product("html", None),
}
"""Every asset, in the order of the graph; not every configuration has all of them."""

WITHOUT_VERSIONS = ("market_data", "labels", "features", "cv_splits")
"""Assets of which no old versions are kept."""

REPORT_FILE = "report.html"
"""Name of every report: what people look for and send on."""

MANIFEST_SUFFIX = ".manifest.json"

_SUFFIXES: Mapping[Format, tuple[str, str]] = {
    "parquet": (".parquet", ".parquet"),
    "json_lines": (".jsonl", ".jsonl"),
    "fold_models": ("", MANIFEST_SUFFIX),
    "html": (f"/{REPORT_FILE}", ".html"),
}


@dataclass(frozen=True)
class Address:
    """Names one stored result.

    Attributes
    ----------
    region, asset : str
        Such as ``us`` and ``oof_predictions``.
    horizon, model : str or None
        Such as ``21d`` and ``ridge``; None for unpartitioned assets.

    Raises
    ------
    StoreError
        If one of them could not be a folder's name on every file system.
    """

    region: str
    asset: str
    horizon: str | None = None
    model: str | None = None

    def __post_init__(self) -> None:
        """Refuse what could lead out of the base path."""
        names = {"region": self.region, "asset": self.asset, "model": self.model}
        for what, name in names.items():
            if name is not None and not is_name(name):
                raise StoreError(f"{what} {name!r} is no name; a name is {NAME_RULE}")
        if self.horizon is not None and not is_horizon(self.horizon):
            raise StoreError(f"horizon {self.horizon!r} is not of the form 21d")

    @property
    def product(self) -> Product:
        """How the asset is stored."""
        return PRODUCTS[self.asset]

    @property
    def parts(self) -> tuple[str, ...]:
        """Folders and the name of the file, without suffix."""
        partition = (self.horizon, self.model) if self.horizon and self.model else ()
        return (self.region, self.asset, *partition)

    @property
    def partition(self) -> str | None:
        """Key of the partition; None for unpartitioned assets."""
        return Partition(self.horizon, self.model).key if self.horizon and self.model else None

    def __str__(self) -> str:
        """Return the path of the file or folder below the base."""
        return "/".join(self.parts) + self.product.suffix


STORAGE_VARIABLE = "MODEL2_STORAGE"
HOME_VARIABLE = "DAGSTER_HOME"


def repository_root() -> Path | None:
    """Return the checkout that the package runs from; None if it is installed."""
    root = Path(__file__).resolve().parents[2]
    return root if (root / "dagster.yaml").is_file() else None


def default_base() -> UPath:
    """Return ``MODEL2_STORAGE``, else ``data/`` in the repository, DAGSTER_HOME or here."""
    chosen = os.environ.get(STORAGE_VARIABLE)
    if chosen:
        return open_base(chosen)
    return UPath(repository_root() or instance_home() or Path.cwd()) / "data"


def instance_home() -> Path | None:
    """Return the folder that ``DAGSTER_HOME`` names, which Dagster expands alike; None without."""
    home = os.environ.get(HOME_VARIABLE)
    return Path(expand_home(home)).absolute() if home else None


def open_base(base: str | UPath) -> UPath:
    """Return a base path, a local one made absolute; ConfigError if it cannot be opened."""
    if url_carries_secret(str(base)):
        raise ConfigError(f"{STORAGE_VARIABLE}: {NO_SECRET_IN_URLS}")
    try:
        for link in str(base).split("::"):
            protocol, is_url, _ = link.partition("://")
            if is_url:
                get_filesystem_class(protocol)
        return _opened(UPath(expand_home(base) if isinstance(base, str) else base))
    except (ImportError, ValueError) as error:
        is_missing = isinstance(error, ImportError)
        remedy = "install that Python package, or correct" if is_missing else "correct"
        raise ConfigError(
            f"storage {base}: cannot be opened ({error}); {remedy} {STORAGE_VARIABLE}"
        ) from error


def _opened(path: UPath) -> UPath:
    """Return a path whose listings are never those of a while ago."""
    if is_local(path):
        return path.absolute()
    if is_s3(path):
        from model2_assets.storage.s3 import ObjectPath

        return ObjectPath(str(path), **path.storage_options)
    if issubclass(get_filesystem_class(path.protocol), AsyncFileSystem):
        return UPath(path, use_listings_cache=False)
    return path


WORKING = ".working"
LOCKS = ".locks"


def working_root(base: UPath, chosen: str | None) -> Path | None:
    """Return the local folder under which every region has its working files."""
    if chosen:
        return Path(expand_home(chosen)).absolute() / _digest(str(base))
    if is_local(base):
        return Path(base.path) / WORKING
    home = instance_home()
    return home / WORKING / _digest(str(base)) if home else None


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]
