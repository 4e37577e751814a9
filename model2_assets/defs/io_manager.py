"""Dagster's inputs and outputs, through the store."""

from typing import TYPE_CHECKING, Any

import dagster as dg

from model2_assets.defs.metadata import readable
from model2_assets.defs.recorded import MANIFEST_SHA256, EventLog, address_of
from model2_assets.defs.steps import core_call
from model2_assets.storage import Address, Store

if TYPE_CHECKING:
    from model2_assets.training.resources import ResourceUsage


ALL_PARTITIONS = "model2/all_partitions"
"""Metadata of an input: it is all partitions that exist, whichever one the run is of."""


class SingleUse:
    """Holds a result until the IO manager takes it.

    A run within one process keeps the outputs of all its steps in memory till it ends
    (``execute_in_process`` captures them). What it keeps of a taken result is this, empty.
    """

    def __init__(self, value: Any) -> None:
        self._value = value

    def take(self) -> Any:
        """Return the result, and let go of it."""
        value, self._value = self._value, None
        return value


class StoreIOManager(dg.IOManager):
    """Writes and reads assets at the store's addresses.

    An unpartitioned asset that reads a partitioned one is handed a dict of the
    partitions that exist, whatever their number. What is not what the instance recorded last
    is told of in the run's log, and no pickle of it is read.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._loads: dict[tuple[str, str], tuple[float, int]] = {}
        """Seconds and peak memory of loading, by run and step, until its output asks for it."""

    def handle_output(self, context: dg.OutputContext, obj: Any) -> None:
        """Publish a result atomically; note its path, the costs and, of models, their MB."""
        from model2_assets.training.resources import measure_resources

        key = context.asset_partition_key if context.has_asset_partitions else None
        address = address_of(context.asset_key, key)
        with core_call(context), measure_resources() as usage:
            path = self._store.write(address, obj.take() if isinstance(obj, SingleUse) else obj)
        seconds, peak = self._loads.pop((context.run_id, context.step_key), (0.0, 0))
        costs = {
            "load_seconds": seconds,
            "write_seconds": usage.seconds,
            "io_peak_rss_mb": max(peak, usage.peak_rss_bytes) / 1e6,
        }
        metadata = {"path": dg.MetadataValue.path(str(path)), **readable(costs)}
        if address.product.format == "fold_models":
            models = self._store.open_models(address)
            metadata["models_mb"] = models.manifest.total_bytes / 1e6
            metadata[MANIFEST_SHA256] = models.sha256
        context.add_output_metadata(metadata)

    def load_input(self, context: dg.InputContext) -> Any:
        """Read a result, or a dict of partition key to result."""
        from model2_assets.training.resources import measure_resources

        with core_call(context), measure_resources() as usage:
            value = self._load(context)
        self._note(context, usage)
        return value

    def _note(self, context: dg.InputContext, usage: "ResourceUsage") -> None:
        try:
            step = context.step_context
        except dg.DagsterInvariantViolationError:  # loaded outside of a run
            return
        key = (step.run_id, step.step.key)
        seconds, peak = self._loads.get(key, (0.0, 0))
        self._loads[key] = (seconds + usage.seconds, max(peak, usage.peak_rss_bytes))

    def _load(self, context: dg.InputContext) -> Any:
        store = _attested(self._store, context)
        if not context.has_asset_partitions:
            return _load(store, address_of(context.asset_key), context)
        addresses = {
            key: address_of(context.asset_key, key) for key in context.asset_partition_keys
        }
        if context.has_partition_key and not context.definition_metadata.get(ALL_PARTITIONS):
            return _load(store, addresses[context.partition_key], context)
        return {
            key: _load(store, address, context)
            for key, address in addresses.items()
            if store.exists(address)
        }


def _attested(store: Store, context: dg.InputContext) -> Store:
    try:
        return store.attested_by(EventLog(context.instance))
    except dg.DagsterInvariantViolationError:  # loaded without an instance
        return store


def _load(store: Store, address: Address, context: dg.InputContext) -> Any:
    value = store.load(address)
    difference = store.difference_from_record(address, value)
    if difference is not None and context.log is not None:
        context.log.warning(difference)
    return value
