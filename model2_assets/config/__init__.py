"""Everything that a user can set: typed, validated, with units.

One YAML file, named by ``MODEL2_CONFIG`` or on the command line, gives what differs
from the defaults. Its ``regions`` replace the default region; its ``models`` are merged
over the default models, and a ``null`` removes one.
"""

from model2_assets.config._alerts import AlertsConfig, EmailConfig, SlackConfig
from model2_assets.config._checks import ChecksConfig
from model2_assets.config._cross_validation import MAX_SPLITS, CrossValidationConfig
from model2_assets.config._features import FeaturesConfig
from model2_assets.config._labels import LabelsConfig
from model2_assets.config._load import load_config, parse_config, parse_section
from model2_assets.config._market_data import MARKET_DATA_COLUMNS, MarketDataConfig
from model2_assets.config._model2 import Model2Config
from model2_assets.config._output import LoggingConfig, ReportsConfig, StorageConfig
from model2_assets.config._region import ModelConfig, RegionConfig
from model2_assets.config._running import ExecutionConfig, ScheduleConfig
from model2_assets.config._yaml import CONFIG_VARIABLE, MAX_YAML_VALUES

__all__ = [
    "CONFIG_VARIABLE",
    "MARKET_DATA_COLUMNS",
    "MAX_SPLITS",
    "MAX_YAML_VALUES",
    "AlertsConfig",
    "ChecksConfig",
    "CrossValidationConfig",
    "EmailConfig",
    "ExecutionConfig",
    "FeaturesConfig",
    "LabelsConfig",
    "LoggingConfig",
    "MarketDataConfig",
    "Model2Config",
    "ModelConfig",
    "RegionConfig",
    "ReportsConfig",
    "ScheduleConfig",
    "SlackConfig",
    "StorageConfig",
    "load_config",
    "parse_config",
    "parse_section",
]
