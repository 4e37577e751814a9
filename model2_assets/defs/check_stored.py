"""The checks of what is on disk, in one process, without making anything again.

They run in Dagster's own job of all assets, as checks do that the UI starts, and are
recorded in the same instance.
"""

import logging
import time
import uuid
from collections.abc import Iterator, Sequence

import dagster as dg

from model2_assets.defs.checks import check_keys
from model2_assets.defs.held_open import INDEX, held_open
from model2_assets.defs.partitions import HORIZON, MODEL, PARTITION_TAG, split_partition_key
from model2_assets.defs.region import Region
from model2_assets.defs.retrain import PROCESS_TAG, this_process
from model2_assets.defs.run_result import run_result
from model2_assets.gate import RunResult

logger = logging.getLogger(__name__)


def check_stored(
    definitions: dg.Definitions,
    instance: dg.DagsterInstance,
    region: Region,
    partitions: Sequence[str],
) -> Iterator[RunResult]:
    """Evaluate the checks of what is on disk of a region.

    Parameters
    ----------
    definitions : Definitions
        The code location.
    instance : DagsterInstance
        Where evaluations are recorded.
    region : Region
        The region.
    partitions : sequence of str
        Partitions to look at, such as ``21d|ridge``; assets that all partitions share are
        looked at in any case.

    Yields
    ------
    RunResult
        One for the shared assets, then one for each partition.
    """
    every = definitions.resolve_implicit_global_asset_job_def()
    for partition in (None, *partitions):
        run_id = str(uuid.uuid4())
        title = partition or "shared assets"
        logger.info("checking %s %s", region.name, title)
        started = time.monotonic()
        chosen = every.get_subset(
            asset_selection=frozenset(),
            asset_check_selection=check_keys(region, partitioned=partition is not None),
        )
        with held_open(instance, INDEX, run_id):
            result = chosen.execute_in_process(
                instance=instance,
                raise_on_error=False,
                run_config={"loggers": {"console": {}}},
                tags={PROCESS_TAG: this_process(), **_partition_tags(partition)},
                run_id=run_id,
            )
        yield run_result(
            result,
            instance,
            region=region.name,
            partition=partition,
            seconds=time.monotonic() - started,
            title=title,
        )


def _partition_tags(partition: str | None) -> dict[str, str]:
    """Return the tags by which a run knows its partition.

    A job of nothing but checks has no partitions of its own, and refuses a partition key.
    """
    if partition is None:
        return {}
    horizon, model = split_partition_key(partition)
    return {
        PARTITION_TAG: partition,
        f"{PARTITION_TAG}/{HORIZON}": horizon,
        f"{PARTITION_TAG}/{MODEL}": model,
    }
