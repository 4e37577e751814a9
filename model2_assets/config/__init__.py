"""Everything that a user can set: typed, validated, with units.

One YAML file, named by ``MODEL2_CONFIG`` or on the command line, gives what differs
from the defaults. Its ``regions`` replace the default region; its ``models`` are merged
over the default models, and a ``null`` removes one.
"""

from model2_assets.config.load import (
    CONFIG_VARIABLE,
    MAX_YAML_VALUES,
    load_config,
    parse_config,
    parse_section,
)
from model2_assets.config.region import (
    MARKET_DATA_COLUMNS,
    MAX_SPLITS,
    CrossValidationConfig,
    FeaturesConfig,
    LabelsConfig,
    MarketDataConfig,
    Model2Config,
    ModelConfig,
    RegionConfig,
)
from model2_assets.config.sections import (
    AlertsConfig,
    ChecksConfig,
    EmailConfig,
    ExecutionConfig,
    LoggingConfig,
    ReportsConfig,
    ScheduleConfig,
    SlackConfig,
    StorageConfig,
)

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
