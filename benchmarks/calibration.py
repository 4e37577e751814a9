"""Print what fewer trees and calibration do to predictions: markets of noise and of signal.

Run from the root of the repository, for example::

    python -m benchmarks.calibration --sizes XS S --markets 10 --workers 2

Every market is fitted with 300 trees as they are, with 100 trees as they are, and with the defaults
(100 trees, slope), and with Ridge without and with slope. Rank ICs are on realized returns. The
bounds are one-sided, of 95%, paired: bootstraps of markets, and of blocks of 63 dates in them.
"""

import argparse
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.bootstrap import ic_ratio
from benchmarks.inputs import HORIZONS
from benchmarks.quality import BLOCK_DATES, daily_rank_ic
from model2_assets.config import (
    CrossValidationConfig,
    FeaturesConfig,
    LabelsConfig,
    Model2Config,
    parse_config,
)
from model2_assets.config.partition import Partition
from model2_assets.cross_validation import build_cv_splits
from model2_assets.features import build_features_from_config
from model2_assets.labels import build_labels_from_config
from model2_assets.market_data import synthetic_panel, validate_panel
from model2_assets.training import ModelRegistry, Tables, Task
from model2_assets.training.fold_models import fit_every_split
from model2_assets.training.predict import average_splits, predict_splits

MARKETS = {"small": (25, 700), "XS": (40, 600), "S": (500, 1_250)}
SIGNALS = (0.0, 0.05)

VARIANTS: dict[str, dict[str, Any]] = {
    "xgboost, 300 trees": {"params": {"n_estimators": 300}, "calibration": "none"},
    "xgboost, 100 trees": {"calibration": "none"},
    "xgboost, 100 trees and slope": {},
    "ridge": {"calibration": "none"},
    "ridge and slope": {},
}
PAIRS = (
    ("xgboost, 100 trees and slope", "xgboost, 300 trees"),
    ("ridge and slope", "ridge"),
)


@dataclass(frozen=True)
class Fitted:
    """What one variant made of one market and horizon; predictions in bps."""

    size: str
    signal: float
    seed: int
    variant: str
    horizon: str
    largest: float
    largest_of_paths: float
    r2: float
    rank_ic: np.ndarray  # by date


def main() -> None:
    """Fit all markets, and print both tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", nargs="+", choices=list(MARKETS), default=["XS"])
    parser.add_argument("--markets", type=int, default=10)
    parser.add_argument("--workers", type=int, default=1)
    options = parser.parse_args()
    jobs = list(product(options.sizes, SIGNALS, range(options.markets)))
    with ProcessPoolExecutor(options.workers) as pool:
        fitted = [one for found in pool.map(fit_market, *zip(*jobs, strict=True)) for one in found]
    print(largest_predictions(fitted).to_string())
    print(rank_ics(fitted).to_string())


def fit_market(size: str, signal: float, seed: int) -> list[Fitted]:
    """Fit every variant on one market: five folds, and for paths six groups, two at a time."""
    n_instruments, n_dates = MARKETS[size]
    bars = synthetic_panel(n_instruments=n_instruments, n_dates=n_dates, seed=seed, signal=signal)
    panel, _ = validate_panel(bars.assign(vwap=bars[["open", "high", "low", "close"]].mean(axis=1)))
    labels = build_labels_from_config(panel, LabelsConfig())
    features = build_features_from_config(panel, FeaturesConfig())
    assert isinstance(features.index, pd.MultiIndex)
    tables, paths = (
        Tables(features, labels, build_cv_splits(features.index, labels, config))
        for config in (CrossValidationConfig(), CrossValidationConfig(n_groups=6, n_test_groups=2))
    )
    found = []
    for (variant, settings), horizon in product(VARIANTS.items(), HORIZONS):
        model = variant.partition(",")[0].split()[0]
        config = _configuration(model, settings)
        task = Task.of(
            ModelRegistry.from_config(config, "r"), Partition(horizon, model), region="r"
        )
        oof, _ = _predict(task, tables, config)
        # Paths of a large market take hours, and tell nothing that small ones do not.
        largest = max(_predict(task, paths, config)[1]) if size != "S" else np.nan
        y = labels[f"label_{horizon}"].reindex(oof.index)
        error, total = ((y - oof["prediction"]) ** 2).sum(), ((y - y.mean()) ** 2).sum()
        realized = labels[f"forward_return_{horizon}"].reindex(oof.index)
        ordered = realized.sort_index(level=["datetime", "instrument"])
        prediction = oof["prediction"].reindex(ordered.index).to_numpy()
        found.append(
            Fitted(
                size,
                signal,
                seed,
                variant,
                horizon,
                largest=oof["prediction"].abs().max(),
                largest_of_paths=largest,
                r2=1 - error / total,
                rank_ic=daily_rank_ic(prediction, ordered),
            )
        )
    return found


def _configuration(model: str, settings: dict[str, Any]) -> Model2Config:
    trainer = {"xgboost": "XGBoostTrainer", "ridge": "RidgeTrainer"}[model]
    return parse_config(
        {
            "regions": {"r": {"market_data": {"source": "demo"}}},
            "models": {model: {"trainer": f"model2_assets.training:{trainer}", **settings}},
            "execution": {"n_jobs": 1},
        }
    )


def _predict(task: Task, tables: Tables, config: Model2Config) -> tuple[pd.DataFrame, np.ndarray]:
    data = task.training_data(tables)
    models = fit_every_split(task, data, config.execution)
    predictions = predict_splits(models, data)
    return average_splits(predictions, data), np.abs(predictions.prediction)


def largest_predictions(fitted: list[Fitted]) -> pd.DataFrame:
    """Return the largest predictions of all markets, in bps, and the mean R²."""
    table = pd.DataFrame([vars(one) for one in fitted])
    keys = ["size", "signal", "horizon", "variant"]
    shown = table.groupby(keys, sort=False).agg(
        largest=("largest", "max"),
        largest_of_paths=("largest_of_paths", "max"),
        beyond_1000=("largest", lambda values: int((values > 1_000).sum())),
        r2=("r2", "mean"),
    )
    return shown.round({"largest": 0, "largest_of_paths": 0, "r2": 5})


def rank_ics(fitted: list[Fitted]) -> pd.DataFrame:
    """Return rank ICs with signal, and the bound of their ratio, horizons apart and pooled."""
    rows = list(_rank_ic_rows([one for one in fitted if one.signal]))
    return pd.DataFrame(rows, columns=["size", "horizons", "variant", "rank_ic", "ratio", "bound"])


def _rank_ic_rows(fitted: list[Fitted]) -> Iterator[tuple[str, str, str, float, float, float]]:
    by_key = {(one.size, one.seed, one.horizon, one.variant): one.rank_ic for one in fitted}
    for size in dict.fromkeys(one.size for one in fitted):
        seeds = sorted({one.seed for one in fitted if one.size == size})
        for horizons, pair in product([*((h,) for h in HORIZONS), HORIZONS], PAIRS):
            new, old = (
                [np.concatenate([by_key[size, seed, h, name] for h in horizons]) for seed in seeds]
                for name in pair
            )
            ours, theirs = (list(map(_block_sums, side)) for side in (new, old))
            found = ic_ratio(ours, theirs, [len(by_date) for by_date in new])
            yield size, ", ".join(horizons), pair[0], found.ours, found.ratio, found.lower


def _block_sums(by_date: np.ndarray) -> list[float]:
    return list(np.add.reduceat(by_date, np.arange(0, len(by_date), BLOCK_DATES)))


if __name__ == "__main__":
    main()
