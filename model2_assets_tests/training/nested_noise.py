"""A stacker on pure noise: what it scores on plain and on nested out-of-fold columns."""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from model2_assets.config import CrossValidationConfig
from model2_assets.cross_validation import build_cv_splits
from model2_assets.evaluation import daily_ic
from model2_assets.labels import build_labels_from_config
from model2_assets.panel import INDEX_NAMES, panel_index
from model2_assets.training import (
    FoldModel,
    RidgeTrainer,
    TrainingData,
    assemble_training_data,
    cross_validate,
    predict_out_of_fold,
)
from model2_assets.training.nested import build_nested_splits, predict_nested


@dataclass(frozen=True)
class NoiseStudy:
    """A market without any signal, and the base models whose columns are stacked.

    Attributes
    ----------
    n_dates, n_instruments, n_features : int
        Size of the panel. Returns and features are independent normal draws.
    horizons : tuple of int
        Bars; labels of the first are what the stacker predicts.
    alphas : tuple of float
        Ridge penalties; a column for each horizon and penalty.
    n_groups, embargo_days : int
        Of the splits, purged with the longest label end as by default.
    """

    n_dates: int
    n_instruments: int
    n_features: int
    horizons: tuple[int, ...]
    alphas: tuple[float, ...]
    n_groups: int = 5
    embargo_days: int = 5

    @property
    def config(self) -> CrossValidationConfig:
        return CrossValidationConfig(
            n_groups=self.n_groups, embargo_days=self.embargo_days, nested=True
        )

    @property
    def index(self) -> pd.MultiIndex:
        dates = pd.bdate_range("2000-01-03", periods=self.n_dates)
        names = [f"S{number:03d}" for number in range(self.n_instruments)]
        return panel_index(names * self.n_dates, dates.repeat(self.n_instruments))

    def labels(self, seed: int) -> pd.DataFrame:
        shape = (self.n_dates, self.n_instruments)
        steps = np.random.default_rng([1, seed]).normal(scale=0.01, size=shape)
        panel = pd.DataFrame({"close": 100 * np.exp(steps.cumsum(axis=0)).ravel()}, self.index)
        return build_labels_from_config(panel, {"horizons": self.horizons, "winsorize": 0})

    def features(self, seed: int) -> pd.DataFrame:
        shape = (self.n_dates * self.n_instruments, self.n_features)
        X = np.random.default_rng([2, seed]).normal(size=shape).astype(np.float32)
        return pd.DataFrame(X, self.index, columns=[f"F{i}" for i in range(self.n_features)])


@dataclass(frozen=True)
class StackScore:
    """Mean daily rank IC of the stacks of one panel, over all folds."""

    plain: float
    nested: float


class Stacks:
    """The splits of a study, made once: they depend on no price and no feature."""

    def __init__(self, study: NoiseStudy) -> None:
        self.study = study
        features, labels = study.features(0), study.labels(0)
        outer = build_cv_splits(features.index, labels, study.config)
        pairs = build_nested_splits(features.index, labels, study.config)
        self.data = {
            horizon: tuple(
                assemble_training_data(features, labels, splits, horizon=f"{horizon}d")
                for splits in (outer, pairs)
            )
            for horizon in study.horizons
        }

    def score(self, seed: int) -> StackScore:
        """Stack the columns of every base model fold by fold and score both ways.

        For outer fold a, a least-squares stacker is trained on the train rows of the split
        that tests a, and scored on fold a by the out-of-fold columns. The columns of its
        train rows are either those same out-of-fold predictions, or the nested ones.
        """
        features, labels = self.study.features(seed), self.study.labels(seed)
        models = [(h, alpha) for h in self.study.horizons for alpha in self.study.alphas]
        # A row has a column of every model only where it has the longest label.
        last, target = (self.data[h][0] for h in (self.study.horizons[-1], self.study.horizons[0]))
        y = pd.Series(self._with(target, features, labels, self.study.horizons[0]).y, target.index)
        y = y.reindex(last.index).to_numpy()
        plain = np.full((last.n_rows, len(models)), np.nan)
        nested = np.full((self.study.n_groups, *plain.shape), np.nan)
        for column, (horizon, alpha) in enumerate(models):
            data, pairs = (self._with(d, features, labels, horizon) for d in self.data[horizon])
            oof = predict_out_of_fold(_fit(data, alpha), data)["prediction"]
            plain[:, column] = oof.reindex(last.index)
            table = predict_nested(_fit(pairs, alpha), data, pairs)
            rows = last.index.get_indexer(pd.MultiIndex.from_frame(table[list(INDEX_NAMES)]))
            lines, folds = rows >= 0, table["outer_fold_id"].to_numpy()
            nested[folds[lines], rows[lines], column] = table["prediction"].to_numpy()[lines]
        scores: list[list[pd.Series]] = [[], []]
        for fold in range(self.study.n_groups):
            train, test = last.train_rows(fold), last.test_rows(fold)
            for score, columns in zip(scores, (plain, nested[fold]), strict=True):
                stacked = plain[test] @ _least_squares(columns[train], y[train])
                score.append(daily_ic(stacked, y[test], last.index[test])["rank_ic"])
        return StackScore(*(float(pd.concat(score).mean()) for score in scores))

    def _with(
        self, data: TrainingData, features: pd.DataFrame, labels: pd.DataFrame, horizon: int
    ) -> TrainingData:
        rows = labels.index.get_indexer(data.index)
        y = labels[f"label_{horizon}d"].to_numpy()[rows]
        return replace(data, X=features.to_numpy()[rows], y=y)


def mean_and_error(values: list[float]) -> tuple[float, float]:
    """Return the mean over panels and its standard error."""
    return float(np.mean(values)), float(np.std(values, ddof=1) / len(values) ** 0.5)


def _fit(data: TrainingData, alpha: float) -> tuple[FoldModel, ...]:
    return cross_validate(lambda: RidgeTrainer(params={"alpha": alpha}, seed=0), data, n_jobs=1)


def _least_squares(columns: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
    centred = columns - columns.mean(axis=0)
    weights: NDArray[np.float64] = np.linalg.lstsq(centred, y - y.mean(), rcond=None)[0]
    return weights
