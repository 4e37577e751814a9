"""Where results live, and how they are written and read back.

``<base>/<region>/<asset>.parquet`` for unpartitioned assets,
``<base>/<region>/<asset>/<horizon>/<model>.parquet`` (``.jsonl``, or a folder of fold
models) for partitioned ones; a report is ``report.html`` in a folder of that name. Every
write is atomic, every read of a table checks the contract. The last versions of results are
kept under ``<base>/.versions/``; market data, labels, features and splits are not: they are
large, and made again from their source in minutes. Working files, which can be removed at
any time, are under ``<base>/.working/<region>/``.
"""

import copy
import hashlib
import os
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from upath import UPath

from model2_assets.attestation import Attestation
from model2_assets.contracts import Contract, load_contract
from model2_assets.errors import ConfigError, StoreError
from model2_assets.files import (
    is_local,
    link_atomically,
    replaced_atomically,
    storing,
    write_atomically,
)
from model2_assets.names import NAME_RULE, is_horizon, is_name
from model2_assets.redaction import url_carries_secret
from model2_assets.rejected import REJECTED, new_rejected_name, prune_rejected
from model2_assets.seal import sealed, unsealed
from model2_assets.versions import (
    VERSIONS,
    Archive,
    Version,
    origin_of,
    origin_of_models,
    origin_of_report,
)
from model2_assets.working_files import WorkingFiles, note_working_files

if TYPE_CHECKING:
    import pandas as pd

    from model2_assets.training import FittedModels, Manifest, StoredFoldModels

STORAGE_VARIABLE = "MODEL2_STORAGE"
WORKING = ".working"
LOCKS = ".locks"

Format = Literal["parquet", "json_lines", "fold_models", "html"]

MANIFEST_SUFFIX = ".manifest.json"
"""Of a kept manifest of fold models; the models stay in their folder."""

_SUFFIXES: Mapping[Format, str] = {"parquet": ".parquet", "json_lines": ".jsonl", "fold_models": ""}

