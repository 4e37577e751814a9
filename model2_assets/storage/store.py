"""The store: all results under one base path."""

import copy
import hashlib
import logging
from collections.abc import Collection
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from upath import UPath

from model2_assets.errors import StoreError
from model2_assets.storage.address import WITHOUT_VERSIONS, Address, default_base, open_base
from model2_assets.storage.archive import (
    MANIFEST_SUFFIX,
    Archive,
    Attest,
    Version,
    difference_from_record,
    origin_of,
    origin_of_models,
    origin_of_report,
)
from model2_assets.storage.cache import (
    WorkingFiles,
    local_folders,
    lock_folder,
    note_working_files,
    working_root,
)
from model2_assets.storage.files import link_atomically, storing, write_atomically
from model2_assets.storage.models import (
    MANIFEST_NAME,
    Manifest,
    StorableModels,
    StoredFoldModels,
    open_fold_models,
    remove_models,
    store_models,
)
from model2_assets.storage.record import Attestation
from model2_assets.storage.rejected import REJECTED, put_aside

logger = logging.getLogger(__name__)

if TYPE_CHECKING:
    import pandas as pd


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
        `model2_assets.storage.open_fold_models`.

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
        self.base = open_base(base)
        self.keep_rejected = keep_rejected
        self.trainers = frozenset(trainers)
        self._attest: Attest | None = None
        self.archive = Archive(self.base, keep=keep_versions)
        self._working = working_root(self.base, working_dir)

    def attested_by(self, attest: Attest) -> "Store":
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
        return difference_from_record(address, value, attestation, file=self.entry_file(address))

    def working_files(self, region: str) -> WorkingFiles:
        """Return the working files of a region."""
        return WorkingFiles(self._working / region if self._working else None)

    @property
    def lock_folder(self) -> Path | None:
        """Local folder of the locks of regions; None where there is no local one."""
        return lock_folder(self.base, self._working)

    def local_folders(self, region: str) -> list[Path]:
        """Return the local folders that files of a region are written to."""
        return local_folders(self.base, self._working, region)

    def path(self, address: Address) -> UPath:
        """Return where a result is, or will be."""
        return self.base.joinpath(*address.file_parts)

    def exists(self, address: Address) -> bool:
        """Tell whether a result has been published."""
        return self.entry_file(address).exists()

    def entry_file(self, address: Address) -> UPath:
        """Return the one file that readers of a result follow: of fold models, their manifest."""
        return _entry_file(self.path(address), address)

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
        path = self.path(address)
        with storing(path):
            if address.product.format == "fold_models":
                _publish_models(self.archive, path, address, value)
            elif address.asset in WITHOUT_VERSIONS:
                _tables().write_large_table(
                    path, address, value, self.working_files(address.region)
                )
            else:
                _publish_file(self.archive, path, address, value)
        return path

    def keeps_versions_of(self, address: Address) -> bool:
        """Tell whether publishing a result adds a version."""
        return _keeps_versions_of(self.archive, address)

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
        folder = self.base.joinpath(REJECTED, *address.parts)
        return put_aside(folder, address, value, keep=self.keep_rejected)

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
            frame = _tables().read_as_matrix(path, address, working)
        else:
            frame = _codecs().decode_table(
                _codecs().read_bytes(path, address), address, origin=str(path)
            )
        note_working_files(frame, working)
        return cast("pd.DataFrame", frame)

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
        return cast("pd.DataFrame", _codecs().decode_table(data, address, origin=str(path)))

    def read_report(self, address: Address) -> str:
        """Read a report.

        Raises
        ------
        StoreError
            If there is none, or it is damaged.
        """
        path = self.path(address)
        data = _codecs().read_bytes(path, address)
        return str(_codecs().decode_report(data, address, origin=str(path)))

    def current_version(self, address: Address) -> Version | None:
        """Return the kept version that is current, by its hash; None if none of them is."""
        found = _current_hash(self.path(address), address)
        kept = self.archive.versions(address)
        return next((version for version in kept if version.sha256 == found), None)

    def open_models(self, address: Address) -> StoredFoldModels:
        """Open fold models; each is verified when it is loaded.

        Raises
        ------
        StoreError
            If there is no manifest, it is malformed, or the models are those of another
            address.
        """
        return _open_models(
            self.path(address),
            address,
            trainers=self.trainers,
            attestation=self.attestation(address),
        )

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
            _tables().verify_as_matrix(
                self.path(address), address, self.working_files(address.region)
            )
        else:
            self.load(address)


