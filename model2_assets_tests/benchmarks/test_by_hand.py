"""What is written by hand agrees with this package, or the comparison would mean nothing."""

import numpy as np
import pandas as pd
import pytest

from benchmarks import (
    features_by_rolling,
    ours_features,
    ours_models,
    plain_xgboost,
)
from benchmarks.folds_by_hand import purged_folds
from benchmarks.inputs import HORIZONS, Inputs
from benchmarks.job_by_hand import make_labels


def test_features_of_clean_bars(inputs: Inputs) -> None:
    ours = ours_features.run(inputs, clean=True).arrays["features"].astype(np.float64)
    by_hand = features_by_rolling.run(inputs, clean=True).arrays["features"].astype(np.float64)
    assert ours.shape == by_hand.shape == (40 * 540, 158)
    largest = np.abs(ours - by_hand).max(axis=0) / ours.std(axis=0)
    assert largest.max() < 1e-5


def test_labels(inputs: Inputs) -> None:
    ours = inputs.read("labels")
    by_hand = make_labels(pd.read_parquet(inputs.market))
    by_hand = by_hand.reorder_levels(["instrument", "datetime"]).reindex(ours.index)
    for horizon in HORIZONS:
        label, end = f"label_{horizon}", f"label_end_{horizon}"
        np.testing.assert_allclose(by_hand[label], ours[label], atol=1e-9)
        assert (by_hand[end].isna() == ours[end].isna()).all()
        assert (by_hand[end].dropna() == ours[end].dropna()).all()


def test_purged_folds(inputs: Inputs) -> None:
    labels, splits = inputs.read("labels"), inputs.read("cv_splits")
    ends = labels[[f"label_end_{horizon}" for horizon in HORIZONS]].max(axis=1)
    dates = pd.Series(splits.index.get_level_values("datetime"))
    folds = purged_folds(dates, ends.reindex(splits.index).reset_index(drop=True))
    for split_id, (train, test) in enumerate(folds):
        roles = splits[f"split_{split_id}"].to_numpy()
        np.testing.assert_array_equal(train, np.flatnonzero(roles == 0))
        np.testing.assert_array_equal(test, np.flatnonzero(roles == 1))
    assert len(folds) == 5


def test_exact_trees_are_those_of_plain_xgboost(inputs: Inputs) -> None:
    ours = ours_models.run(inputs, model="xgboost", profile="exact").facts["trees"]
    plain = plain_xgboost.run(inputs, folds=1).facts["trees"]
    for horizon in HORIZONS:
        assert len(ours[horizon]) == len(set(ours[horizon])) == 5
        assert plain[horizon] == ours[horizon][:1]


@pytest.mark.parametrize("name", ["date_stride", "max_bin", "max_depth"])
def test_levers_reach_the_trainer(inputs: Inputs, name: str) -> None:
    from model2_assets.training import ModelRegistry

    config = ours_models.configuration(inputs, profile="exact", params={name: 2})
    registry = ModelRegistry.from_config(config, "bench")
    assert registry.trainer("xgboost", "21d").params[name] == 2
    assert registry.trainer("xgboost", "21d").params["n_estimators"] == inputs.trees
