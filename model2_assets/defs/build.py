"""All definitions of a configuration."""

from collections.abc import Sequence
from typing import Any

import dagster as dg

from model2_assets.config import Model2Config
from model2_assets.defs.alerts import lost_runs_sensor, open_channels
from model2_assets.defs.assets import asset_names, region_assets
from model2_assets.defs.checks import region_checks
from model2_assets.defs.io_manager import StoreIOManager
from model2_assets.defs.kubernetes import largest_memory_tags
from model2_assets.defs.maintenance import dead_runs_sensor
from model2_assets.defs.model_settings import model_settings
from model2_assets.defs.nightly import data_watch, has_input_files, nightly_schedule, stages_sensor
from model2_assets.defs.region import IO_MANAGER_KEY, Region, Stage, accepted_previews, job_name
from model2_assets.defs.steps import console_logger, lock_key, region_lock
from model2_assets.storage import Store


def build_definitions(config: Model2Config, store: Store) -> dg.Definitions:
    """Build the assets, checks, jobs, schedules and sensors of every region.

    Runs execute their steps in one process: starting a process costs seconds, and training
    uses every core by itself.
    """
    return define(configured_regions(config, store))


def configured_regions(config: Model2Config, store: Store) -> list[Region]:
    """Return the regions of a configuration, whose assets are not built yet."""
    store = configured_store(config, store)
    return [Region(name=name, config=config, store=store) for name in config.regions]


def define(regions: Sequence[Region]) -> dg.Definitions:
    """Build what `build_definitions` does, of all regions of one configuration."""
    config, store = regions[0].config, regions[0].store
    open_channels(config.alerts)
    assets = [asset for region in regions for asset in region_assets(region)]
    with accepted_previews():
        checks = [check for region in regions for check in region_checks(region)]
    jobs = {region.name: region_jobs(region) for region in regions}
    return dg.Definitions(
        assets=[*map(model_settings, regions), *assets],
        asset_checks=checks,
        jobs=[job for of_region in jobs.values() for job in of_region],
        schedules=[nightly_schedule(region) for region in regions],
        sensors=[
            *(stages_sensor(region, jobs[region.name]) for region in regions),
            *(data_watch(region) for region in regions if has_input_files(region)),
            dead_runs_sensor,
            lost_runs_sensor(config.alerts),
        ],
        resources={
            IO_MANAGER_KEY: StoreIOManager(store),
            **{lock_key(region.name): region_lock(region) for region in regions},
        },
        loggers={"console": console_logger(config.logging)},
        executor=dg.in_process_executor,
    )


def region_jobs(region: Region) -> list[Any]:
    """Return a region's three jobs: prepare once, train each partition, summarize once.

    A run of a partition would execute unpartitioned assets again, so they have their own.
    """
    made: dict[Stage, str] = {
        "preparation": "Market data, labels, features and splits",
        "training": "One model and horizon",
        "summary": "The comparison of all models",
    }
    return [
        dg.define_asset_job(
            job_name(region.name, stage),
            selection=[region.key(asset) for asset in asset_names(region, stage)],
            description=f"{what} of region {region.name}.",
            tags=largest_memory_tags(region),
        )
        for stage, what in made.items()
    ]


def configured_store(config: Model2Config, store: Store) -> Store:
    """Return a store with the versions and working files that the configuration asks for."""
    return Store(
        store.base,
        keep_versions=config.storage.keep_versions,
        dataset_above_mb=config.storage.dataset_above_mb,
        keep_rejected=config.storage.keep_rejected,
        working_dir=config.execution.working_dir,
        trainers=config.trainers,
    )
