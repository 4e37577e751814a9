"""Builders of labels: honest ones, and ones whose label ends come before what a label looks at."""

import numpy as np
import pandas as pd

from model2_assets.config import LabelsConfig
from model2_assets.labels import build_labels_from_config


def ours(panel: pd.DataFrame, config: LabelsConfig) -> pd.DataFrame:
    return build_labels_from_config(panel, config)


def raw(panel: pd.DataFrame, config: LabelsConfig) -> pd.DataFrame:
    """Return plain returns, each with the end of its own row: nothing looks further."""
    plain = config.model_copy(update={"excess": False, "winsorize": 0.0})
    return build_labels_from_config(panel, plain)


def excess_with_own_ends(panel: pd.DataFrame, config: LabelsConfig) -> pd.DataFrame:
    """Return labels that look at all rows of a date, with the end of each row alone."""
    labels, own = build_labels_from_config(panel, config), raw(panel, config)
    for key in config.horizon_keys:
        labels[f"label_end_{key}"] = own[f"label_end_{key}"].where(labels[f"label_{key}"].notna())
    return labels


def five_bars_past_the_end(panel: pd.DataFrame, config: LabelsConfig) -> pd.DataFrame:
    """Return labels over five bars more than their ends and the horizon say."""
    labels = build_labels_from_config(panel, config)
    longer = [horizon + 5 for horizon in config.horizons]
    further = build_labels_from_config(panel, config.model_copy(update={"horizons": longer}))
    for key, far in zip(config.horizon_keys, longer, strict=True):
        value = further[f"label_{far}d"].where(labels[f"label_{key}"].notna())
        labels[f"label_{key}"] = value
        labels[f"label_end_{key}"] = labels[f"label_end_{key}"].where(value.notna())
    return labels


def one_bar_early(panel: pd.DataFrame, config: LabelsConfig) -> pd.DataFrame:
    """Let each label end a date of the panel before ours does."""
    labels = build_labels_from_config(panel, config)
    dates = np.sort(panel.index.get_level_values("datetime").unique())
    for key in config.horizon_keys:
        end = labels[f"label_end_{key}"]
        before = dates[np.maximum(np.searchsorted(dates, end.dropna()) - 1, 0)]
        labels.loc[end.notna(), f"label_end_{key}"] = before
    return labels


def delistings_foreseen(panel: pd.DataFrame, config: LabelsConfig) -> pd.DataFrame:
    """Let labels end as if a name's last bar were known to be its last."""
    labels = build_labels_from_config(panel, config)
    bars = panel.index.get_level_values("datetime").to_series(index=panel.index)
    own = bars.groupby(level="instrument")
    for horizon, key in zip(config.horizons, config.horizon_keys, strict=True):
        exits = own.shift(-horizon - config.execution_lag_days).fillna(own.transform("max"))
        has_label = labels[f"label_{key}"].notna()
        latest = exits.reindex(labels.index)[has_label].groupby(level="datetime").transform("max")
        labels.loc[has_label, f"label_end_{key}"] = latest
    return labels


def summed_over_a_wide_table(panel: pd.DataFrame, config: LabelsConfig) -> pd.DataFrame:
    """Return honest excess returns; names are added up in another order than ours."""
    labels = build_labels_from_config(panel, config)
    for key in config.horizon_keys:
        wide = labels[f"forward_return_{key}"].unstack("instrument")  # noqa: PD010
        total = wide.fillna(0.0).to_numpy().sum(axis=1)
        mean = pd.Series(total / wide.notna().sum(axis=1), index=wide.index)
        dates = labels.index.get_level_values("datetime")
        labels[f"label_{key}"] = labels[f"forward_return_{key}"] - mean.reindex(dates).to_numpy()
    return labels


def without_the_last_dates(panel: pd.DataFrame, config: LabelsConfig) -> pd.DataFrame:
    """Return no rows of the last dates, of which some have labels that have ended."""
    labels = build_labels_from_config(panel, config)
    dates = labels.index.get_level_values("datetime")
    return labels[dates <= dates.unique().sort_values()[-30]]


def comebacks_foreseen(panel: pd.DataFrame, config: LabelsConfig) -> pd.DataFrame:
    """Let labels end as if a name that misses many dates were known to come back."""
    labels, own = build_labels_from_config(panel, config), raw(panel, config)
    for key in config.horizon_keys:
        end = own[f"label_end_{key}"].where(labels[f"label_{key}"].notna())
        latest = end.groupby(level="datetime").transform("max")
        labels[f"label_end_{key}"] = latest.where(end.notna())
    return labels


def needs_long_history(panel: pd.DataFrame, config: LabelsConfig) -> pd.DataFrame:
    if panel.index.get_level_values("datetime").nunique() < 150:
        raise ValueError("give me more")
    return build_labels_from_config(panel, config)
