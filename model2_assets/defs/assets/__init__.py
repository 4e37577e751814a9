"""The assets of a region; the docstring of an asset's body describes it."""

import dagster as dg

from model2_assets.defs.assets import prepare, summary, train
from model2_assets.defs.region import Region, accepted_previews

ASSET_BUILDERS = {
    "market_data": prepare.market_data_asset,
    "labels": prepare.labels_asset,
    "features": prepare.features_asset,
    "cv_splits": prepare.cv_splits_asset,
    "fitted_models": train.fitted_models_asset,
    "oof_predictions": train.oof_predictions_asset,
    "oof_paths": train.oof_paths_asset,
    "nested_oof": train.nested_oof_asset,
    "feature_importance": train.feature_importance_asset,
    "cv_scores": train.cv_scores_asset,
    "final_models": train.final_models_asset,
    "live_predictions": train.live_predictions_asset,
    "tear_sheet": train.tear_sheet_asset,
    "leaderboard": summary.leaderboard_asset,
    "stacking_frame": summary.stacking_frame_asset,
    "region_report": summary.region_report_asset,
}
"""Functions that build one asset of a region, by its name, in the order of the graph."""

PREPARATION = ("market_data", "labels", "features", "cv_splits")
"""Assets that all models share."""

SUMMARY = ("leaderboard", "stacking_frame", "region_report")
"""Assets that put all partitions side by side."""

TRAINING = tuple(name for name in ASSET_BUILDERS if name not in (*PREPARATION, *SUMMARY))
"""Assets with horizon × model partitions."""


def region_assets(region: Region) -> list[dg.AssetsDefinition]:
    """Return the assets of a region, in the order of the graph."""
    with accepted_previews():
        left_out = _left_out(region)
        return [build(region) for name, build in ASSET_BUILDERS.items() if name not in left_out]


def training_assets(region: Region) -> tuple[str, ...]:
    """Return the names of a region's assets with horizon × model partitions."""
    return tuple(name for name in TRAINING if name not in _left_out(region))


def summary_assets(region: Region) -> tuple[str, ...]:
    """Return the names of a region's assets that put all partitions side by side."""
    return tuple(name for name in SUMMARY if name not in _left_out(region))


def _left_out(region: Region) -> set[str]:
    """Return the assets that a region's configuration does not ask for."""
    nested = set() if region.settings.cross_validation.nested else {"nested_oof"}
    return nested if region.config.reports.tear_sheets else nested | {"tear_sheet", "region_report"}


__all__ = [
    "ASSET_BUILDERS",
    "PREPARATION",
    "SUMMARY",
    "TRAINING",
    "region_assets",
    "summary_assets",
    "training_assets",
]
