"""The whole configuration, and what its sections have to agree on."""

from functools import cached_property
from typing import Annotated, Self

from pydantic import Field, model_validator

from model2_assets.config._alerts import AlertsConfig
from model2_assets.config._checks import ChecksConfig
from model2_assets.config._output import LoggingConfig, ReportsConfig, StorageConfig
from model2_assets.config._region import ModelConfig, RegionConfig
from model2_assets.config._running import ExecutionConfig, ScheduleConfig
from model2_assets.config._section import Section
from model2_assets.config._types import Name
from model2_assets.errors import ConfigError


class Model2Config(Section):
    """The whole configuration."""

    regions: Annotated[dict[Name, RegionConfig], Field(min_length=1)] = Field(
        default_factory=lambda: {"us": RegionConfig()}
    )
    models: Annotated[dict[Name, ModelConfig], Field(min_length=1)]
    checks: ChecksConfig = Field(default_factory=ChecksConfig)
    execution: ExecutionConfig = Field(default_factory=ExecutionConfig)
    schedule: ScheduleConfig = Field(default_factory=ScheduleConfig)
    storage: StorageConfig = Field(default_factory=StorageConfig)
    reports: ReportsConfig = Field(default_factory=ReportsConfig)
    logging: LoggingConfig = Field(default_factory=LoggingConfig)
    alerts: AlertsConfig = Field(default_factory=AlertsConfig)

    @model_validator(mode="after")
    def _regions_know_their_models(self) -> Self:
        for name, region in self.regions.items():
            if isinstance(region.models, tuple):
                for model in region.models:
                    if model not in self.models:
                        raise ValueError(
                            f"regions.{name}.models: unknown model {model!r}; "
                            f"known: {', '.join(self.models)}"
                        )
            if region.models is not None and not region.models:
                raise ValueError(f"regions.{name}.models: name at least one model, or leave it out")
        return self

    @model_validator(mode="after")
    def _overrides_know_their_horizons(self) -> Self:
        for region_name, region in self.regions.items():
            for model_name, model in self.models_of(region_name).items():
                unknown = sorted(set(model.overrides) - set(self._horizon_keys_of_all_regions))
                if unknown:
                    raise ValueError(
                        f"models.{model_name}.overrides: no region has horizon {unknown[0]!r}; "
                        f"region {region_name} has {', '.join(region.labels.horizon_keys)}"
                    )
        return self

    @cached_property
    def _horizon_keys_of_all_regions(self) -> frozenset[str]:
        return frozenset(
            key for region in self.regions.values() for key in region.labels.horizon_keys
        )

    @property
    def trainers(self) -> frozenset[str]:
        """Import paths of the trainers of all models of all regions."""
        return frozenset(
            model.trainer for region in self.regions for model in self.models_of(region).values()
        )

    def region(self, name: str) -> RegionConfig:
        """Return a region by name.

        Raises
        ------
        ConfigError
            If there is none of that name.
        """
        if name not in self.regions:
            raise ConfigError(f"unknown region {name!r}; known: {', '.join(self.regions)}")
        return self.regions[name]

    def models_of(self, region: str) -> dict[str, ModelConfig]:
        """Return the models of a region, by name, in the order of the configuration."""
        chosen = self.region(region).models
        if isinstance(chosen, dict):
            return dict(chosen)
        return {name: self.models[name] for name in (chosen or self.models)}
