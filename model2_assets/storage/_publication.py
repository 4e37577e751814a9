"""Publishing a result, after keeping it as a version: what is current is always a kept one."""

import hashlib
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from upath import UPath

from model2_assets.files import link_atomically, write_atomically
from model2_assets.storage._address import Address
from model2_assets.storage._bytes import encode
from model2_assets.storage._models import entry_file, write_models
from model2_assets.storage._products import WITHOUT_VERSIONS
from model2_assets.versions import Archive, origin_of, origin_of_models, origin_of_report

if TYPE_CHECKING:
    from model2_assets.training import FittedModels, Manifest

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
