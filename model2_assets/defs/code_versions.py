"""Code versions: what an asset's values depend on besides its inputs.

A version digests the sources of the core that compute the asset and the settings that
they are given. So an edit of either makes the asset stale, and nothing else.
"""

import hashlib
from functools import cache
from pathlib import Path

from model2_assets.config import Model2Config
from model2_assets.data_version import document_digest

_PACKAGE = Path(__file__).parents[1]

_SOURCES: dict[str, tuple[str, ...]] = {
    "market_data": ("market_data",),
    "labels": ("labels.py",),
    "features": ("features",),
    "cv_splits": ("cross_validation",),
    "fitted_models": ("training",),
    "oof_predictions": ("training",),
    "oof_paths": ("training",),
    "nested_oof": ("training", "cross_validation"),
    "feature_importance": ("training",),
    "cv_scores": ("evaluation",),
    "leaderboard": ("evaluation",),
}

_SETTINGS: dict[str, tuple[str, ...]] = {
    "market_data": ("market_data",),
    "labels": ("labels",),
    "features": ("features",),
    "cv_splits": ("cross_validation",),
    "cv_scores": ("labels",),
    "nested_oof": ("cross_validation",),
}

_FITTING = ("fitted_models", "nested_oof")
"""Assets whose values depend on the models' settings."""


def code_version(asset: str, config: Model2Config, region: str) -> str:
    """Return the code version of an asset.

    Parameters
    ----------
    asset : str
        Its name.
    config : Model2Config
        The configuration.
    region : str
        Name of its region.

    Returns
    -------
    str
        12 hexadecimal digits.
    """
    settings = config.region(region).model_dump(mode="json")
    parts: dict[str, object] = {name: settings[name] for name in _SETTINGS.get(asset, ())}
    if "cross_validation" in parts:
        # Whether nested_oof is there changes no split, and none of its values.
        parts["cross_validation"] = {
            name: value for name, value in settings["cross_validation"].items() if name != "nested"
        }
    if asset in _FITTING:
        models = config.models_of(region)
        parts["models"] = {name: model.model_dump(mode="json") for name, model in models.items()}
    sources = {source: _source_digest(source) for source in _SOURCES[asset]}
    return document_digest({"sources": sources, "settings": parts})[:12]


@cache
def _source_digest(source: str) -> str:
    path = _PACKAGE / source
    files = sorted(path.rglob("*.py")) if path.is_dir() else [path]
    digest = hashlib.sha256()
    for file in files:
        digest.update(f"{file.relative_to(_PACKAGE).as_posix()}\n".encode())
        digest.update(file.read_bytes())
    return digest.hexdigest()
