"""What models are fitted with, as an asset that they follow: an edit makes one model stale."""

import dagster as dg

from model2_assets.config.partition import Partition
from model2_assets.defs.recorded import DATA_VERSION, MODEL_SETTINGS, EventLog, tags_of
from model2_assets.defs.region import Region, dimension_tags


def model_settings(region: Region) -> dg.AssetSpec:
    """Return the settings of a region's models as Dagster shows them."""
    return dg.AssetSpec(
        region.key(MODEL_SETTINGS),
        description=(
            "Trainer, parameters, seed, weights, calibration, embargo and execution lag of every "
            "model and horizon, from the configuration. Each run reports what has changed as it "
            "begins; the data version is a digest."
        ),
        group_name=region.name,
        partitions_def=region.partitions,
    )


def report_model_settings(instance: dg.DagsterInstance, region: Region) -> None:
    """Report the settings of every partition where they differ from those on record.

    Of an asset that no run makes, Dagster compares observations.
    """
    key, latest = region.key(MODEL_SETTINGS), EventLog(instance).latest
    for partition, version in region.settings_versions.items():
        if tags_of(latest(key, partition)).get(DATA_VERSION) != version:
            settings = region.fit_settings(Partition.parse(partition))
            instance.report_runless_asset_event(
                dg.AssetObservation(
                    key,
                    partition=partition,
                    metadata={"settings": dg.MetadataValue.json(settings)},
                    tags={DATA_VERSION: version, **dimension_tags(partition)},
                )
            )