def default_store(*, trainers: Collection[str] = ()) -> Store:
    """Return the store at the default base path; `trainers` are those of `Store`."""
    return Store(default_base(), trainers=trainers)


def _codecs() -> Any:
    """Import them with the first table: Dagster loads the store in every process."""
    return import_module("model2_assets.storage.codecs")


def _tables() -> Any:
    return import_module("model2_assets.storage.large_tables")


_KINDS = {"fitted_models": "fold_models", "final_models": "final_model"}


def _entry_file(path: UPath, address: Address) -> UPath:
    return path / MANIFEST_NAME if address.product.format == "fold_models" else path


def _open_models(
    folder: UPath,
    address: Address,
    *,
    trainers: Collection[str],
    attestation: Attestation | None,
) -> StoredFoldModels:
    stored = open_fold_models(folder, trainers=trainers)
    manifest = stored.manifest
    found = (manifest.region, manifest.horizon, manifest.model, manifest.kind)
    if found != (address.region, address.horizon, address.model, _KINDS[address.asset]):
        raise StoreError(
            f"{_entry_file(folder, address)}: is the manifest of {' '.join(found)}; materialize "
            f"{address.asset} again"
        )
    recorded = attestation.manifest_sha256 if attestation is not None else ""
    return replace(stored, recorded_sha256=recorded)


def _keeps_versions_of(archive: Archive, address: Address) -> bool:
    return archive.keep > 0 and address.asset not in WITHOUT_VERSIONS


def _publish_file(archive: Archive, path: UPath, address: Address, value: Any) -> None:
    """Publish a table or report that is encoded as a whole."""
    data = _codecs().encode(address, value, origin=str(path))
    if not _keeps_versions_of(archive, address):
        write_atomically(path, data)
        return
    is_report = address.product.format == "html"
    origin = origin_of_report(value) if is_report else origin_of(value)
    version = archive.add(address, data, origin, suffix=path.suffix)
    link_atomically(archive.path(address, version), path)
    archive.prune(address)


def _publish_models(
    archive: Archive, folder: UPath, address: Address, fitted: StorableModels
) -> None:
    """Publish fold models."""
    previous = _files_of_previous_manifest(folder)
    manifest = store_models(folder, fitted)
    in_use = _keep_manifest(archive, folder, address, manifest)
    write_atomically(folder / MANIFEST_NAME, manifest.to_json().encode())
    if previous is not None and in_use is not None:
        remove_models(folder, keep={*previous, *in_use, *(fold.file for fold in manifest.folds)})
    if _keeps_versions_of(archive, address):
        archive.prune(address, needed=_models_needed(archive, address))


def _current_hash(path: UPath, address: Address) -> str:
    """Return the hash of the file that is current; empty if there is none."""
    try:
        return hashlib.sha256(_entry_file(path, address).read_bytes()).hexdigest()
    except FileNotFoundError:
        return ""


def _keep_manifest(
    archive: Archive, folder: UPath, address: Address, manifest: Manifest
) -> set[str] | None:
    """Keep a manifest that is about to be published; return all model files in use."""
    if _keeps_versions_of(archive, address):
        origin = origin_of_models(
            manifest, data_version=manifest.data_version, models=len(manifest.folds)
        )
        archive.add(
            address,
            manifest.to_json().encode(),
            origin,
            suffix=MANIFEST_SUFFIX,
            model_files={fold.file for fold in manifest.folds},
        )
        archive.prune(
            address,
            needed=_models_needed(archive, address),
            current=_current_hash(folder, address),
        )
    return archive.model_files(address)


def _models_needed(archive: Archive, address: Address) -> set[str]:
    """Return the versions of models that a rollback of the predictions may need."""
    predictions = replace(address, asset="oof_predictions")
    kept = archive.versions(predictions)[: archive.keep]
    return {version.inputs.get(address.asset, "") for version in kept}


def _files_of_previous_manifest(folder: UPath) -> set[str] | None:
    if not (folder / MANIFEST_NAME).exists():
        return set()
    try:
        return {fold.file for fold in open_fold_models(folder).manifest.folds}
    except StoreError as error:
        logger.warning("%s; it is replaced, and no old model file is removed", error)
        return None
