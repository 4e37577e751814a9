"""The assets of a region; the docstring of an asset's body describes it."""

import dagster as dg

from model2_assets.defs.assets.prepare import (
    cv_splits_asset,
    features_asset,
    labels_asset,
    market_data_asset,
)
from model2_assets.defs.assets.summary import (
    leaderboard_asset,
    region_report_asset,
    stacking_frame_asset,
)
from model2_assets.defs.assets.train import (
    cv_scores_asset,
    feature_importance_asset,
    final_models_asset,
    fitted_models_asset,
    live_predictions_asset,
    nested_oof_asset,
    oof_paths_asset,
    oof_predictions_asset,
    tear_sheet_asset,
)
from model2_assets.defs.region import Region, accepted_previews

ASSET_BUILDERS = {
    "market_data": market_data_asset,
    "labels": labels_asset,
    "features": features_asset,
    "cv_splits": cv_splits_asset,
    "fitted_models": fitted_models_asset,
    "oof_predictions": oof_predictions_asset,
    "oof_paths": oof_paths_asset,
    "nested_oof": nested_oof_asset,
    "feature_importance": feature_importance_asset,
    "cv_scores": cv_scores_asset,
    "final_models": final_models_asset,
    "live_predictions": live_predictions_asset,
    "tear_sheet": tear_sheet_asset,
    "leaderboard": leaderboard_asset,
    "stacking_frame": stacking_frame_asset,
    "region_report": region_report_asset,
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
        return [
            build(region) for name, build in ASSET_BUILDERS.items() if name not in _left_out(region)
        ]


def training_assets(region: Region) -> tuple[str, ...]:
    """Return the names of a region's assets with horizon × model partitions."""
    return tuple(name for name in TRAINING if name not in _left_out(region))


def summary_assets(region: Region) -> tuple[str, ...]:
    """Return the names of a region's assets that put all partitions side by side."""
    return tuple(name for name in SUMMARY if name not in _left_out(region))


def _left_out(region: Region) -> set[str]:
    """Return the assets that a region's configuration does not ask for."""
    nested, reports = region.settings.cross_validation.nested, region.config.reports.tear_sheets
    return (set() if nested else {"nested_oof"}) | (
        set() if reports else {"tear_sheet", "region_report"}
    )


__all__ = [
    "ASSET_BUILDERS",
    "PREPARATION",
    "SUMMARY",
    "TRAINING",
    "region_assets",
    "summary_assets",
    "training_assets",
]
