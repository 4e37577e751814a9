"""What Dagster recorded of results, and which of them are missing or outdated."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import dagster as dg

from model2_assets.config.partition import Partition
from model2_assets.storage import Address
from model2_assets.storage.record import Attestation

if TYPE_CHECKING:
    from model2_assets.defs.region import Region


CODE_VERSION = "dagster/code_version"
DATA_VERSION = "dagster/data_version"
INPUT_DATA_VERSION = "dagster/input_data_version"
INPUT_PLACE = "dagster/input_event_pointer"


@dataclass(frozen=True)
class Materialized:
    """The latest materialization of an asset or of one of its partitions.

    Attributes
    ----------
    place : int
        Its place in the event log; later events have greater ones.
    time : float
        When it was made, seconds since the epoch.
    run_id : str
        The run that made it.
    tags : mapping of str to str
        What Dagster recorded with it.
    numbers : mapping of str to float
        What of its metadata is a number.
    """

    place: int
    time: float
    run_id: str
    tags: Mapping[str, str]
    numbers: Mapping[str, float] = field(default_factory=dict)


def partition_problems(results: "RecordedResults") -> dict[str, str]:
    """Return the partitions whose products are missing or outdated.

    Parameters
    ----------
    results : RecordedResults
        What of the region has been materialized.

    Returns
    -------
    dict of str to str
        Partition key to the first thing wrong with it in the order of the graph, such as
        ``fitted_models is missing``; what is wrong with an asset that all partitions share
        is wrong with each. Empty where all is current.
    """
    shared = results.first_problem(results.before_partitions, None)
    problems = {
        key: shared or results.first_problem(results.partitioned, key)
        for key in results.partition_keys
    }
    return {key: problem for key, problem in problems.items() if problem is not None}


class RecordedResults:
    """What of a region has been materialized, and whether it is current.

    Each asset's events are read once, by two queries, when they are first asked for.

    Parameters
    ----------
    instance : DagsterInstance
        Whose event log is read.
    region : Region
        The region.
    """

    def __init__(self, instance: dg.DagsterInstance, region: "Region") -> None:
        self.specs = region.specs
        self.partition_keys = region.partition_keys
        self._instance = instance
        self._latest: dict[dg.AssetKey, Mapping[str | None, Materialized]] = {}

    @cached_property
    def partitioned(self) -> tuple[dg.AssetKey, ...]:
        """Assets with horizon × model partitions, in the order of the graph."""
        return tuple(key for key, spec in self.specs.items() if spec.partitions_def is not None)

    @cached_property
    def after_partitions(self) -> tuple[dg.AssetKey, ...]:
        """Unpartitioned assets that are made from all partitions, in the order of the graph."""
        after: set[dg.AssetKey] = set(self.partitioned)
        for key, spec in self.specs.items():
            if any(dep.asset_key in after for dep in spec.deps):
                after.add(key)
        return tuple(key for key in self.specs if key in after - set(self.partitioned))

    @cached_property
    def before_partitions(self) -> tuple[dg.AssetKey, ...]:
        """Unpartitioned assets that are made from no partition, in the order of the graph."""
        others = {*self.partitioned, *self.after_partitions}
        return tuple(key for key in self.specs if key not in others)

    def first_problem(self, assets: tuple[dg.AssetKey, ...], partition: str | None) -> str | None:
        """Return the first problem of several assets in one partition, None where all are well."""
        problems = (self.problem(asset, partition) for asset in assets)
        return next((problem for problem in problems if problem is not None), None)

    def problem(
        self, asset: dg.AssetKey, partition: str | None = None, *, any_code: bool = False
    ) -> str | None:
        """Say why a result is not current.

        Parameters
        ----------
        asset : AssetKey
            An asset of the region.
        partition : str, optional
            Its partition, such as ``21d|ridge``; None where it has none.
        any_code : bool, default False
            Whether the code and settings that made it do not matter.

        Returns
        -------
        str or None
            One phrase; None where the result is current.
        """
        name, spec = asset.path[-1], self.specs[asset]
        made = self.latest(asset).get(partition)
        if made is None:
            return f"{name} is missing"
        if not any_code and made.tags.get(CODE_VERSION) != spec.code_version:
            return f"{name} was made by other code or settings"
        for dep in spec.deps:
            if not self._is_made_from_current(made, dep.asset_key, partition):
                return f"{name} was made from another version of {dep.asset_key.path[-1]}"
        return None

    def latest(self, asset: dg.AssetKey) -> Mapping[str | None, Materialized]:
        """Return the latest materialization of every partition; None stands for no partition."""
        if asset not in self._latest:
            self._latest[asset] = self._read_latest(asset)
        return self._latest[asset]

    def _read_latest(self, asset: dg.AssetKey) -> Mapping[str | None, Materialized]:
        wanted: dg.AssetKey | dg.AssetRecordsFilter = asset
        count = 1
        if asset in self.partitioned:
            places = self._instance.get_latest_storage_id_by_partition(
                asset, dg.DagsterEventType.ASSET_MATERIALIZATION
            )
            if not places:
                return {}
            wanted = dg.AssetRecordsFilter(asset, storage_ids=list(places.values()))
            count = len(places)
        return {
            record.partition_key: Materialized(
                place=record.storage_id,
                time=record.timestamp,
                run_id=record.run_id,
                tags=dict(record.asset_materialization.tags or {}),
                numbers=_numbers(record.asset_materialization),
            )
            for record in self._instance.fetch_materializations(wanted, limit=count).records
            if record.asset_materialization is not None
        }

    def _is_made_from_current(
        self, made: Materialized, source: dg.AssetKey, partition: str | None
    ) -> bool:
        """Tell whether an input is still what a result was made from."""
        name = source.to_user_string()
        available = self.latest(source)
        if source in self.partitioned and partition is None:
            read_up_to = made.tags.get(f"{INPUT_PLACE}/{name}", "")
            places = (current.place for current in available.values())
            return read_up_to.isdecimal() and max(places, default=0) <= int(read_up_to)
        current = available.get(partition if source in self.partitioned else None)
        if current is None:
            return False
        version = current.tags.get(DATA_VERSION, "")
        if source in self.partitioned:
            version = digest_of_versions([version])
        return made.tags.get(f"{INPUT_DATA_VERSION}/{name}") == version


def _numbers(made: dg.AssetMaterialization) -> dict[str, float]:
    numeric = (dg.FloatMetadataValue, dg.IntMetadataValue)
    return {
        name: float(entry.value)
        for name, entry in made.metadata.items()
        if isinstance(entry, numeric) and entry.value is not None
    }


def digest_of_versions(versions: list[str]) -> str:
    """Return what Dagster records as the data version of several partitions of an input.

    Parameters
    ----------
    versions : list of str
        Data versions of the partitions, in the order of their keys.

    Returns
    -------
    str
        64 hexadecimal digits.
    """
    return hashlib.sha256("".join(versions).encode()).hexdigest()


MANIFEST_SHA256 = "manifest_sha256"
"""Metadata of models: hash of the manifest, which names every model file with its hash."""

SEARCHED = 1000
"""Materializations of a partition that are searched for that of an old version."""


class EventLog:
    """Looks up the latest materialization of a result, whichever run or rollback reported it.

    Parameters
    ----------
    instance : DagsterInstance
        Whose event log is read; what other instances materialized is not known to it.
    """

    def __init__(self, instance: dg.DagsterInstance) -> None:
        self._instance = instance

    def __call__(self, address: Address) -> Attestation | None:
        """Return what was recorded of a result last; None where it never was."""
        found = self.materializations(address, limit=1)
        return attestation_of(found[0]) if found else None

    def materializations(self, address: Address, *, limit: int) -> list[dg.AssetMaterialization]:
        """Return the materializations of a result, the latest first."""
        partitions = None
        if address.horizon is not None and address.model is not None:
            partitions = [Partition(address.horizon, address.model).key]
        wanted = dg.AssetRecordsFilter(
            dg.AssetKey([address.region, address.asset]), asset_partitions=partitions
        )
        records = self._instance.fetch_materializations(wanted, limit=limit).records
        return [made for record in records if (made := record.asset_materialization) is not None]


def attestation_of(made: dg.AssetMaterialization) -> Attestation:
    """Return what a materialization says of the result."""
    manifest = made.metadata.get(MANIFEST_SHA256)
    return Attestation(
        data_version=(made.tags or {}).get(DATA_VERSION, ""),
        manifest_sha256=str(manifest.value) if manifest is not None else "",
    )
