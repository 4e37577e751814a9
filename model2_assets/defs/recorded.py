"""What Dagster recorded of results, and which of them are missing or outdated."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import dagster as dg

from model2_assets.config.partition import Partition
from model2_assets.storage import PRODUCTS, Address
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

MODEL_SETTINGS = "model_settings"
"""Name of the asset that says what models are fitted with; no run makes it."""

Target = tuple[dg.AssetKey, str | None]
"""An asset and its partition; None where it has none."""


def address_of(asset: dg.AssetKey, partition: str | None = None) -> Address:
    """Return where the result of an asset and partition is."""
    return Address(*asset.path, *(Partition.parse(partition) if partition else ()))


def target_of(address: Address) -> Target:
    """Return the asset and partition whose result is at an address."""
    key = dg.AssetKey([address.region, address.asset])
    if address.horizon is None or address.model is None:
        return key, None
    return key, Partition(address.horizon, address.model).key


@dataclass(frozen=True)
class EventLog:
    """Looks up materializations of a result, whichever run or rollback reported them.

    What other instances materialized is not known to it.
    """

    instance: dg.DagsterInstance

    def __call__(self, address: Address) -> Attestation | None:
        """Return what was recorded of a result last; None where it never was."""
        record = self.latest(*target_of(address))
        return attestation_of(record) if record is not None else None

    def latest(self, asset: dg.AssetKey, partition: str | None = None) -> dg.EventLogRecord | None:
        """Return the latest materialization; None where there is none."""
        return next(iter(self.materializations(asset, partition)), None)

    def materializations(
        self,
        asset: dg.AssetKey,
        partition: str | None = None,
        *,
        limit: int = 1,
        before: int | None = None,
    ) -> Sequence[dg.EventLogRecord]:
        """Return the latest materializations, of those before a place in the log; newest first.

        Of the settings of models, which no run makes, they are observations.
        """
        partitions = None if partition is None else [partition]
        wanted = dg.AssetRecordsFilter(asset, asset_partitions=partitions, before_storage_id=before)
        if asset.path[-1] == MODEL_SETTINGS:
            return self.instance.fetch_observations(wanted, limit=limit).records
        return self.instance.fetch_materializations(wanted, limit=limit).records


def tags_of(record: dg.EventLogRecord | None) -> Mapping[str, str]:
    """Return the tags of a materialization or observation; none of one that is not there."""
    if record is None:
        return {}
    made = record.asset_materialization or record.event_log_entry.asset_observation
    return (made.tags or {}) if made is not None else {}


def attestation_of(record: dg.EventLogRecord) -> Attestation:
    """Return what a materialization says of the result."""
    made = record.asset_materialization
    manifest = made.metadata.get(MANIFEST_SHA256) if made is not None else None
    return Attestation(
        data_version=tags_of(record).get(DATA_VERSION, ""),
        manifest_sha256=str(manifest.value) if manifest is not None else "",
    )


@dataclass(frozen=True)
class Results:
    """The latest materialization of every asset and partition of a region, looked up once.

    `settings` has the digest of what each partition's models are to be fitted with, by its key.

    What the runs `of_any_code` made is current whatever the code: a run loads the code anew, and
    this process may know that of before an edit.
    """

    log: EventLog
    specs: Mapping[dg.AssetKey, dg.AssetSpec]
    settings: Mapping[str, str]
    of_any_code: Collection[str] = ()
    _found: dict[Target, dg.EventLogRecord | None] = field(default_factory=dict, repr=False)

    @property
    def partition_keys(self) -> Sequence[str]:
        """Keys of the partitions, in the order of the configuration."""
        return list(self.settings)

    def latest(self, asset: dg.AssetKey, partition: str | None = None) -> dg.EventLogRecord | None:
        """Return the latest materialization; None where there is none."""
        if (asset, partition) not in self._found:
            self._found[asset, partition] = self.log.latest(asset, partition)
        return self._found[asset, partition]

    def problem(self, asset: dg.AssetKey, partition: str | None = None) -> str | None:
        """Say in a phrase why a result is not current."""
        name, spec = asset.path[-1], self.specs[asset]
        made = self.latest(asset, partition)
        if made is None:
            return f"{name} is missing"
        sources = self._inputs_of(asset)
        is_loaded_anew = made.run_id in self.of_any_code
        if not is_loaded_anew and tags_of(made).get(CODE_VERSION) != spec.code_version:
            return f"{name} was made by other code or settings"
        for source in sources:
            is_on_record = is_loaded_anew or self._is_on_record(source, partition)
            if not (is_on_record and self._is_made_from_current(made, source, partition)):
                if source.path[-1] == MODEL_SETTINGS:
                    return f"{name} was made with other settings of the model"
                return f"{name} was made from another version of {source.path[-1]}"
        return None

    def _inputs_of(self, asset: dg.AssetKey) -> list[dg.AssetKey]:
        """Return the inputs of an asset, in the order of the graph."""
        keys = [dep.asset_key for dep in self.specs[asset].deps]
        external = [key for key in keys if key not in self.specs]
        return external + [key for key in self.specs if key in keys]

    def is_partitioned(self, asset: dg.AssetKey) -> bool:
        """Tell whether an asset has horizon × model partitions."""
        return asset not in self.specs or self.specs[asset].partitions_def is not None

    def partitions_of(self, asset: dg.AssetKey) -> Sequence[str | None]:
        """Return the keys of an asset's partitions; None alone where it has none."""
        return self.partition_keys if self.is_partitioned(asset) else (None,)

    def _is_on_record(self, source: dg.AssetKey, partition: str | None) -> bool:
        """Tell whether settings that a run reported last are those at hand."""
        if partition is None or source.path[-1] != MODEL_SETTINGS:
            return True
        version = tags_of(self.latest(source, partition)).get(DATA_VERSION)
        return version == self.settings[partition]

    def _is_made_from_current(
        self, made: dg.EventLogRecord, source: dg.AssetKey, partition: str | None
    ) -> bool:
        name, tags = source.to_user_string(), tags_of(made)
        if not self.is_partitioned(source):
            version = tags.get(f"{INPUT_DATA_VERSION}/{name}")
            return version == tags_of(self.latest(source)).get(DATA_VERSION, "")
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
        before = self.log.materializations(source, partition, before=read_up_to + 1)
        version = tags_of(current).get(DATA_VERSION)
        return [tags_of(record).get(DATA_VERSION) for record in before] == [version]


