"""Out-of-fold predictions of a combinatorial cross-validation, without any model; panels."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from model2_assets.cross_validation import PurgedEmbargoedTimeSeriesSplit
from model2_assets.panel import panel_index
from model2_assets.storage.data_version import with_provenance

SCORE_METRICS = (
    "rank_ic", "ic", "icir", "r2", "mse", "rmse", "mae", "hit_rate", "samples", "dates",
)  # fmt: skip
"""Of every scope, in the order of the table."""

HISTORY_METRICS = (
    "rank_ic_se", "rank_ic_t", "n_effective", "decile_spread_bps", "deflated_sharpe"
)  # fmt: skip
"""Of complete histories besides."""


@dataclass(frozen=True)
class Example:
    oof: pd.DataFrame
    paths: pd.DataFrame
    label: pd.Series
    cv: PurgedEmbargoedTimeSeriesSplit


def example(n_groups=4, k=2, n_dates=80, n_names=12, signal=0.1, noise=1.0, seed=0):
    """Return predictions of `signal` times the label, plus each split's own `noise`."""
    rng = np.random.default_rng(seed)
    dates = pd.bdate_range("2020-01-01", periods=n_dates)
    names = [f"S{i:02}" for i in range(n_names)]
    index = panel_index(names * n_dates, np.repeat(dates, n_names))
    label = pd.Series(rng.normal(size=len(index)) * 100, index=index)
    cv = PurgedEmbargoedTimeSeriesSplit(n_groups, n_test_groups=k)
    group = cv.group_ids(index)
    parts = []
    for split_id, (tested, of_path) in enumerate(zip(cv.test_groups, cv.path_ids(), strict=True)):
        for group_id, path_id in zip(tested, of_path, strict=True):
            rows = np.flatnonzero(group == group_id)
            noisy = signal * label.to_numpy()[rows] + noise * 100 * rng.normal(size=len(rows))
            part = pd.DataFrame({"row": rows, "prediction": noisy})
            parts.append(part.assign(split_id=split_id, path_id=path_id, group_id=group_id))
    long = pd.concat(parts)
    mean = long.groupby("row")["prediction"].mean()
    oof = pd.DataFrame({"prediction": mean.to_numpy(), "fold_id": group}, index=index)
    where = index[long["row"]]
    paths = pd.DataFrame(
        {
            "instrument": where.get_level_values("instrument"),
            "datetime": where.get_level_values("datetime"),
            **{name: long[name].to_numpy(np.int16) for name in ("split_id", "path_id", "group_id")},
            "prediction": long["prediction"].to_numpy(),
        }
    )
    order = np.lexsort((paths["split_id"], paths["datetime"], paths["instrument"]))
    return Example(oof.sort_index(), paths.iloc[order].reset_index(drop=True), label, cv)


def outcomes_of(label, realized=None):
    """Return labels beside realized returns, by default the labels themselves."""
    return pd.DataFrame({"label": label, "realized": label if realized is None else realized})


def labels_table(label, horizon):
    """Return labels and forward returns that rank otherwise: every seventh row earned more."""
    forward = label + 200.0 * (np.arange(len(label)) % 7 == 0)
    return pd.DataFrame({f"forward_return_{horizon}": forward, f"label_{horizon}": label})


def stored(example, *, horizon="5d", model="ridge", labels_version="l1"):
    """Return oof, paths and labels as the store would: with their provenance."""
    labels = labels_table(example.label, horizon)
    labels = with_provenance(labels, data_version=labels_version, inputs={})
    facts = {"horizon": horizon, "model": model}
    inputs = {"labels": "l1", "fitted_models": "m1"}
    oof = with_provenance(example.oof, data_version="o1", inputs=inputs, **facts)
    paths = with_provenance(example.paths, data_version="p1", inputs=inputs, **facts)
    return oof, paths, labels


def ragged(counts, seed=0):
    """Return an index with the given number of names on each date, in canonical order."""
    dates = pd.bdate_range("2020-01-01", periods=len(counts))
    names = [f"S{i:03}" for count in counts for i in range(count)]
    return panel_index(names, np.repeat(dates, counts)), np.random.default_rng(seed)
