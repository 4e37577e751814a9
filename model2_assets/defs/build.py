"""All definitions of a configuration."""

import dagster as dg

from model2_assets.config import Model2Config
from model2_assets.defs.alerts import lost_runs_sensor, open_channels
from model2_assets.defs.assets import region_assets
from model2_assets.defs.checks import region_checks
from model2_assets.defs.dead_runs import dead_runs_sensor
from model2_assets.defs.io_manager import StoreIOManager
from model2_assets.defs.jobs import region_jobs
from model2_assets.defs.partitions import accepted_previews
from model2_assets.defs.region import IO_MANAGER_KEY, Region
from model2_assets.defs.schedules import data_watch, has_input_files, nightly_sensor
from model2_assets.defs.steps import console_logger, region_turn, turn_key
from model2_assets.storage import Store


def build_definitions(config: Model2Config, store: Store) -> dg.Definitions:
    """Build the assets, checks, jobs and sensors of every region.

    Parameters
    ----------
    config : Model2Config
        The configuration.
    store : Store
        Where results are.

    Returns
    -------
    Definitions
        One asset group per region. Runs execute their steps in one process: starting a
        process costs seconds, and training uses every core by itself.
    """
    store = configured_store(config, store)
    open_channels(config.alerts)
    regions = [Region(name=name, config=config, store=store) for name in config.regions]
    assets = [asset for region in regions for asset in region_assets(region)]
    with accepted_previews():
        checks = [check for region in regions for check in region_checks(region)]
    return dg.Definitions(
        assets=assets,
        asset_checks=checks,
        jobs=[job for region in regions for job in region_jobs(region)],
        sensors=[
            *(nightly_sensor(region) for region in regions),
            *(data_watch(region) for region in regions if has_input_files(region)),
            dead_runs_sensor,
            lost_runs_sensor(config.alerts),
        ],
        resources={
            IO_MANAGER_KEY: StoreIOManager(store),
            **{turn_key(region.name): region_turn(store, region.name) for region in regions},
        },
        loggers={"console": console_logger(config.logging)},
        executor=dg.in_process_executor,
    )


def configured_store(config: Model2Config, store: Store) -> Store:
    """Return a store with the versions and working files that the configuration asks for."""
    return Store(
        store.base,
        keep_versions=config.storage.keep_versions,
        keep_rejected=config.storage.keep_rejected,
        working_dir=config.execution.working_dir,
        trainers=config.trainers,
    )