def outdated(
    results: Results,
    stage: Sequence[dg.AssetKey],
    partition: str | None,
    *,
    is_stored: Callable[[Address], bool] | None = None,
) -> dict[dg.AssetKey, str]:
    """Return the assets of a stage that have to be made, and why.

    They are missing, in the log or where `is_stored` looks, made by other code or from other
    inputs, or follow such a one in the stage: what one run makes of one partition, in the order
    of the graph.
    """
    found: dict[dg.AssetKey, str] = {}
    for asset in stage:
        before = next((dep for dep in results.specs[asset].deps if dep.asset_key in found), None)
        name, problem = asset.path[-1], results.problem(asset, partition)
        if problem is None and is_stored and name in PRODUCTS:
            is_there = is_stored(address_of(asset, partition))
            problem = None if is_there else f"{name} is missing"
        if problem is not None:
            found[asset] = problem
        elif before is not None:
            found[asset] = f"{name} follows {before.asset_key.path[-1]}"
    return found


def partition_problems(results: Results) -> dict[str, str]:
    """Return the first thing wrong with each partition, by its key; empty where all is current.

    What is wrong with an asset that all partitions share is wrong with each. What is not stored
    outdates nothing.
    """
    assets = [asset for asset in results.specs if asset.path[-1] in PRODUCTS]
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


def _numbers(record: dg.EventLogRecord | None) -> dict[str, float]:
    made = record.asset_materialization if record is not None else None
    numeric = (dg.FloatMetadataValue, dg.IntMetadataValue)
    return {
        name: float(entry.value)
        for name, entry in (made.metadata.items() if made is not None else ())
        if isinstance(entry, numeric) and entry.value is not None
    }
