"""The assets of a region; the docstring of an asset's body describes it."""

import dagster as dg

from model2_assets.defs.assets import prepare, summary, train
from model2_assets.defs.region import Region, accepted_previews

PREPARATION = tuple(prepare.BUILDERS)
"""Assets that all models share."""

TRAINING = tuple(train.BUILDERS)
"""Assets with horizon × model partitions."""

SUMMARY = tuple(summary.BUILDERS)
"""Assets that put all partitions side by side."""


def region_assets(region: Region) -> list[dg.AssetsDefinition]:
    """Return the assets of a region, in the order of the graph."""
    with accepted_previews():
        left_out, builders = _left_out(region), prepare.BUILDERS | train.BUILDERS | summary.BUILDERS
        return [build(region) for name, build in builders.items() if name not in left_out]


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
    "PREPARATION",
    "SUMMARY",
    "TRAINING",
    "region_assets",
    "summary_assets",
    "training_assets",
]
