"""The 158 features as a user would write them: pandas groupby-rolling.

Names and formulas are those of Qlib's Alpha158. What pandas has as a rolling method is
taken from it; slopes, residuals and correlations come from rolling sums; only the position
of an extreme needs ``rolling.apply``.
"""

from collections.abc import Callable

import numpy as np
import pandas as pd

from benchmarks.inputs import Inputs
from benchmarks.outcome import Outcome
from model2_assets.panel import to_canonical

WINDOWS = (5, 10, 20, 30, 60)
EPSILON = 1e-12
MIN_HISTORY = 60


def run(inputs: Inputs, *, clean: bool = False) -> Outcome:
    """Compute and rank the features of a market.

    Parameters
    ----------
    inputs : Inputs
        The market.
    clean : bool, default False
        Take the market without faults, and hand the unranked values back.

    Returns
    -------
    Outcome
        Phases ``values`` and ``rank``.
    """
    outcome = Outcome()
    with outcome.phase("load"):
        bars = pd.read_parquet(inputs.clean_market if clean else inputs.market)
    with outcome.phase("values"):
        features = compute(bars)
    if clean:
        outcome.arrays["features"] = to_canonical(features).to_numpy(dtype=np.float32)
        return outcome
    with outcome.phase("rank"):
        rank(features)
    return outcome


def rank(features: pd.DataFrame) -> pd.DataFrame:
    """Rank every feature within its date, to (-0.5, 0.5)."""
    by_date = features.groupby(level="datetime")
    return (by_date.rank() - 0.5) / by_date.transform("count") - 0.5


def compute(bars: pd.DataFrame) -> pd.DataFrame:
    """Compute the unranked features.

    Parameters
    ----------
    bars : DataFrame of shape (n_bars, 8)
        Columns instrument, datetime, open, high, low, close, vwap, volume.

    Returns
    -------
    DataFrame of shape (n_rows, 158), float64
        Rows of instruments with 60 earlier bars, sorted by instrument, then date.
    """
    bars = bars.sort_values(["instrument", "datetime"], ignore_index=True)
    columns = _bar_features(bars)
    rolling = _Rolling(bars)
    for family in (_trends, _extremes, _ranks, _correlations, _changes, _volumes):
        for window in WINDOWS:
            columns |= {f"{name}{window}": value for name, value in family(rolling, window).items()}
    features = pd.DataFrame({name: columns[name] for name in feature_names()})
    features.index = pd.MultiIndex.from_frame(bars[["instrument", "datetime"]])
    enough = rolling.by_instrument.cumcount() >= MIN_HISTORY
    return features.replace([np.inf, -np.inf], np.nan)[enough.to_numpy()]


class _Rolling:
    """Rolling statistics within instruments."""

    def __init__(self, bars: pd.DataFrame) -> None:
        self.bars = bars
        self.instrument = bars["instrument"]
        self.by_instrument = bars.groupby("instrument", sort=False)

    def shift(self, series: pd.Series, periods: int = 1) -> pd.Series:
        return series.groupby(self.instrument, sort=False).shift(periods)

    def of(
        self, series: pd.Series, window: int, statistic: str, *args: object, **options: object
    ) -> pd.Series:
        rolling = series.groupby(self.instrument, sort=False).rolling(window, min_periods=1)
        values: pd.Series = getattr(rolling, statistic)(*args, **options)
        return values.reset_index(level=0, drop=True)

    def sum(self, series: pd.Series, window: int) -> pd.Series:
        return self.of(series, window, "sum")

    def mean(self, series: pd.Series, window: int) -> pd.Series:
        return self.of(series, window, "mean")

    def correlation(self, left: pd.Series, right: pd.Series, window: int) -> pd.Series:
        both = left.notna() & right.notna()
        left, right = left.where(both), right.where(both)
        covariance = self.mean(left * right, window) - self.mean(left, window) * self.mean(
            right, window
        )
        spread = self.of(left, window, "std", ddof=0) * self.of(right, window, "std", ddof=0)
        return covariance / spread


def _bar_features(bars: pd.DataFrame) -> dict[str, pd.Series]:
    open_, high, low, close = (bars[name] for name in ("open", "high", "low", "close"))
    span = high - low + EPSILON
    upper, lower = high - np.maximum(open_, close), np.minimum(open_, close) - low
    return {
        "KMID": (close - open_) / open_,
        "KLEN": (high - low) / open_,
        "KMID2": (close - open_) / span,
        "KUP": upper / open_,
        "KUP2": upper / span,
        "KLOW": lower / open_,
        "KLOW2": lower / span,
        "KSFT": (2 * close - high - low) / open_,
        "KSFT2": (2 * close - high - low) / span,
        "OPEN0": open_ / close,
        "HIGH0": high / close,
        "LOW0": low / close,
        "VWAP0": bars["vwap"] / close,
    }


