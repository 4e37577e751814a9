"""Publishing a result, after keeping it as a version; fold models are a folder with a manifest."""

import hashlib
from collections.abc import Callable, Collection
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from upath import UPath

from model2_assets.errors import StoreError
from model2_assets.storage.address import WITHOUT_VERSIONS, Address
from model2_assets.storage.archive import Archive, origin_of, origin_of_models, origin_of_report
from model2_assets.storage.codecs import encode
from model2_assets.storage.files import link_atomically, write_atomically
from model2_assets.storage.record import Attestation

if TYPE_CHECKING:
    from model2_assets.training import FittedModels, Manifest, StoredFoldModels


_KINDS = {"fitted_models": "fold_models", "final_models": "final_model"}


def entry_file(path: UPath, address: Address) -> UPath:
    """Return the one file that readers of a result at a path follow."""
    return path / "manifest.json" if address.product.format == "fold_models" else path


def write_models(
    folder: UPath,
    fitted: "FittedModels",
    *,
    keep: "Callable[[Manifest], set[str] | None] | None" = None,
) -> None:
    """Write models; `keep` is that of `model2_assets.training.save_fold_models`."""
    from model2_assets.training import save_fold_models

    save_fold_models(folder, fitted.models, provenance=fitted.provenance, keep=keep)


def open_models(
    folder: UPath,
    address: Address,
    *,
    trainers: Collection[str],
    attestation: Attestation | None,
) -> "StoredFoldModels":
    """Open models, refusing those of another region, horizon or model, or of another kind.

    Raises
    ------
    StoreError
        If there is no manifest, it is malformed, or it is that of other models.
    """
    from model2_assets.training import open_fold_models

    stored = open_fold_models(folder, trainers=trainers, attestation=attestation)
    manifest = stored.manifest
    found = (manifest.region, manifest.horizon, manifest.model, manifest.kind)
    if found != (address.region, address.horizon, address.model, _KINDS[address.asset]):
        raise StoreError(
            f"{entry_file(folder, address)}: is the manifest of {' '.join(found)}; materialize "
            f"{address.asset} again"
        )
    return stored


MANIFEST_SUFFIX = ".manifest.json"
"""Of a kept manifest of fold models; the models stay in their folder."""


def keeps_versions_of(archive: Archive, address: Address) -> bool:
    """Tell whether publishing a result adds a version."""
    return archive.keep > 0 and address.asset not in WITHOUT_VERSIONS


def publish_file(archive: Archive, path: UPath, address: Address, value: Any) -> None:
    """Publish a table or report that is encoded as a whole."""
    data = encode(address, value, origin=str(path))
    if not keeps_versions_of(archive, address):
        write_atomically(path, data)
        return
    is_report = address.product.format == "html"
    origin = origin_of_report(value) if is_report else origin_of(value)
    version = archive.add(address, data, origin, suffix=path.suffix)
    link_atomically(archive.path(address, version), path)
    archive.prune(address)


def publish_models(
    archive: Archive, folder: UPath, address: Address, fitted: "FittedModels"
) -> None:
    """Publish fold models."""
    write_models(
        folder, fitted, keep=lambda manifest: _keep_manifest(archive, folder, address, manifest)
    )
    if keeps_versions_of(archive, address):
        archive.prune(address, needed=_models_needed(archive, address))


def current_hash(path: UPath, address: Address) -> str:
    """Return the hash of the file that is current; empty if there is none."""
    try:
        return hashlib.sha256(entry_file(path, address).read_bytes()).hexdigest()
    except FileNotFoundError:
        return ""


def _keep_manifest(
    archive: Archive, folder: UPath, address: Address, manifest: "Manifest"
) -> set[str] | None:
    """Keep a manifest that is about to be published; return all model files in use."""
    if keeps_versions_of(archive, address):
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
            current=current_hash(folder, address),
        )
    return archive.model_files(address)


def _models_needed(archive: Archive, address: Address) -> set[str]:
    """Return the versions of models that a rollback of the predictions may need."""
    predictions = replace(address, asset="oof_predictions")
    kept = archive.versions(predictions)[: archive.keep]
    return {version.inputs.get(address.asset, "") for version in kept}
