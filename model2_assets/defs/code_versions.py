"""Code versions: what an asset's values depend on besides its inputs.

A version digests the sources of the core that compute the asset, the settings that they are
given, and the modules of a team's own code that these name. An edit of any of them makes the
asset stale. All partitions share a version: new parameters of one model make all models stale.
"""

import hashlib
import re
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from model2_assets.config import Model2Config
from model2_assets.storage.record import document_digest

_PACKAGE = Path(__file__).parents[1]
_IMPORT_PATH = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")

_SOURCE_SUFFIXES = (".py", ".j2", ".css")
"""Code, templates of reports and their style."""

_SOURCES: dict[str, tuple[str, ...]] = {
    "market_data": ("market_data", "panel.py"),
    "labels": ("labels.py", "market_data/adjustment.py", "panel.py"),
    "features": ("features", "market_data/adjustment.py", "panel.py"),
    "cv_splits": ("cross_validation", "panel.py"),
    "fitted_models": ("training", "panel.py"),
    "oof_predictions": ("training", "panel.py"),
    "oof_paths": ("training", "panel.py"),
    "nested_oof": ("training", "cross_validation", "panel.py"),
    "feature_importance": ("training",),
    "cv_scores": ("evaluation", "panel.py"),
    "final_models": ("training", "panel.py"),
    "live_predictions": ("training", "panel.py"),
    "tear_sheet": ("reports", "evaluation", "panel.py"),
    "leaderboard": ("evaluation",),
    "stacking_frame": ("stacking.py", "cross_validation/intervals.py", "panel.py"),
    "region_report": ("reports", "evaluation", "panel.py"),
}

_SETTINGS: dict[str, tuple[str, ...]] = {
    "market_data": ("market_data",),
    "labels": ("labels",),
    "features": ("features",),
    "cv_splits": ("cross_validation",),
    "cv_scores": ("labels",),
    "live_predictions": ("labels",),
    "nested_oof": ("cross_validation",),
    "tear_sheet": ("labels", "features", "cross_validation"),
    "region_report": ("labels", "features", "cross_validation"),
}

_WITHOUT_EFFECT = {"cross_validation": "nested", "market_data": "max_age_weekdays"}
"""Settings that change no value: whether nested_oof is there, and how old data may be."""

_FITTING = ("fitted_models", "nested_oof", "final_models")
"""Assets whose values depend on the models' settings."""


def code_version(asset: str, config: Model2Config, region: str) -> str:
    """Return the code version of an asset of a region: 12 hexadecimal digits."""
    settings = config.region(region).model_dump(mode="json")
    parts: dict[str, object] = {name: settings[name] for name in _SETTINGS.get(asset, ())}
    for section, without_effect in _WITHOUT_EFFECT.items():
        if section in parts:
            section_settings = settings[section].items()
            parts[section] = {name: v for name, v in section_settings if name != without_effect}
    if asset in _FITTING:
        models = config.models_of(region)
        parts["models"] = {name: model.model_dump(mode="json") for name, model in models.items()}
        parts["profile"] = config.execution.profile
    if asset == "cv_scores":
        # A Sharpe ratio is deflated by the number of models and horizons tried.
        parts["trials"] = len(config.models_of(region)) * len(settings["labels"]["horizons"])
    if asset == "tear_sheet":
        parts["prediction_bps"] = config.checks.prediction_bps
    if asset == "region_report":
        # It names the partitions that are missing.
        parts["models"] = sorted(config.models_of(region))
    sources = {source: _source_digest(source) for source in _SOURCES[asset]}
    plugged_in = {path: _module_digest(path) for path in sorted(_import_paths(parts))}
    document = {"sources": sources, "settings": parts, "plugged_in": plugged_in}
    return document_digest(document)[:12]


def _import_paths(settings: object) -> set[str]:
    """Return the import paths of a user's own code among the settings."""
    if isinstance(settings, dict):
        return set().union(*map(_import_paths, settings.values())) if settings else set()
    if not isinstance(settings, str) or settings.startswith("model2_assets."):
        return set()
    return {settings} if _IMPORT_PATH.fullmatch(settings) else set()


def _module_digest(path: str) -> str:
    """Digest the module of an import path; empty where its source cannot be found."""
    try:
        spec = find_spec(path.partition(":")[0])
        origin = Path(spec.origin) if spec is not None and spec.origin else None
        return hashlib.sha256(origin.read_bytes()).hexdigest() if origin is not None else ""
    except (ImportError, ValueError, OSError):
        return ""


@cache
def _source_digest(source: str) -> str:
    path = _PACKAGE / source
    below = (file for file in path.rglob("*") if file.suffix in _SOURCE_SUFFIXES)
    files = sorted(below) if path.is_dir() else [path]
    digest = hashlib.sha256()
    for file in files:
        digest.update(f"{file.relative_to(_PACKAGE).as_posix()}\n".encode())
        digest.update(file.read_bytes())
    return digest.hexdigest()
