"""One region of the configuration: its name, its partitions, its jobs."""

import warnings
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

import dagster as dg

from model2_assets.config import Model2Config, RegionConfig
from model2_assets.config.partition import Partition
from model2_assets.defs.code_version import code_version
from model2_assets.defs.recorded import PARTITION_TAG, EventLog, Results
from model2_assets.storage import Store

HORIZON, MODEL = "horizon", "model"
"""Dimensions of the partitions; Dagster orders them by name, so keys read ``21d|ridge``."""


def dimension_tags(partition: str) -> dict[str, str]:
    """Return the tags by which Dagster knows horizon and model of a run or a result."""
    horizon, model = Partition.parse(partition)
    return {f"{PARTITION_TAG}/{HORIZON}": horizon, f"{PARTITION_TAG}/{MODEL}": model}


IO_MANAGER_KEY = "store"
ACCEPTED_PREVIEWS = {
    "Specifying a partitions_def on an AssetCheckSpec is currently in preview": dg.PreviewWarning,
    "Parameter `execution_type` of function `AssetsDefinition.__init__`": dg.BetaWarning,
}
"""Starts of the warnings' messages, and their kinds.

Check results per partition need the first: without, the result of the last partition
overwrites the others'. The second is Dagster's own doing where a check is given a hook.
"""


@contextmanager
def accepted_previews() -> Iterator[None]:
    """Silence the warnings of the accepted previews, and no others."""
    with warnings.catch_warnings():
        for message, category in ACCEPTED_PREVIEWS.items():
            warnings.filterwarnings("ignore", message=message, category=category)
        yield


Stage = Literal["preparation", "training", "summary"]
STAGES: tuple[Stage, ...] = ("preparation", "training", "summary")
"""What all models share; horizon × model partitions; what puts all partitions side by side."""


def job_name(region: str, stage: Stage) -> str:
    """Return the name of the job that makes a stage of a region."""
    return f"{region}_{stage}"


@dataclass(frozen=True)
class Region:
    """A region's name, which prefixes the keys of its assets, the whole configuration, the store.

    `specs` are its assets as declared, in the order of the graph; they come in as they are built.
    """

    name: str
    config: Model2Config
    store: Store
    specs: dict[dg.AssetKey, dg.AssetSpec] = field(default_factory=dict, repr=False, compare=False)

    @property
    def settings(self) -> RegionConfig:
        """The region's own section of the configuration."""
        return self.config.region(self.name)

    @property
    def models(self) -> tuple[str, ...]:
        """Names of its models."""
        return tuple(self.config.models_of(self.name))

    @property
    def horizons(self) -> tuple[str, ...]:
        """Its horizons, such as ``21d``."""
        return tuple(self.settings.labels.horizon_keys)

    @cached_property
    def partitions(self) -> dg.MultiPartitionsDefinition:
        """Its horizon × model partitions."""
        return dg.MultiPartitionsDefinition(
            {
                HORIZON: dg.StaticPartitionsDefinition(list(self.horizons)),
                MODEL: dg.StaticPartitionsDefinition(list(self.models)),
            }
        )

    @property
    def partition_keys(self) -> tuple[str, ...]:
        """Keys of its partitions, horizon by horizon."""
        return tuple(each.key for each in self.config.partitions_of(self.name))

    @property
    def readers(self) -> tuple[str, ...]:
        """Names of its assets that read what may change unseen, and so are always made anew.

        None where the market data come with code.
        """
        source = self.settings.market_data
        if self.settings.features.extra:
            return ("market_data", "features")
        is_code = source.source in ("demo", "synthetic") and not source.universe
        return () if is_code else ("market_data",)

    def fit_settings(self, partition: Partition) -> dict[str, Any]:
        """Return what determines the fits of a partition besides data and code, as JSON has it."""
        model = self.config.models_of(self.name)[partition.model]
        params = {**model.params, **model.overrides.get(partition.horizon, {})}
        resolved = model.model_copy(update={"params": params, "overrides": {}})
        return {
            **resolved.model_dump(mode="json"),
            "profile": self.config.execution.profile,
            # Of inner folds, and of weights: splits and labels of one's own may not show them.
            "embargo_days": self.settings.cross_validation.embargo_days,
            "execution_lag_days": self.settings.labels.execution_lag_days,
        }

    @cached_property
    def settings_versions(self) -> dict[str, str]:
        """Digests of these by partition key; the code of a trainer of one's own counts."""
        partitions = self.config.partitions_of(self.name)
        return {each.key: code_version((), self.fit_settings(each)) for each in partitions}

    def key(self, asset: str) -> dg.AssetKey:
        """Return the key of one of its assets."""
        return dg.AssetKey([self.name, asset])

    def results(
        self, instance: dg.DagsterInstance, *, of_any_code: Collection[str] = ()
    ) -> Results:
        """Return what an instance recorded of its assets, which have to be built."""
        return Results(EventLog(instance), self.specs, self.settings_versions, of_any_code)
