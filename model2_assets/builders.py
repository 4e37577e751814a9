"""Labels and features by our builders, or by those that the configuration names."""

from collections.abc import Callable
from typing import Any

import pandas as pd

from model2_assets.config import FeaturesConfig, LabelsConfig
from model2_assets.errors import ConfigError, Model2Error
from model2_assets.features import build_features_from_config
from model2_assets.import_path import load_object
from model2_assets.labels import build_labels_from_config
from model2_assets.panel import to_canonical


def make_labels(panel: pd.DataFrame, config: LabelsConfig) -> pd.DataFrame:
    """Build labels with ``labels.builder``, or ours where it is not set.

    Parameters
    ----------
    panel : DataFrame of shape (n_rows, n_columns)
        The market data.
    config : LabelsConfig
        Handed to the builder; ``config.params`` are free for settings of its own.

    Returns
    -------
    DataFrame of shape (n_labels, 3 * n_horizons)
        In canonical order.

    Raises
    ------
    ConfigError
        If the builder cannot be imported or does not return a table.
    """
    return _build(build_labels_from_config, panel, config, "labels.builder")


def make_features(panel: pd.DataFrame, config: FeaturesConfig) -> pd.DataFrame:
    """Build features with ``features.builder``, or ours where it is not set.

    Parameters
    ----------
    panel : DataFrame of shape (n_rows, n_columns)
        The market data.
    config : FeaturesConfig
        Handed to the builder; ``config.params`` are free for settings of its own.

    Returns
    -------
    DataFrame of shape (n_feature_rows, n_features), float32
        In canonical order.

    Raises
    ------
    ConfigError
        If the builder cannot be imported or does not return a table.
    """
    return _build(build_features_from_config, panel, config, "features.builder")


def _build(
    ours: Callable[..., pd.DataFrame],
    panel: pd.DataFrame,
    config: LabelsConfig | FeaturesConfig,
    key: str,
) -> pd.DataFrame:
    builder: Callable[..., Any] = load_object(config.builder, key=key) if config.builder else ours
    try:
        table = builder(panel, config)
    except Model2Error:
        raise
    except Exception as error:
        name = config.builder or "our own builder"
        raise ConfigError(f"{key}: {name} failed: {type(error).__name__}: {error}") from error
    if not isinstance(table, pd.DataFrame) or set(table.index.names) != {"instrument", "datetime"}:
        raise ConfigError(
            f"{key}: {config.builder} must return a DataFrame indexed by (instrument, datetime)"
        )
    ordered = table.reorder_levels(["instrument", "datetime"])
    ordered.attrs = table.attrs
    return to_canonical(ordered)