def _trends(rolling: _Rolling, window: int) -> dict[str, pd.Series]:
    close = rolling.bars["close"]
    time = rolling.by_instrument.cumcount().astype("float64").where(close.notna())
    n = rolling.of(close, window, "count")
    mean, mean_time = rolling.mean(close, window), rolling.mean(time, window)
    std = rolling.of(close, window, "std")
    time_variance = rolling.of(time, window, "var", ddof=0)
    covariance = rolling.mean(close * time, window) - mean * mean_time
    slope = covariance / time_variance
    return {
        "ROC": rolling.shift(close, window) / close,
        "MA": mean / close,
        "STD": std / close,
        "BETA": slope / close,
        "RSQR": slope * covariance / (std**2 * (n - 1) / n),
        "RESI": (close - mean - slope * (time - mean_time)) / close,
    }


def _extremes(rolling: _Rolling, window: int) -> dict[str, pd.Series]:
    close, high, low = (rolling.bars[name] for name in ("close", "high", "low"))
    highest, lowest = rolling.of(high, window, "max"), rolling.of(low, window, "min")
    at_high = _position(rolling, high, window, np.argmax)
    at_low = _position(rolling, low, window, np.argmin)
    return {
        "MAX": highest / close,
        "MIN": lowest / close,
        "RSV": (close - lowest) / (highest - lowest + EPSILON),
        "IMAX": at_high / window,
        "IMIN": at_low / window,
        "IMXD": (at_high - at_low) / window,
    }


def _position(
    rolling: _Rolling, series: pd.Series, window: int, find: Callable[..., np.intp]
) -> pd.Series:
    return rolling.of(series, window, "apply", lambda values: find(values) + 1, raw=True)


def _ranks(rolling: _Rolling, window: int) -> dict[str, pd.Series]:
    close = rolling.bars["close"]
    return {
        "QTLU": rolling.of(close, window, "quantile", 0.8) / close,
        "QTLD": rolling.of(close, window, "quantile", 0.2) / close,
        "RANK": rolling.of(close, window, "rank", pct=True),
    }


def _correlations(rolling: _Rolling, window: int) -> dict[str, pd.Series]:
    close, volume = rolling.bars["close"], rolling.bars["volume"]
    ratio = close / rolling.shift(close)
    volume_ratio = volume / rolling.shift(volume)
    return {
        "CORR": rolling.correlation(close, np.log(volume + 1), window),
        "CORD": rolling.correlation(
            ratio, np.log(volume_ratio + 1).replace([np.inf, -np.inf], np.nan), window
        ),
    }


def _changes(rolling: _Rolling, window: int) -> dict[str, pd.Series]:
    close = rolling.bars["close"]
    change = close - rolling.shift(close)
    up = rolling.mean((change > 0).astype("float64"), window)
    down = rolling.mean((change < 0).astype("float64"), window)
    gains, losses, both = _sums_of_changes(rolling, change, window)
    return {
        "CNTP": up,
        "CNTN": down,
        "CNTD": up - down,
        "SUMP": gains / both,
        "SUMN": losses / both,
        "SUMD": (gains - losses) / both,
    }


def _sums_of_changes(
    rolling: _Rolling, change: pd.Series, window: int
) -> tuple[pd.Series, pd.Series, pd.Series]:
    gains = rolling.sum(change.clip(lower=0), window)
    losses = rolling.sum((-change).clip(lower=0), window)
    return gains, losses, rolling.sum(change.abs(), window) + EPSILON


def _volumes(rolling: _Rolling, window: int) -> dict[str, pd.Series]:
    close, volume = rolling.bars["close"], rolling.bars["volume"]
    weighted = (close / rolling.shift(close) - 1).abs() * volume
    rises, falls, both = _sums_of_changes(rolling, volume - rolling.shift(volume), window)
    return {
        "VMA": rolling.mean(volume, window) / (volume + EPSILON),
        "VSTD": rolling.of(volume, window, "std") / (volume + EPSILON),
        "WVMA": rolling.of(weighted, window, "std") / (rolling.mean(weighted, window) + EPSILON),
        "VSUMP": rises / both,
        "VSUMN": falls / both,
        "VSUMD": (rises - falls) / both,
    }


def feature_names() -> list[str]:
    """Return the names of the features in Qlib's order."""
    bar = "KMID KLEN KMID2 KUP KUP2 KLOW KLOW2 KSFT KSFT2 OPEN0 HIGH0 LOW0 VWAP0"
    rolling = (
        "ROC MA STD BETA RSQR RESI MAX MIN QTLU QTLD RANK RSV IMAX IMIN IMXD CORR CORD CNTP CNTN "
        "CNTD SUMP SUMN SUMD VMA VSTD WVMA VSUMP VSUMN VSUMD"
    )
    return [*bar.split(), *(f"{name}{window}" for name in rolling.split() for window in WINDOWS)]
