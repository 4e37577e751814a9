"""Fold models, which are a folder with a manifest."""

from collections.abc import Callable, Collection
from typing import TYPE_CHECKING

from upath import UPath

from model2_assets.attestation import Attestation
from model2_assets.errors import StoreError
from model2_assets.storage._address import Address

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
