"""Features: the Alpha158 set, normalized per date, point-in-time."""

from model2_assets.features.build import build_features_from_config
from model2_assets.features.catalogue import FeatureSpec, alpha158_features
from model2_assets.features.normalize import normalize_cross_sections

__all__ = [
    "FeatureSpec",
    "alpha158_features",
    "build_features_from_config",
    "normalize_cross_sections",
]
