"""The assets of a region; the docstring of an asset's body describes it."""

import dagster as dg

from model2_assets.defs.assets import prepare, summary, train
from model2_assets.defs.region import Region, Stage, accepted_previews
from model2_assets.defs.tracking import MLFLOW_RUN, tracked_runs

ASSETS = (*prepare.ASSETS, *train.ASSETS, *summary.ASSETS)
"""All assets as declared, in the order of the graph."""

PREPARATION, TRAINING, SUMMARY = (
    tuple(asset.name for asset in assets)
    for assets in (prepare.ASSETS, train.ASSETS, summary.ASSETS)
)
"""Names of the assets of each stage."""


def region_assets(region: Region) -> list[dg.AssetsDefinition]:
    """Return the assets that a region's configuration asks for, in the order of the graph."""
    with accepted_previews():
        stored = [asset.build(region) for asset in ASSETS if asset.is_wanted(region)]
    return [*stored, *tracked_runs(region)]


def asset_names(region: Region, *stages: Stage) -> tuple[str, ...]:
    """Return the names of a region's assets of some stages."""
    is_tracked = "training" in stages and region.config.tracking.mlflow is not None
    names = (a.name for a in ASSETS if a.stage in stages and a.is_wanted(region))
    return (*names, *([MLFLOW_RUN] if is_tracked else []))


__all__ = ["ASSETS", "PREPARATION", "SUMMARY", "TRAINING", "asset_names", "region_assets"]
