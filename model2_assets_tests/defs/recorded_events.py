"""Materializations reported as Dagster records them, without making anything."""

import time
from collections.abc import Mapping

import dagster as dg
from dagster._core.events import StepMaterializationData
from dagster._core.instance.utils import RUNLESS_RUN_ID

from model2_assets.defs.model_settings import report_model_settings
from model2_assets.defs.recorded import (
    CODE_VERSION,
    DATA_VERSION,
    INPUT_DATA_VERSION,
    INPUT_POINTER,
    EventLog,
)
from model2_assets.defs.region import Region


class RecordedEvents:
    """Reports materializations of a region, with data versions of the test's choice.

    They are stamped with `now`, seconds since the epoch.
    """

    def __init__(self, instance: dg.DagsterInstance, region: Region) -> None:
        self.instance, self.region = instance, region
        self.specs = {key.path[-1]: spec for key, spec in region.specs.items()}
        self.now = time.time()
        self.versions: dict[tuple[str, str | None], str] = {}
        report_model_settings(instance, region)

    def make(
        self,
        name: str,
        partition: str | None = None,
        *,
        version: str = "1",
        run_id: str = RUNLESS_RUN_ID,
        metadata: Mapping[str, float | str] | None = None,
        **tags: str,
    ) -> None:
        spec = self.specs[name]
        recorded = {CODE_VERSION: spec.code_version or "", DATA_VERSION: version}
        for dep in spec.deps:
            recorded.update(self._read(dep.asset_key, partition))
        self.versions[name, partition] = version
        made = dg.AssetMaterialization(
            spec.key, partition=partition, tags={**recorded, **tags}, metadata=metadata
        )
        event = dg.DagsterEvent(
            dg.DagsterEventType.ASSET_MATERIALIZATION.value,
            job_name="recorded",
            event_specific_data=StepMaterializationData(made),
        )
        self.instance.report_dagster_event(event, run_id, timestamp=self.now)

    def make_all(self) -> None:
        for name, spec in self.specs.items():
            keys = self.region.partition_keys if spec.partitions_def is not None else (None,)
            for partition in keys:
                self.make(name, partition)

    def _read(self, key: dg.AssetKey, partition: str | None) -> dict[str, str]:
        name = key.path[-1]
        if name in self.specs and self.specs[name].partitions_def is None:
            version = self.versions[name, None]
        else:
            version = "a digest of versions"
        record = EventLog(self.instance).latest(key)
        assert record is not None
        place = {f"{INPUT_POINTER}/{key.to_user_string()}": str(record.storage_id)}
        return {f"{INPUT_DATA_VERSION}/{key.to_user_string()}": version, **place}
