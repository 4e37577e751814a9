"""Panels for the tests of features."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from model2_assets.features import build_features_from_config
from model2_assets.panel import panel_index


def one_instrument(columns: Mapping[str, Sequence[float]], *, name: str = "A") -> pd.DataFrame:
    """Panel of one instrument on consecutive business days."""
    n_bars = len(next(iter(columns.values())))
    dates = pd.bdate_range("2020-01-01", periods=n_bars)
    return pd.DataFrame(
        {column: np.asarray(values, dtype=float) for column, values in columns.items()},
        index=panel_index([name] * n_bars, dates),
    )


def raw_features(panel: pd.DataFrame, *, min_history_bars: int = 0) -> pd.DataFrame:
    return build_features_from_config(
        panel, {"normalization": "none", "min_history_bars": min_history_bars}, n_threads=1
    )


def last_row(panel: pd.DataFrame) -> pd.Series:
    return raw_features(panel).iloc[-1]


def random_panel(
    n_instruments: int,
    n_dates: int,
    *,
    seed: int = 0,
    missing: float = 0.0,
    gaps: float = 0.0,
    daily_volatility: float = 0.02,
) -> pd.DataFrame:
    """Random walks with all columns, in canonical order.

    ``missing`` is the share of values other than closes that are NaN (a tenth of it for
    closes), ``gaps`` the share of bars that are absent altogether.
    """
    rng = np.random.default_rng(seed)
    shape = (n_dates, n_instruments)
    returns = rng.normal(0.0, daily_volatility, shape)
    close = 20.0 * np.exp(np.cumsum(returns, axis=0)) * rng.uniform(0.1, 10.0, n_instruments)
    open_ = close * np.exp(rng.normal(0.0, 0.01, shape))
    high = np.maximum(open_, close) * np.exp(np.abs(rng.normal(0.0, 0.01, shape)))
    low = np.minimum(open_, close) * np.exp(-np.abs(rng.normal(0.0, 0.01, shape)))
    volume = np.round(np.exp(rng.normal(12.0, 1.0, shape)))
    vwap = (high + low + close) / 3.0
    dates = pd.bdate_range("2019-01-01", periods=n_dates)
    names = [f"S{i:03d}" for i in range(n_instruments)]
    panel = pd.DataFrame(
        {
            name: values.ravel()
            for name, values in {
                "open": open_,
                "high": high,
                "low": low,
                "close": close,
                "volume": volume,
                "vwap": vwap,
            }.items()
        },
        index=panel_index(np.tile(names, n_dates), np.repeat(dates, n_instruments)),
    )
    for column in panel.columns:
        share = missing / 10.0 if column == "close" else missing
        panel[column] = panel[column].mask(rng.random(len(panel)) < share)
    panel["in_universe"] = True
    return panel[rng.random(len(panel)) >= gaps]


def same_bits(left: pd.DataFrame, right: pd.DataFrame) -> bool:
    """Tell whether two float32 tables have the same rows, columns and bits."""
    bits = [np.ascontiguousarray(frame.to_numpy()).view(np.uint32) for frame in (left, right)]
    return (
        left.index.equals(right.index)
        and left.columns.equals(right.columns)
        and np.array_equal(*bits)
    )
