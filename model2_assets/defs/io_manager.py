"""Dagster's inputs and outputs, through the store."""

from typing import Any

import dagster as dg

from model2_assets.defs.costs import TransferCosts
from model2_assets.defs.handover import Handover
from model2_assets.defs.partitions import split_partition_key
from model2_assets.storage import Address, Store


class StoreIOManager(dg.IOManager):
    """Writes and reads assets at the store's addresses.

    An unpartitioned asset that reads a partitioned one is handed a dict of the
    partitions that exist, whatever their number.

    Parameters
    ----------
    store : Store
        Where the files are.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._costs = TransferCosts()

    def handle_output(self, context: dg.OutputContext, obj: Any) -> None:
        """Publish a result atomically; note its path, the costs and, of models, their MB."""
        key = context.asset_partition_key if context.has_asset_partitions else None
        address = address_of(context.asset_key, key)
        with self._costs.writing(context):
            path = self._store.write(address, obj.take() if isinstance(obj, Handover) else obj)
        metadata: dict[str, Any] = {
            "path": dg.MetadataValue.path(str(path)),
            **self._costs.of(context),
        }
        if address.product.format == "fold_models":
            metadata["models_mb"] = self._store.open_models(address).manifest.total_bytes / 1e6
        context.add_output_metadata(metadata)

    def load_input(self, context: dg.InputContext) -> Any:
        """Read a result, or a dict of partition key to result."""
        with self._costs.loading(context):
            return self._load(context)

    def _load(self, context: dg.InputContext) -> Any:
        if not context.has_asset_partitions:
            return self._store.load(address_of(context.asset_key))
        addresses = {
            key: address_of(context.asset_key, key) for key in context.asset_partition_keys
        }
        if context.has_partition_key:
            return self._store.load(addresses[context.partition_key])
        return {
            key: self._store.load(address)
            for key, address in addresses.items()
            if self._store.exists(address)
        }


def address_of(asset: dg.AssetKey, partition_key: str | None = None) -> Address:
    """Return where an asset's result is, from its key and partition."""
    region, name = asset.path
    if partition_key is None:
        return Address(region, name)
    horizon, model = split_partition_key(partition_key)
    return Address(region, name, horizon, model)