REPORT_FILE = "report.html"
"""Name of every report: what people look for and send on."""


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
    """

    format: Format
    contract: str | None
    as_matrix: bool = False


PRODUCTS: Mapping[str, Product] = {
    "market_data": Product("parquet", "MarketData"),
    "labels": Product("parquet", "Labels"),
    "features": Product("parquet", "Features", as_matrix=True),
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
    def file_parts(self) -> tuple[str, ...]:
        """Folders and the name of the file or folder, as it is on disk."""
        if self.product.format == "html":
            return (*self.parts, REPORT_FILE)
        return (*self.parts[:-1], self.parts[-1] + _SUFFIXES[self.product.format])

    @property
    def file_name(self) -> str:
        """Name of the file or folder."""
        return self.file_parts[-1]

    def __str__(self) -> str:
        """Return the path below the base."""
        return "/".join(self.file_parts)


class Store:
    """All results under one base path.

    Parameters
    ----------
    base : str or UPath
        A local folder or any fsspec URL.
    keep_versions : int, default 0
        Versions of each result that are kept, the current one among them. With 0 none is
        added, and those kept before stay.
    keep_rejected : int, default 5
        Candidates that failed a check that are kept of each result, at least 1; older ones
        are removed when another one comes.
    working_dir : str, optional
        Local folder of working files. By default a folder of the base path; where that is
        not on a local disk, one in ``DAGSTER_HOME``, and without it nothing is kept.
    trainers : collection of str, optional
        Import paths of trainers of your own that stored models may name; see
        `model2_assets.training.open_fold_models`.

    Attributes
    ----------
    base : UPath
        Where results are.
    archive : Archive
        Their kept versions.

    Examples
    --------
    >>> Store("memory://results").path(Address("us", "cv_scores", "21d", "ridge")).name
    'ridge.jsonl'
    """

    def __init__(
        self,
        base: str | UPath,
        *,
        keep_versions: int = 0,
        keep_rejected: int = 5,
        working_dir: str | None = None,
        trainers: Collection[str] = (),
    ) -> None:
        self.base = _open_base(base)
        self.keep_rejected = keep_rejected
        self.trainers = frozenset(trainers)
        self._attest: Attest | None = None
        self.archive = Archive(self.base, keep=keep_versions)
        self._working = _working_root(self.base, working_dir)

    def attested_by(self, attest: "Attest") -> "Store":
        """Return this store with a record, kept elsewhere, of what was published in it.

        Parameters
        ----------
        attest : callable
            Takes an `Address` and returns its latest `Attestation`, None where there is none.

        Returns
        -------
        Store
            Reads pickles through recorded manifests alone, and warns of other models that are
            not the recorded ones.
        """
        attested = copy.copy(self)
        attested._attest = attest
        return attested

    def attestation(self, address: Address) -> Attestation | None:
        """Return what is recorded of a result outside of the store; None if nothing is."""
        return None if self._attest is None else self._attest(address)

    def difference_from_record(self, address: Address, value: Any) -> str | None:
        """Say how a result differs from what is recorded of it.

        Parameters
        ----------
        address : Address
            What it is.
        value : DataFrame, StoredFoldModels or str
            What `load` returned.

        Returns
        -------
        str or None
            One sentence; None where it is what is recorded, or nothing can be compared.
        """
        attestation = self.attestation(address)
        if attestation is None:
            return None
        stated, recorded = _data_version_of(address, value), attestation.data_version
        if address.product.format == "fold_models":
            stated, recorded = value.sha256, attestation.manifest_sha256
        if not stated or not recorded or stated == recorded:
            return None
        return (
            f"{self.entry_file(address)}: is {stated[:12]}, Dagster recorded {recorded[:12]} when "
            f"{address.asset} was last materialized here, so something else replaced it; "
            f"materialize {address.asset} again, unless you replaced it"
        )

    def working_files(self, region: str) -> WorkingFiles:
        """Return the working files of a region."""
        return WorkingFiles(self._working / region if self._working else None)

    @property
    def lock_folder(self) -> Path | None:
        """Local folder of the locks of regions; None where there is no local one."""
        if is_local(self.base):
            return Path(self.base.path) / LOCKS
        return self._working / LOCKS if self._working else None

    def local_folders(self, region: str) -> list[Path]:
        """Return the local folders that files of a region are written to."""
        working = self.working_files(region).folder
        folders = [working] if working is not None else []
        if is_local(self.base):
            base = Path(self.base.path)
            folders += [base / region, base / VERSIONS / region, base / REJECTED / region]
        return folders

    def path(self, address: Address) -> UPath:
        """Return where a result is, or will be."""
        return self.base.joinpath(*address.file_parts)

    def exists(self, address: Address) -> bool:
        """Tell whether a result has been published."""
        return self.entry_file(address).exists()

    def entry_file(self, address: Address) -> UPath:
        """Return the one file that readers of a result follow: of fold models, their manifest."""
        path = self.path(address)
        return path / "manifest.json" if address.product.format == "fold_models" else path

    def write(self, address: Address, value: Any) -> UPath:
        """Publish a result, replacing the last good one in one step.

        It is kept as a version first: what is current is always among the kept versions.

        Parameters
        ----------
        address : Address
            What it is.
        value : DataFrame, FittedModels or str
            The result.

        Returns
        -------
        UPath
            Where it is.

        Raises
        ------
        ContractError
            If a table breaks its contract; nothing is written.
        StoreError
            If the disk is full or the base path cannot be written; the last good result
            stays.
        """
        with storing(self.path(address)):
            return self._write(address, value)

    def _write(self, address: Address, value: Any) -> UPath:
        path, product = self.path(address), address.product
        if product.format == "fold_models":
            _write_models(path, value, keep=lambda manifest: self._keep_manifest(address, manifest))
            if self.keeps_versions_of(address):
                self.archive.prune(address, needed=self._models_needed(address))
            return path
        if address.asset in WITHOUT_VERSIONS:
            self._write_table(address, value)
            return path
        data = self._encode(address, value)
        if not self.keeps_versions_of(address):
            write_atomically(path, data)
            return path
        origin = origin_of_report(value) if product.format == "html" else origin_of(value)
        version = self.archive.add(address, data, origin, suffix=path.suffix)
        link_atomically(self.archive.path(address, version), path)
        self.archive.prune(address)
        return path

    def _write_table(self, address: Address, frame: "pd.DataFrame") -> None:
        """Write a large table, which is never encoded as a whole."""
        from model2_assets.tables import write_parquet
        from model2_assets.working_matrix import keep_matrix

        path, contract = self.path(address), _contract_of(address)
        with replaced_atomically(path) as temporary, temporary.open("w+b") as file:
            write_parquet(frame, contract, file, origin=str(path), name=str(address))
        if address.product.as_matrix:
            keep_matrix(frame, self.working_files(address.region))

    def _encode(self, address: Address, value: Any) -> bytes:
        name, origin = str(address), str(self.path(address))
        if address.product.format == "html":
            return sealed(value.encode(), name=name)
        from model2_assets.tables import encode_json_lines, encode_parquet

        contract = _contract_of(address)
        if address.product.format == "json_lines":
            return sealed(encode_json_lines(value, contract, origin=origin), name=name)
        return encode_parquet(value, contract, origin=origin, name=name)

    def keeps_versions_of(self, address: Address) -> bool:
        """Tell whether publishing a result adds a version."""
        return self.archive.keep > 0 and address.asset not in WITHOUT_VERSIONS

    def _keep_manifest(self, address: Address, manifest: "Manifest") -> set[str] | None:
        """Keep a manifest that is about to be published; return all model files in use."""
        if self.keeps_versions_of(address):
            origin = origin_of_models(
                manifest, data_version=manifest.data_version, models=len(manifest.folds)
            )
            self.archive.add(
                address,
                manifest.to_json().encode(),
                origin,
                suffix=MANIFEST_SUFFIX,
                model_files={fold.file for fold in manifest.folds},
            )
            self.archive.prune(
                address, needed=self._models_needed(address), current=self._current_hash(address)
            )
        return self.archive.model_files(address)

    def _models_needed(self, address: Address) -> set[str]:
        """Return the versions of models that a rollback of the predictions may need."""
        predictions = replace(address, asset="oof_predictions")
        kept = self.archive.versions(predictions)[: self.archive.keep]
        return {version.inputs.get(address.asset, "") for version in kept}

    def _current_hash(self, address: Address) -> str:
        """Return the hash of the file that is current; empty if there is none."""
        try:
            return hashlib.sha256(self.entry_file(address).read_bytes()).hexdigest()
        except FileNotFoundError:
            return ""

    def reject(self, address: Address, value: Any) -> UPath:
        """Put a candidate that failed its checks aside.

        Parameters
        ----------
        address : Address
            Where it would have been published.
        value : DataFrame, FittedModels or str
            The candidate; a table is kept as plain Parquet, whatever its contract says.

        Returns
        -------
        UPath
            A file or folder under ``<base>/.rejected/``.
        """
        name = new_rejected_name()
        folder = self.base.joinpath(REJECTED, *address.parts)
        prune_rejected(folder, keep=self.keep_rejected - 1)
        if address.product.format == "fold_models":
            _write_models(folder / name, value)
            return folder / name
        if address.product.format == "html":
            path = folder / f"{name}.html"
            write_atomically(path, value.encode())
            return path
        from model2_assets.tables import encode_anything

        path = folder / f"{name}.parquet"
        write_atomically(path, encode_anything(value))
        return path

    def read(self, address: Address) -> "pd.DataFrame":
        """Read a table and check its contract.

        The values of features are a memory-mapped matrix, made of their file where it is
        not there; see `model2_assets.working_matrix`.

        Raises
        ------
        StoreError
            If there is none, or it is damaged.
        ContractError
            If it breaks its contract.
        """
        path, working = self.path(address), self.working_files(address.region)
        if address.product.as_matrix:
            from model2_assets.working_matrix import read_through_matrix

            with _must_be_there(path, address):
                frame = read_through_matrix(
                    path, _contract_of(address), working, origin=str(path), name=str(address)
                )
        else:
            frame = _decode(_read_bytes(path, address), address, origin=str(path))
        note_working_files(frame, working)
        return frame

    def read_version(self, address: Address, version: Version) -> "pd.DataFrame":
        """Read a kept version of a table and check its hash and contract.

        Raises
        ------
        StoreError
            If it is missing or damaged.
        ContractError
            If it breaks its contract.
        """
        path = self.archive.path(address, version)
        data = self.archive.read(address, version)
        return _decode(data, address, origin=str(path))

    def read_report(self, address: Address) -> str:
        """Read a report.

        Raises
        ------
        StoreError
            If there is none, or it is damaged.
        """
        path = self.path(address)
        data = _read_bytes(path, address)
        return unsealed(data, name=str(address), origin=str(path)).decode()

    def current_version(self, address: Address) -> Version | None:
        """Return the kept version that is current, by its hash; None if none of them is."""
        found = self._current_hash(address)
        kept = self.archive.versions(address)
        return next((version for version in kept if version.sha256 == found), None)

    def open_models(self, address: Address) -> "StoredFoldModels":
        """Open fold models; each is verified when it is loaded.

        Raises
        ------
        StoreError
            If there is no manifest, it is malformed, or the models are those of another
            address.
        """
        from model2_assets.training import open_fold_models

        stored = open_fold_models(
            self.path(address), trainers=self.trainers, attestation=self.attestation(address)
        )
        _require_models_of(address, stored.manifest, origin=str(self.entry_file(address)))
        return stored

    def load(self, address: Address) -> "pd.DataFrame | StoredFoldModels | str":
        """Read a table, open fold models or read a report, whichever the asset is."""
        if address.product.format == "fold_models":
            return self.open_models(address)
        if address.product.format == "html":
            return self.read_report(address)
        return self.read(address)

    def verify(self, address: Address) -> None:
        """Read a result as a whole, and compare each fold model with its manifest.

        Features are compared with the working matrix that readers are given.

        Raises
        ------
        StoreError
            If it is not there, or damaged.
        ContractError
            If it breaks its contract.
        """
        if address.product.format == "fold_models":
            self.open_models(address).verify()
        elif address.product.as_matrix:
            from model2_assets.working_matrix import verify_matrix

            path, working = self.path(address), self.working_files(address.region)
            with _must_be_there(path, address):
                verify_matrix(
                    path, _contract_of(address), working, origin=str(path), name=str(address)
                )
        else:
            self.load(address)


Attest = Callable[[Address], Attestation | None]
"""Looks up what is recorded of a result outside of the store."""


def _data_version_of(address: Address, value: Any) -> str:
    """Return the data version of a table; empty where its file states none."""
    if address.product.contract is None:
        return ""
    from model2_assets.data_version import table_digest
    from model2_assets.provenance import data_version_of

    # JSON lines have no room for a statement, and are small.
    is_json = address.product.format == "json_lines"
    return table_digest(value) if is_json else data_version_of(value)


_KINDS = {"fitted_models": "fold_models", "final_models": "final_model"}


def _require_models_of(address: Address, manifest: "Manifest", *, origin: str) -> None:
    """Refuse models of another region, horizon or model, or of another kind."""
    found = (manifest.region, manifest.horizon, manifest.model, manifest.kind)
    if found != (address.region, address.horizon, address.model, _KINDS[address.asset]):
        raise StoreError(
            f"{origin}: is the manifest of {' '.join(found)}; materialize {address.asset} again"
        )


def _read_bytes(path: UPath, address: Address) -> bytes:
    with _must_be_there(path, address):
        data: bytes = path.read_bytes()
    return data


@contextmanager
def _must_be_there(path: UPath, address: Address) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as error:
        raise StoreError(f"{path}: not there; materialize {address.asset} first") from error


def _contract_of(address: Address) -> Contract:
    assert address.product.contract is not None
    return load_contract(address.product.contract)


def _decode(data: bytes, address: Address, *, origin: str) -> "pd.DataFrame":
    from model2_assets.tables import decode_json_lines, decode_parquet

    contract, name = _contract_of(address), str(address)
    if address.product.format == "json_lines":
        return decode_json_lines(unsealed(data, name=name, origin=origin), contract, origin=origin)
    return decode_parquet(data, contract, origin=origin, name=name)


def _write_models(
    folder: UPath,
    fitted: "FittedModels",
    *,
    keep: "Callable[[Manifest], set[str] | None] | None" = None,
) -> None:
    from model2_assets.training import save_fold_models

    save_fold_models(folder, fitted.models, provenance=fitted.provenance, keep=keep)


def repository_root() -> Path | None:
    """Return the checkout that the package runs from; None if it is installed."""
    root = Path(__file__).resolve().parents[1]
    return root if (root / "dagster.yaml").is_file() else None


def default_base() -> UPath:
    """Return the base path of this environment.

    The environment variable ``MODEL2_STORAGE``, else ``data/`` in the repository, else
    ``data/`` in ``DAGSTER_HOME``, else ``data/`` in the working directory.
    """
    chosen = os.environ.get(STORAGE_VARIABLE)
    if chosen:
        return _open_base(chosen)
    root = repository_root()
    return UPath(root or os.environ.get("DAGSTER_HOME") or Path.cwd()) / "data"


def _open_base(base: str | UPath) -> UPath:
    """Return a base path, a local one made absolute.

    Raises
    ------
    ConfigError
        If nothing installed can open such a URL, or it carries a secret.
    """
    if url_carries_secret(str(base)):
        raise ConfigError(
            f"{STORAGE_VARIABLE}: the URL carries a password, key or signature, and paths are "
            f"written into logs and metadata; remove it, and give it by the environment "
            f"variables that the file system reads, such as AWS_SECRET_ACCESS_KEY, or "
            f"FSSPEC_SFTP_PASSWORD for sftp://"
        )
    try:
        path = UPath(base)
        return path.expanduser().absolute() if is_local(path) else path
    except (ImportError, ValueError) as error:
        raise ConfigError(
            f"storage {base}: cannot be opened ({error}); correct {STORAGE_VARIABLE}, or install "
            f"the fsspec file system that it needs"
        ) from error


def _working_root(base: UPath, chosen: str | None) -> Path | None:
    """Return the local folder under which every region has its working files."""
    if chosen:
        return Path(chosen).expanduser().absolute() / _digest(str(base))
    if is_local(base):
        return Path(base.path) / WORKING
    home = os.environ.get("DAGSTER_HOME")
    return Path(home).absolute() / WORKING / _digest(str(base)) if home else None


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def default_store(*, trainers: Collection[str] = ()) -> Store:
    """Return the store at the default base path; `trainers` are those of `Store`."""
    return Store(default_base(), trainers=trainers)
