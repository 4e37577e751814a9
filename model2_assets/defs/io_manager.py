"""Dagster's inputs and outputs, through the store."""

from typing import Any

import dagster as dg

from model2_assets.config.partition import Partition
from model2_assets.defs.recorded import MANIFEST_SHA256, EventLog
from model2_assets.defs.steps import TransferCosts, core_call
from model2_assets.storage import Address, Store


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
        self._costs = TransferCosts()

    def handle_output(self, context: dg.OutputContext, obj: Any) -> None:
        """Publish a result atomically; note its path, the costs and, of models, their MB."""
        key = context.asset_partition_key if context.has_asset_partitions else None
        address = address_of(context.asset_key, key)
        with core_call(context), self._costs.writing(context):
            path = self._store.write(address, obj.take() if isinstance(obj, SingleUse) else obj)
        metadata: dict[str, Any] = {
            "path": dg.MetadataValue.path(str(path)),
            **self._costs.of(context),
        }
        if address.product.format == "fold_models":
            models = self._store.open_models(address)
            metadata["models_mb"] = models.manifest.total_bytes / 1e6
            metadata[MANIFEST_SHA256] = models.sha256
        context.add_output_metadata(metadata)

    def load_input(self, context: dg.InputContext) -> Any:
        """Read a result, or a dict of partition key to result."""
        with core_call(context), self._costs.loading(context):
            return self._load(context)

    def _load(self, context: dg.InputContext) -> Any:
        store = _attested(self._store, context)
        if not context.has_asset_partitions:
            return _load(store, address_of(context.asset_key), context)
        addresses = {
            key: address_of(context.asset_key, key) for key in context.asset_partition_keys
        }
        if context.has_partition_key:
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


def address_of(asset: dg.AssetKey, partition_key: str | None = None) -> Address:
    """Return where an asset's result is, from its key and partition."""
    region, name = asset.path
    if partition_key is None:
        return Address(region, name)
    horizon, model = Partition.parse(partition_key)
    return Address(region, name, horizon, model)
