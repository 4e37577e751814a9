"""The results of a region, and of one of its partitions, as they are on disk."""

from typing import TYPE_CHECKING, Any

from model2_assets.config import ChecksConfig, Model2Config, RegionConfig
from model2_assets.storage import Address, Store

if TYPE_CHECKING:
    import pandas as pd

    from model2_assets.training import StoredFoldModels


class StoredFiles:
    """What is on disk of a region; every file is read once, and nothing is written.

    Parameters
    ----------
    store : Store
        Where results are.
    config : Model2Config
        The configuration.
    region : str
        Name of the region.
    horizon, model : str, optional
        The partition, such as ``21d`` and ``ridge``.
    """

    def __init__(
        self,
        store: Store,
        config: Model2Config,
        region: str,
        horizon: str | None = None,
        model: str | None = None,
    ) -> None:
        self.store = store
        self.config = config
        self.region = region
        self.horizon = horizon or ""
        self.model = model or ""
        self._read: dict[Address, Any] = {}

    @property
    def settings(self) -> RegionConfig:
        """The region's own section of the configuration."""
        return self.config.region(self.region)

    @property
    def limits(self) -> ChecksConfig:
        """The limits of the checks."""
        return self.config.checks

    @property
    def partitions(self) -> tuple[tuple[str, str], ...]:
        """Horizon and model of every partition that the region has to have."""
        return tuple(
            (horizon, model)
            for horizon in self.settings.labels.horizon_keys
            for model in self.config.models_of(self.region)
        )

    @property
    def partition_keys(self) -> tuple[str, ...]:
        """Their keys, such as ``21d|ridge``."""
        return tuple(f"{horizon}|{model}" for horizon, model in self.partitions)

    def shared(self, asset: str) -> "pd.DataFrame":
        """Read a table that all partitions share, such as ``labels``.

        Raises
        ------
        StoreError, ContractError
            If it is not there, damaged, or breaks its contract.
        """
        table: pd.DataFrame = self._load(Address(self.region, asset))
        return table

    def own(self, asset: str) -> "pd.DataFrame":
        """Read a table of the partition, such as ``oof_predictions``.

        Raises
        ------
        StoreError, ContractError
            If it is not there, damaged, or breaks its contract.
        """
        table: pd.DataFrame = self._load(self.address(asset))
        return table

    def models(self, asset: str = "fitted_models") -> "StoredFoldModels":
        """Open models of the partition; their files are read when asked for.

        Raises
        ------
        StoreError
            If they are not there, or their manifest is damaged.
        """
        opened: StoredFoldModels = self._load(self.address(asset))
        return opened

    def is_recorded(self, asset: str) -> bool:
        """Tell whether anything is recorded of an asset outside of the store."""
        return self.store.attestation(self.address(asset)) is not None

    def difference_from_record(self, asset: str) -> str | None:
        """Say how an asset differs from what is recorded of it outside of the store."""
        address = self.address(asset)
        return self.store.difference_from_record(address, self._load(address))

    def every(self, asset: str) -> dict[str, Any]:
        """Read an asset of every partition that has it, by partition key."""
        addresses = {
            f"{horizon}|{model}": Address(self.region, asset, horizon, model)
            for horizon, model in self.partitions
        }
        return {
            key: self._load(address)
            for key, address in addresses.items()
            if self.store.exists(address)
        }

    def address(self, asset: str) -> Address:
        """Return where a result of the partition is; of the region where there is none."""
        return Address(self.region, asset, self.horizon or None, self.model or None)

    def _load(self, address: Address) -> Any:
        if address not in self._read:
            self._read[address] = self.store.load(address)
        return self._read[address]
