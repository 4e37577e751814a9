"""What Dagster recorded of results, and which of them are missing or outdated."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import dagster as dg

from model2_assets.config.partition import Partition
from model2_assets.storage import Address, Store
from model2_assets.storage.record import Attestation

if TYPE_CHECKING:
    import pandas as pd

# Tags of Dagster, which exports no names for them; a test pins them.
PARTITION_TAG = "dagster/partition"
CODE_VERSION = "dagster/code_version"
DATA_VERSION = "dagster/data_version"
INPUT_DATA_VERSION = "dagster/input_data_version"
INPUT_POINTER = "dagster/input_event_pointer"
"""Followed by the input's key: the place in the event log up to which the input was read."""

MANIFEST_SHA256 = "manifest_sha256"
"""Metadata of models: hash of the manifest, which names every model file with its hash."""

SEARCHED = 1000
"""Materializations of a partition that are searched for that of an old version."""

Target = tuple[dg.AssetKey, str | None]
"""An asset and its partition; None where it has none."""


@dataclass(frozen=True)
class Results:
    """The latest materialization of every asset and partition of a region, looked up once."""

    instance: dg.DagsterInstance
    specs: Mapping[dg.AssetKey, dg.AssetSpec]
    partition_keys: Sequence[str]
    _found: dict[Target, dg.EventLogRecord | None] = field(default_factory=dict, repr=False)

    def latest(self, asset: dg.AssetKey, partition: str | None = None) -> dg.EventLogRecord | None:
        """Return the latest materialization; None where there is none."""
        if (asset, partition) not in self._found:
            records = _materializations(self.instance, asset, partition)
            self._found[asset, partition] = next(iter(records), None)
        return self._found[asset, partition]

    def problem(
        self, asset: dg.AssetKey, partition: str | None = None, any_code_of: Collection[str] = ()
    ) -> str | None:
        """Say in a phrase why a result is not current; results of some runs may be of any code."""
        name, spec = asset.path[-1], self.specs[asset]
        made = self.latest(asset, partition)
        if made is None:
            return f"{name} is missing"
        same_code = _tags(made).get(CODE_VERSION) == spec.code_version
        if not same_code and made.run_id not in any_code_of:
            return f"{name} was made by other code or settings"
        for source in self._inputs_of(asset):
            if not self._is_made_from_current(made, source, partition):
                return f"{name} was made from another version of {source.path[-1]}"
        return None

    def _inputs_of(self, asset: dg.AssetKey) -> list[dg.AssetKey]:
        """Return the inputs of an asset, in the order of the graph."""
        keys = {dep.asset_key for dep in self.specs[asset].deps}
        return [key for key in self.specs if key in keys]

    def is_partitioned(self, asset: dg.AssetKey) -> bool:
        """Tell whether an asset has horizon × model partitions."""
        return self.specs[asset].partitions_def is not None

    def partitions_of(self, asset: dg.AssetKey) -> Sequence[str | None]:
        """Return the keys of an asset's partitions; None alone where it has none."""
        return self.partition_keys if self.is_partitioned(asset) else (None,)

    def _is_made_from_current(
        self, made: dg.EventLogRecord, source: dg.AssetKey, partition: str | None
    ) -> bool:
        name, tags = source.to_user_string(), _tags(made)
        if not self.is_partitioned(source):
            current = self.latest(source)
            version = tags.get(f"{INPUT_DATA_VERSION}/{name}")
            return current is not None and _tags(current).get(DATA_VERSION) == version
        # Of partitions, Dagster records a digest of versions, and how far it had read.
        read_up_to = tags.get(f"{INPUT_POINTER}/{name}", "")
        keys = self.partition_keys if partition is None else (partition,)
        return read_up_to.isdecimal() and all(
            self._is_as_it_was(source, key, int(read_up_to)) for key in keys
        )

    def _is_as_it_was(self, source: dg.AssetKey, partition: str, read_up_to: int) -> bool:
        current = self.latest(source, partition)
        if current is None or current.storage_id <= read_up_to:
            return True
        before = _materializations(self.instance, source, partition, before=read_up_to + 1)
        version = _tags(current).get(DATA_VERSION)
        return [_tags(record).get(DATA_VERSION) for record in before] == [version]


def _materializations(
    instance: dg.DagsterInstance,
    asset: dg.AssetKey,
    partition: str | None,
    *,
    limit: int = 1,
    before: int | None = None,
) -> Sequence[dg.EventLogRecord]:
    """Return materializations, the latest first."""
    partitions = None if partition is None else [partition]
    wanted = dg.AssetRecordsFilter(asset, asset_partitions=partitions, before_storage_id=before)
    return instance.fetch_materializations(wanted, limit=limit).records


