"""Jobs of a region: prepare once, train each partition, summarize once.

A run of a partition would execute unpartitioned assets again, so they have jobs of
their own.
"""

from dataclasses import dataclass
from typing import Any

import dagster as dg

from model2_assets.defs.assets import PREPARATION, summary_assets, training_assets
from model2_assets.defs.region import Region


@dataclass(frozen=True)
class JobNames:
    """Names of a region's jobs."""

    preparation: str
    training: str
    summary: str


def job_names(region: str) -> JobNames:
    """Return the names of a region's jobs."""
    return JobNames(f"{region}_preparation", f"{region}_training", f"{region}_summary")


def region_jobs(region: Region) -> list[Any]:
    """Return a region's three jobs."""
    names = job_names(region.name)
    return [
        dg.define_asset_job(
            names.preparation,
            selection=_selection(region, PREPARATION),
            description=f"Market data, labels, features and splits of region {region.name}.",
        ),
        dg.define_asset_job(
            names.training,
            selection=_selection(region, training_assets(region)),
            description=f"One model and horizon of region {region.name}, with its products.",
        ),
        dg.define_asset_job(
            names.summary,
            selection=_selection(region, summary_assets(region)),
            description=f"The comparison of all models of region {region.name}.",
        ),
    ]


def _selection(region: Region, assets: tuple[str, ...]) -> dg.AssetSelection:
    return dg.AssetSelection.assets(*(region.key(asset) for asset in assets))
