"""How good a program's predictions are, and how they compare with another program's."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmarks.features_by_rolling import feature_names
from benchmarks.inputs import HORIZONS, Inputs
from benchmarks.outcome import prediction_name
from benchmarks.record import Key

BLOCK_DATES = 63
"""Dates of a block: labels of 63 days overlap within it, and less between blocks."""

PAIRS = {
    "ridge_by_hand": ("ridge_ours", "ridge_by_hand_float32"),
    "xgboost_by_hand": ("xgboost_exact", "xgboost_default", "xgboost_fast"),
    "clean_by_qlib": ("clean_ours", "clean_by_rolling"),
    "job_by_hand": ("job_ours",),
}
"""Baselines, and what is compared with them."""


def judge(key: Key, inputs: Inputs, cache: Path) -> dict[str, Any]:
    """Judge the arrays that a program left.

    Parameters
    ----------
    key : Key
        The measurement.
    inputs : Inputs
        Its market.
    cache : Path
        Keeps the arrays.

    Returns
    -------
    dict
        ``rank_ic``: per horizon sums and counts of daily rank ICs in blocks of dates;
        ``versus``: what comparing with each other program told.
    """
    quality: dict[str, Any] = {"rank_ic": _rank_ic_blocks(key, inputs, cache), "versus": {}}
    for baseline, others in _pairs().items():
        for other in others:
            if key.program not in (baseline, other):
                continue
            found = _compare(key, cache, other, baseline)
            if found:
                quality["versus"][f"{other} / {baseline}"] = found
    return {name: found for name, found in quality.items() if found}


def _pairs() -> dict[str, tuple[str, ...]]:
    from benchmarks.levers import LEVERS

    return {**PAIRS, "xgboost_exact": tuple(f"lever_{name}" for name in LEVERS)}


def _load(key: Key, cache: Path, program: str, name: str) -> NDArray[Any] | None:
    folder = cache / "results" / f"{key.size}-{key.seed}-{key.trees}" / program
    path = folder / f"{name}.npy"
    return np.load(path, mmap_mode="r") if path.exists() else None


def _rank_ic_blocks(key: Key, inputs: Inputs, cache: Path) -> dict[str, Any]:
    names = [prediction_name(horizon) for horizon in HORIZONS]
    if all(_load(key, cache, key.program, name) is None for name in names):
        return {}
    labels, splits = inputs.read("labels"), inputs.read("cv_splits")
    blocks = {}
    for horizon in HORIZONS:
        y = labels[f"label_{horizon}"].reindex(splits.index).dropna()
        prediction = _load(key, cache, key.program, prediction_name(horizon))
        if prediction is None or len(prediction) != len(y):
            raise ValueError(
                f"{key.program}: {horizon} has {0 if prediction is None else len(prediction)} "
                f"predictions for {len(y)} labelled rows"
            )
        by_date = daily_rank_ic(np.asarray(prediction), y)
        sums = np.add.reduceat(by_date, np.arange(0, len(by_date), BLOCK_DATES))
        blocks[horizon] = {"sums": [round(float(s), 6) for s in sums], "dates": len(by_date)}
    return blocks


def daily_rank_ic(prediction: NDArray[np.float64], y: pd.Series) -> NDArray[np.float64]:
    """Return Spearman's correlation of predictions and labels on each date.

    Parameters
    ----------
    prediction : ndarray of shape (n_rows,)
        In the order of `y`.
    y : Series of shape (n_rows,)
        Labels, indexed by (instrument, datetime).

    Returns
    -------
    ndarray of shape (n_dates,), float64
        In the order of dates; 0 where a side is constant.
    """
    dates = y.index.get_level_values("datetime")
    table = pd.DataFrame({"x": prediction, "y": y.to_numpy()})
    ranks = table.groupby(dates).rank()
    ranks -= ranks.groupby(dates).transform("mean")
    moments = pd.DataFrame(
        {"xy": ranks["x"] * ranks["y"], "xx": ranks["x"] ** 2, "yy": ranks["y"] ** 2}
    )
    sums = moments.groupby(dates).sum()
    values: pd.Series = sums["xy"] / np.sqrt(sums["xx"] * sums["yy"])
    return values.fillna(0.0).to_numpy()


def _compare(key: Key, cache: Path, other: str, baseline: str) -> dict[str, Any]:
    features = [_load(key, cache, program, "features") for program in (other, baseline)]
    if features[0] is not None and features[1] is not None:
        return _compare_features(features[0], features[1])
    found = {}
    for horizon in HORIZONS:
        a, b = (_load(key, cache, name, prediction_name(horizon)) for name in (other, baseline))
        if a is not None and b is not None and len(a) == len(b):
            found[horizon] = {
                "largest_difference_sd": float(np.abs(a - b).max() / b.std()),
                "correlation": float(np.corrcoef(a, b)[0, 1]),
            }
    return found


def _compare_features(ours: NDArray[Any], theirs: NDArray[Any]) -> dict[str, Any]:
    differences, mismatches = [], 0
    for column in range(ours.shape[1]):
        a, b = ours[:, column].astype(np.float64), theirs[:, column].astype(np.float64)
        differences.append(float(np.nanmax(np.abs(a - b)) / np.nanstd(b)))
        mismatches += int((np.isnan(a) != np.isnan(b)).sum())
    worst = int(np.argmax(differences))
    return {
        "largest_difference_sd": differences[worst],
        "worst_feature": feature_names()[worst],
        "features_above_0.001_sd": int(np.sum(np.array(differences) > 1e-3)),
        "missing_on_one_side": mismatches,
        "features": len(differences),
    }
