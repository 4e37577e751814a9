"""Feature builders that look ahead, each in a way of its own, and some that do not."""

import pandas as pd

from model2_assets.config import FeaturesConfig
from model2_assets.features import build_features_from_config


def honest(panel: pd.DataFrame, config: FeaturesConfig) -> pd.DataFrame:
    """Return yesterday's return and the bar's age, missing where there is none."""
    close = panel["close"].groupby(level="instrument")
    columns = {"reversal": close.pct_change(fill_method=None), "age": close.cumcount()}
    return pd.DataFrame(columns, index=panel.index).astype("float32")


def next_bar(panel: pd.DataFrame, config: FeaturesConfig) -> pd.DataFrame:
    ahead = panel["close"].groupby(level="instrument").shift(-1) / panel["close"] - 1
    return honest(panel, config).assign(ahead=ahead.fillna(0.0).astype("float32"))


def only_rows_with_a_future(panel: pd.DataFrame, config: FeaturesConfig) -> pd.DataFrame:
    ahead = panel["close"].groupby(level="instrument").shift(-5) / panel["close"] - 1
    return honest(panel, config).assign(ahead=ahead.astype("float32")).dropna()


def scaled_by_full_history(panel: pd.DataFrame, config: FeaturesConfig) -> pd.DataFrame:
    features = honest(panel, config)
    by_name = features["reversal"].groupby(level="instrument")
    return features.assign(reversal=features["reversal"] / by_name.transform("std"))


def gaps_filled_from_the_future(panel: pd.DataFrame, config: FeaturesConfig) -> pd.DataFrame:
    volume = panel["volume"].groupby(level="instrument").bfill()
    return honest(panel, config).assign(volume=volume.astype("float32"))


def features_of_the_last_year(panel: pd.DataFrame, config: FeaturesConfig) -> pd.DataFrame:
    last = panel.index.get_level_values("datetime").max()
    return honest(panel, config).rename(columns={"age": f"age_in_{last.year}"})


def needs_long_history(panel: pd.DataFrame, config: FeaturesConfig) -> pd.DataFrame:
    if panel.index.get_level_values("datetime").nunique() < 150:
        raise ValueError("too short")
    return honest(panel, config)


def ours(panel: pd.DataFrame, config: FeaturesConfig) -> pd.DataFrame:
    return build_features_from_config(panel, config.model_copy(update={"builder": None}))
