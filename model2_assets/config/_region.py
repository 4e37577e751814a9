"""A region, and the base models that it trains."""

from typing import Any, Literal

from pydantic import Field

from model2_assets.config._cross_validation import CrossValidationConfig
from model2_assets.config._features import FeaturesConfig
from model2_assets.config._labels import LabelsConfig
from model2_assets.config._market_data import MarketDataConfig
from model2_assets.config._section import Section
from model2_assets.config._types import ImportPath, Name


class ModelConfig(Section):
    """One named base model."""

    trainer: ImportPath = Field(description="class derived from BaseModelTrainer")
    params: dict[str, Any] = Field(default_factory=dict, description="hyper-parameters")
    seed: int = Field(
        default=7, ge=0, lt=2**31, description="seed of every random draw of the model"
    )
    overrides: dict[str, dict[str, Any]] = Field(
        default_factory=dict, description="per horizon, such as 63d: parameters that differ there"
    )
    sample_weights: Literal["none", "uniqueness"] = Field(
        default="none",
        description="uniqueness: train rows weigh by how little their labels overlap others",
    )


class RegionConfig(Section):
    """A market with its own data, calendar and asset key prefix."""

    market_data: MarketDataConfig = Field(default_factory=MarketDataConfig)
    labels: LabelsConfig = Field(default_factory=LabelsConfig)
    features: FeaturesConfig = Field(default_factory=FeaturesConfig)
    cross_validation: CrossValidationConfig = Field(default_factory=CrossValidationConfig)
    models: tuple[Name, ...] | dict[Name, ModelConfig] | None = Field(
        default=None,
        description="names out of the top-level models, or models of this region's own",
    )
