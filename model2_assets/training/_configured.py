"""Whether stored models have the settings that the configuration now gives."""

from model2_assets.data_version import document_digest
from model2_assets.errors import StoreError
from model2_assets.training._manifest import Manifest
from model2_assets.training.model_registry import ModelRegistry


def require_configured(asset: str, manifest: Manifest, registry: ModelRegistry) -> None:
    """Refuse stored models of other settings: a fit with the present ones is another model.

    Parameters
    ----------
    asset : str
        ``fitted_models`` or ``final_models``.
    manifest : Manifest
        Says what the stored models were trained with.
    registry : ModelRegistry
        Knows the present trainer, parameters, seed and weights.

    Raises
    ------
    StoreError
        Names the settings that differ, and what to materialize again.
    """
    config = registry.model(manifest.model)
    fitted = {
        "trainer": manifest.trainer,
        "seed": manifest.seed,
        "sample_weights": manifest.sample_weights,
        **manifest.params,
    }
    configured = {
        "trainer": config.trainer,
        "seed": config.seed,
        "sample_weights": config.sample_weights,
        **registry.parameters(manifest.model, manifest.horizon),
    }
    changed = sorted(
        name
        for name in {*fitted, *configured}
        if document_digest({name: fitted.get(name)})
        != document_digest({name: configured.get(name)})
    )
    if changed:
        raise StoreError(
            f"{asset} of {manifest.horizon}|{manifest.model} was trained with another "
            f"{', '.join(changed)} than the configuration now gives; materialize {asset} again"
        )
