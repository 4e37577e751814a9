"""Labels and features by our builders, or by those that the configuration names."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from model2_assets.config import FeaturesConfig, LabelsConfig
from model2_assets.errors import ConfigError, FeatureError, LabelError, Model2Error
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
    LabelError
        If all labels of a horizon are equal: a model would predict them perfectly, having
        learned nothing. Excess returns of a single instrument are all 0.
    """
    labels = _build(build_labels_from_config, panel, config, "labels.builder")
    for horizon in config.horizon_keys:
        _refuse_equal_labels(labels, f"label_{horizon}")
    return labels


def _refuse_equal_labels(labels: pd.DataFrame, name: str) -> None:
    named = labels.loc[:, labels.columns == name]
    if named.shape[1] != 1 or not pd.api.types.is_numeric_dtype(named.dtypes.iloc[0]):
        return  # the contract says so
    known = labels[name].dropna()
    dates = known.index.get_level_values("datetime")
    if dates.nunique() < 2 or np.ptp(known.to_numpy(dtype=np.float64)) > 0:
        return
    cause = "prices never move, or all move alike: correct them"
    if dates.is_unique:
        cause = "no date has more than one instrument: give more, or set labels.excess to false"
    raise LabelError(
        f"labels: all {len(known):,} values of {name} are {known.iloc[0]:g} bps, which leaves "
        f"nothing to learn; {cause}"
    )


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
    FeatureError
        If no feature has a value.
    """
    features = _build(build_features_from_config, panel, config, "features.builder")
    columns = range(features.shape[1])
    if features.size and all(features.iloc[:, column].isna().all() for column in columns):
        raise FeatureError(
            f"features: none of {features.shape[1]} features has a value in any of "
            f"{len(features):,} rows; correct the prices or features.builder"
        )
    return features


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
