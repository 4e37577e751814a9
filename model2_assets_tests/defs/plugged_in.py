"""What a team might bring along: trainers, builders and splitters, good ones and bad ones."""

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.linear_model import ElasticNet

from model2_assets.config import FeaturesConfig, LabelsConfig
from model2_assets.labels import build_labels_from_config
from model2_assets.training import LinearTrainer, RidgeTrainer


class ElasticNetTrainer(LinearTrainer):
    """Scikit-learn's elastic net."""

    DEFAULT_PARAMS: ClassVar[dict[str, Any]] = {"alpha": 1.0, "l1_ratio": 0.5}

    def make_estimator(self) -> ElasticNet:
        return ElasticNet(random_state=self.seed, **self.params)


class ShoutingTrainer(RidgeTrainer):
    """Predicts beyond any limit."""

    def predict(self, X: NDArray[np.float32]) -> NDArray[np.float64]:
        return super().predict(X) * 1e6


class SilentTrainer(RidgeTrainer):
    """Predicts nothing for some rows."""

    def predict(self, X: NDArray[np.float32]) -> NDArray[np.float64]:
        predictions = super().predict(X)
        predictions[:3] = np.nan
        return predictions


class UnsteadyTrainer(RidgeTrainer):
    """Fits another model each time."""

    _calls: ClassVar[Iterator[int]] = itertools.count()

    def fit(
        self, X: NDArray[np.float32], y: NDArray[np.float64], *, feature_names: tuple[str, ...]
    ) -> Self:
        return super().fit(X, y + 10 * next(self._calls), feature_names=feature_names)


class BrokenTrainer(RidgeTrainer):
    """Cannot be fitted."""

    def fit(
        self, X: NDArray[np.float32], y: NDArray[np.float64], *, feature_names: tuple[str, ...]
    ) -> Self:
        raise ValueError("no fit today")


class MendableTrainer(RidgeTrainer):
    """Cannot be fitted while a file is there."""

    DEFAULT_PARAMS: ClassVar[dict[str, Any]] = {**RidgeTrainer.DEFAULT_PARAMS, "broken_while": ""}

    def fit(
        self, X: NDArray[np.float32], y: NDArray[np.float64], *, feature_names: tuple[str, ...]
    ) -> Self:
        if self.params["broken_while"] and Path(self.params["broken_while"]).exists():
            raise ValueError("no fit today")
        return super().fit(X, y, feature_names=feature_names)


def momentum_features(panel: pd.DataFrame, config: FeaturesConfig) -> pd.DataFrame:
    """Return two features of the team's own, in an order of its own."""
    close = panel["close"].groupby(level="instrument")
    window = int(config.params.get("window", 20))
    features = pd.DataFrame(
        {
            "momentum": panel["close"] / close.shift(window) - 1,
            "reversal": 1 - panel["close"] / close.shift(1),
        }
    ).astype("float32")
    return features.dropna().swaplevel().sort_index()


def leaking_features(panel: pd.DataFrame, config: FeaturesConfig) -> pd.DataFrame:
    """Return features of which one is the future return."""
    future = panel["close"].groupby(level="instrument").shift(-22) / panel["close"] - 1
    honest = momentum_features(panel, config).swaplevel()
    return honest.assign(leak=future.reindex(honest.index).astype("float32"))


def stamped_too_early(panel: pd.DataFrame, config: FeaturesConfig) -> pd.DataFrame:
    """Return features of which one trusts a column of the market data."""
    honest = momentum_features(panel, config).swaplevel()
    column = panel["vwap"] / panel["close"] - 1
    return honest.assign(leak=column.reindex(honest.index).astype("float32"))


def strangers(panel: pd.DataFrame, config: FeaturesConfig) -> pd.DataFrame:
    """Return features of instruments that the market data do not have."""
    features = momentum_features(panel, config)
    return features.rename(index={"S000": "NOBODY"}, level="instrument")


def raw_labels(panel: pd.DataFrame, config: LabelsConfig) -> pd.DataFrame:
    """Return plain forward returns as labels."""
    return build_labels_from_config(
        panel, config.model_copy(update={"excess": False, "winsorize": 0.0})
    )


def labels_without_end(panel: pd.DataFrame, config: LabelsConfig) -> pd.DataFrame:
    """Return labels that do not say how far the first of them looks ahead."""
    labels = raw_labels(panel, config)
    labels.iloc[0, labels.columns.get_loc("label_end_21d")] = pd.NaT
    return labels


class DateFolds:
    """Contiguous folds of dates with a gap of dates on both sides."""

    def __init__(self, n_splits: int = 3, gap: int = 150) -> None:
        self.n_splits, self.gap = n_splits, gap

    def split(self, X: pd.DataFrame) -> Iterator[tuple[NDArray[np.intp], NDArray[np.intp]]]:
        codes = pd.factorize(X.index.get_level_values("datetime"), sort=True)[0]
        for block in np.array_split(np.arange(codes.max() + 1), self.n_splits):
            test = (codes >= block[0]) & (codes <= block[-1])
            train = (codes < block[0] - self.gap) | (codes > block[-1] + self.gap)
            yield np.flatnonzero(train), np.flatnonzero(test)


def shortsighted_labels(panel: pd.DataFrame, config: LabelsConfig) -> pd.DataFrame:
    """Return labels that claim to look one day ahead, which would defeat the purge."""
    labels = raw_labels(panel, config)
    dates = labels.index.get_level_values("datetime")
    for horizon in config.horizon_keys:
        known = labels[f"label_{horizon}"].notna().to_numpy()
        tomorrow = (dates + pd.Timedelta(days=1)).to_numpy(dtype="datetime64[us]").copy()
        tomorrow[~known] = np.datetime64("NaT")
        labels[f"label_end_{horizon}"] = tomorrow
    return labels
