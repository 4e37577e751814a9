"""Everything that a user can set: typed, validated, with units.

One YAML file, named by ``MODEL2_CONFIG`` or on the command line, gives what differs
from the defaults. Its ``regions`` replace the default region; its ``models`` are merged
over the default models, and a ``null`` removes one.
"""

from model2_assets.config.load import CONFIG_VARIABLE, load_config, parse_config
from model2_assets.config.partition import Partition
from model2_assets.config.region import (
    CrossValidationConfig,
    ExtraFeaturesConfig,
    FeaturesConfig,
    LabelsConfig,
    MarketDataConfig,
    Model2Config,
    ModelConfig,
    RegionConfig,
    TableSource,
)
from model2_assets.config.sections import ChecksConfig, ExecutionConfig

__all__ = [
    "CONFIG_VARIABLE",
    "ChecksConfig",
    "CrossValidationConfig",
    "ExecutionConfig",
    "ExtraFeaturesConfig",
    "FeaturesConfig",
    "LabelsConfig",
    "MarketDataConfig",
    "Model2Config",
    "ModelConfig",
    "Partition",
    "RegionConfig",
    "TableSource",
    "load_config",
    "parse_config",
]
