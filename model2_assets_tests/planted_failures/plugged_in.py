"""Builders and a splitter of a team's own, each with one fault that a check has to find."""

import pandas as pd

from model2_assets.config import FeaturesConfig, LabelsConfig
from model2_assets.labels import build_labels_from_config
from model2_assets_tests.defs.plugged_in import momentum_features


def endless_labels(panel: pd.DataFrame, config: LabelsConfig) -> pd.DataFrame:
    """Return labels of which the first do not say how far they look ahead."""
    labels = build_labels_from_config(panel, config)
    for horizon in config.horizon_keys:
        labels.iloc[0, labels.columns.get_loc(f"label_end_{horizon}")] = pd.NaT
    return labels


def infinite_features(panel: pd.DataFrame, config: FeaturesConfig) -> pd.DataFrame:
    """Return features of which one value is infinite."""
    features = momentum_features(panel, config)
    features.iloc[5, 0] = float("inf")
    return features