def outdated(
    results: Results,
    stage: Sequence[dg.AssetKey],
    partition: str | None,
    any_code_of: Collection[str] = (),
) -> dict[dg.AssetKey, str]:
    """Return the assets of a stage that have to be made, and why.

    They are missing, made by other code or from other inputs, or follow such a one in the
    stage: what one run makes of one partition, in the order of the graph.
    """
    found: dict[dg.AssetKey, str] = {}
    for asset in stage:
        before = next((dep for dep in results.specs[asset].deps if dep.asset_key in found), None)
        problem = results.problem(asset, partition, any_code_of)
        if problem is not None:
            found[asset] = problem
        elif before is not None:
            found[asset] = f"{asset.path[-1]} follows {before.asset_key.path[-1]}"
    return found


def partition_problems(results: Results) -> dict[str, str]:
    """Return the first thing wrong with each partition, by its key; empty where all is current.

    What is wrong with an asset that all partitions share is wrong with each.
    """
    assets = list(results.specs)
    partitioned = [asset for asset in assets if results.is_partitioned(asset)]
    shared = assets[: assets.index(partitioned[0])]  # in the order of the graph
    for_all = next(iter(outdated(results, shared, None).values()), None)
    problems = {
        key: for_all or next(iter(outdated(results, partitioned, key).values()), None)
        for key in results.partition_keys
    }
    return {key: problem for key, problem in problems.items() if problem is not None}


def recorded_costs(results: Results) -> "pd.DataFrame":
    """Return what the latest materialization of every asset and partition cost.

    A row for each, also if it was never made, of `model2_assets.training.resources.COLUMNS`;
    NaN where the event log does not know.
    """
    import pandas as pd

    from model2_assets.training.resources import COLUMNS

    rows = []
    for key in results.specs:
        for partition in results.partitions_of(key):
            costs = _numbers(results.latest(key, partition))
            peaks = [costs[name] for name in ("peak_rss_mb", "io_peak_rss_mb") if name in costs]
            seconds = {name: costs.get(name) for name in COLUMNS if name.endswith("seconds")}
            of = {"asset": key.path[-1], "partition": partition or ""}
            rows.append({**of, **seconds, "peak_rss_mb": max(peaks, default=None)})
    return pd.DataFrame(rows, columns=list(COLUMNS)).astype(dict.fromkeys(COLUMNS[2:], "float64"))


def _tags(record: dg.EventLogRecord) -> Mapping[str, str]:
    made = record.asset_materialization
    return (made.tags or {}) if made is not None else {}


def _numbers(record: dg.EventLogRecord | None) -> dict[str, float]:
    made = record.asset_materialization if record is not None else None
    numeric = (dg.FloatMetadataValue, dg.IntMetadataValue)
    return {
        name: float(entry.value)
        for name, entry in (made.metadata.items() if made is not None else ())
        if isinstance(entry, numeric) and entry.value is not None
    }


@dataclass(frozen=True)
class EventLog:
    """Looks up materializations of a result, whichever run or rollback reported them.

    What other instances materialized is not known to it.
    """

    instance: dg.DagsterInstance

    def __call__(self, address: Address) -> Attestation | None:
        """Return what was recorded of a result last; None where it never was."""
        found = self.materializations(address, limit=1)
        return attestation_of(found[0]) if found else None

    def materializations(self, address: Address, *, limit: int) -> list[dg.AssetMaterialization]:
        """Return the materializations of a result, the latest first."""
        records = self._records(address, limit)
        return [made for record in records if (made := record.asset_materialization) is not None]

    def made_at(self, store: Store, address: Address, version: str) -> datetime | None:
        """Return when this very version of stored models was made, or a rollback brought it back.

        Where the instance does not know it, the time of its manifest; None where the file
        system keeps none.
        """
        for record in self._records(address, limit=20):
            if _tags(record).get(DATA_VERSION) == version:
                return datetime.fromtimestamp(record.timestamp, tz=UTC)
        return _time_of_manifest(store, address)

    def _records(self, address: Address, limit: int) -> Sequence[dg.EventLogRecord]:
        partition = None
        if address.horizon is not None and address.model is not None:
            partition = Partition(address.horizon, address.model).key
        key = dg.AssetKey([address.region, address.asset])
        return _materializations(self.instance, key, partition, limit=limit)


def attestation_of(made: dg.AssetMaterialization) -> Attestation:
    """Return what a materialization says of the result."""
    manifest = made.metadata.get(MANIFEST_SHA256)
    return Attestation(
        data_version=(made.tags or {}).get(DATA_VERSION, ""),
        manifest_sha256=str(manifest.value) if manifest is not None else "",
    )


def _time_of_manifest(store: Store, address: Address) -> datetime | None:
    from model2_assets.storage.models import MANIFEST_NAME

    path = store.path(address) / MANIFEST_NAME
    try:
        moment: datetime = path.fs.modified(path.path)
    except (NotImplementedError, OSError):
        return None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
