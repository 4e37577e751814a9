"""Horizon × model partitions of a region."""

from collections.abc import Sequence

import dagster as dg

HORIZON, MODEL = "horizon", "model"

PARTITION_TAG = "dagster/partition"
"""Tag by which Dagster tells the partition of a run or an event."""


def model_partitions(
    horizons: Sequence[str], models: Sequence[str]
) -> dg.MultiPartitionsDefinition:
    """Return the partitions of a region's model assets.

    Parameters
    ----------
    horizons : sequence of str
        Such as ``("21d", "63d")``.
    models : sequence of str
        Names of the region's models.

    Returns
    -------
    MultiPartitionsDefinition
        Keys read ``21d|ridge``: Dagster orders dimensions by name.
    """
    return dg.MultiPartitionsDefinition(
        {
            HORIZON: dg.StaticPartitionsDefinition(list(horizons)),
            MODEL: dg.StaticPartitionsDefinition(list(models)),
        }
    )


def partition_key(horizon: str, model: str) -> str:
    """Return the key of a partition, such as ``21d|ridge``."""
    return str(dg.MultiPartitionKey({HORIZON: horizon, MODEL: model}))


def split_partition_key(key: str) -> tuple[str, str]:
    """Return horizon and model of a partition key."""
    horizon, _, model = key.partition("|")
    return horizon, model
