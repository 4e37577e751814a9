"""A run's turn: it holds its region, or its partition, from its first step to its last."""

from collections.abc import Iterator
from contextlib import ExitStack

import dagster as dg

from model2_assets.defs.partitions import PARTITION_TAG
from model2_assets.defs.run_log import core_logs_to
from model2_assets.region_lock import hold_region
from model2_assets.storage import Store


def turn_key(region: str) -> str:
    """Return the key of the resource that all assets of a region require."""
    return f"{region}_turn"


def region_turn(store: Store, region: str) -> dg.ResourceDefinition:
    """Return the resource that a run holds its region by.

    Dagster makes a run's resources before its first step, so a run that waits for its turn
    has no place in a pool that others wait for. Of several regions it makes them in the order
    of their names, so no two runs wait for each other.

    Parameters
    ----------
    store : Store
        Where results are.
    region : str
        Its name.
    """

    def turn(context: dg.InitResourceContext) -> Iterator[None]:
        run = context.run
        partition = run.tags.get(PARTITION_TAG) if run is not None else None
        with ExitStack() as stack:
            with ExitStack() as waiting:
                if context.log is not None:
                    waiting.enter_context(core_logs_to(context.log))
                stack.enter_context(hold_region(store, region, partition=partition))
            yield

    return dg.ResourceDefinition(turn, description=f"One writer of region {region} at a time.")
