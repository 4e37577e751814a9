"""The assets of a region, one module each; a module's docstring describes its asset."""

from model2_assets.defs.assets.cv_scores import cv_scores_asset
from model2_assets.defs.assets.cv_splits import cv_splits_asset
from model2_assets.defs.assets.feature_importance import feature_importance_asset
from model2_assets.defs.assets.features import features_asset
from model2_assets.defs.assets.fitted_models import fitted_models_asset
from model2_assets.defs.assets.labels import labels_asset
from model2_assets.defs.assets.leaderboard import leaderboard_asset
from model2_assets.defs.assets.market_data import market_data_asset
from model2_assets.defs.assets.oof_predictions import oof_predictions_asset

ASSET_BUILDERS = (
    market_data_asset,
    labels_asset,
    features_asset,
    cv_splits_asset,
    fitted_models_asset,
    oof_predictions_asset,
    feature_importance_asset,
    cv_scores_asset,
    leaderboard_asset,
)
"""Functions that build one asset of a region, in the order of the graph."""

PREPARATION = ("market_data", "labels", "features", "cv_splits")
"""Assets that all models share."""

TRAINING = ("fitted_models", "oof_predictions", "feature_importance", "cv_scores")
"""Assets with horizon × model partitions."""

SUMMARY = ("leaderboard",)
"""Assets that compare the partitions."""

__all__ = ["ASSET_BUILDERS", "PREPARATION", "SUMMARY", "TRAINING"]
