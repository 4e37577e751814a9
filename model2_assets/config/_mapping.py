"""Settings as a mapping, and as one over the defaults."""

from collections.abc import Mapping
from importlib import resources
from typing import Any

import yaml

from model2_assets.errors import ConfigError


def as_mapping(values: object, origin: str) -> Mapping[str, Any]:
    """Return settings as they are.

    Raises
    ------
    ConfigError
        If they are no mapping.
    """
    if not isinstance(values, Mapping):
        raise ConfigError(
            f"{origin}: expected keys such as regions, models, checks; got {type(values).__name__}"
        )
    return values


def default_values() -> dict[str, Any]:
    """Read the default configuration, which ships in the package."""
    text = resources.files("model2_assets").joinpath("default.yaml").read_text(encoding="utf-8")
    defaults: dict[str, Any] = yaml.safe_load(text)
    return defaults


def merge_defaults(
    defaults: dict[str, Any], values: Mapping[str, Any], *, origin: str
) -> dict[str, Any]:
    """Put settings over the defaults; models are merged, and one that is None is removed."""
    merged = {**defaults, **as_mapping(values, origin)}
    if isinstance(values.get("models"), Mapping):
        merged["models"] = {
            name: model
            for name, model in _merge(defaults["models"], values["models"]).items()
            if model is not None
        }
    return merged


def _merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in over.items():
        both = isinstance(value, Mapping) and isinstance(merged.get(key), Mapping)
        merged[key] = _merge(merged[key], value) if both else value
    return merged
