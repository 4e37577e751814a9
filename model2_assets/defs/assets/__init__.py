"""The assets of a region, one module each; a module's docstring describes its asset."""

from collections.abc import Callable

import dagster as dg

from model2_assets.defs.assets.cv_scores import cv_scores_asset
from model2_assets.defs.assets.cv_splits import cv_splits_asset
from model2_assets.defs.assets.feature_importance import feature_importance_asset
from model2_assets.defs.assets.features import features_asset
from model2_assets.defs.assets.final_models import final_models_asset
from model2_assets.defs.assets.fitted_models import fitted_models_asset
from model2_assets.defs.assets.labels import labels_asset
from model2_assets.defs.assets.leaderboard import leaderboard_asset
from model2_assets.defs.assets.live_predictions import live_predictions_asset
from model2_assets.defs.assets.market_data import market_data_asset
from model2_assets.defs.assets.nested_oof import nested_oof_asset
from model2_assets.defs.assets.oof_paths import oof_paths_asset
from model2_assets.defs.assets.oof_predictions import oof_predictions_asset
from model2_assets.defs.assets.region_report import region_report_asset
from model2_assets.defs.assets.stacking_frame import stacking_frame_asset
from model2_assets.defs.assets.tear_sheet import tear_sheet_asset
from model2_assets.defs.previews import accepted_previews
from model2_assets.defs.region import Region

ASSET_BUILDERS = (
    market_data_asset,
    labels_asset,
    features_asset,
    cv_splits_asset,
    fitted_models_asset,
    oof_predictions_asset,
    oof_paths_asset,
    feature_importance_asset,
    cv_scores_asset,
    final_models_asset,
    live_predictions_asset,
    tear_sheet_asset,
    leaderboard_asset,
    stacking_frame_asset,
    region_report_asset,
)
"""Functions that build one asset of a region, in the order of the graph."""

NESTED_BUILDERS = (nested_oof_asset,)
"""Those of assets that are there only where ``cross_validation.nested`` is on."""

PREPARATION = ("market_data", "labels", "features", "cv_splits")
"""Assets that all models share."""

TRAINING = (
    "fitted_models",
    "oof_predictions",
    "oof_paths",
    "feature_importance",
    "cv_scores",
    "final_models",
    "live_predictions",
    "tear_sheet",
)
"""Assets with horizon × model partitions."""

NESTED = ("nested_oof",)
"""Those of them that are there only where ``cross_validation.nested`` is on."""

SUMMARY = ("leaderboard", "stacking_frame", "region_report")
"""Assets that put all partitions side by side."""


def asset_builders(region: Region) -> tuple[Callable[[Region], dg.AssetsDefinition], ...]:
    """Return the functions that build the assets that a region's configuration asks for."""
    nested = region.settings.cross_validation.nested
    return ASSET_BUILDERS + (NESTED_BUILDERS if nested else ())


def region_assets(region: Region) -> list[dg.AssetsDefinition]:
    """Return the assets of a region, in the order of the graph."""
    with accepted_previews():
        return [build(region) for build in asset_builders(region)]


def training_assets(region: Region) -> tuple[str, ...]:
    """Return the names of a region's assets with horizon × model partitions."""
    return TRAINING + (NESTED if region.settings.cross_validation.nested else ())


__all__ = [
    "ASSET_BUILDERS",
    "NESTED",
    "NESTED_BUILDERS",
    "PREPARATION",
    "SUMMARY",
    "TRAINING",
    "asset_builders",
    "region_assets",
    "training_assets",
]
