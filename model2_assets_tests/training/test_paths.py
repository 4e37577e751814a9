import numpy as np
import pandas as pd
import pytest

from model2_assets.config import CrossValidationConfig
from model2_assets.cross_validation import PurgedEmbargoedTimeSeriesSplit, build_cv_splits
from model2_assets.training import (
    PathPlan,
    RidgeTrainer,
    assemble_training_data,
    average_splits,
    cross_validate,
    mean_by_row,
    predict_splits,
    recombine_predictions,
)
from model2_assets_tests.training.panels import make_data, make_tables
from model2_assets_tests.training.test_out_of_fold import constant, hand_made


def make_ridge():
    return RidgeTrainer(params={"alpha": 10.0}, seed=7)


def paths_of(data, models):
    return recombine_predictions(predict_splits(models, data), data)


def test_every_prediction_is_listed_with_split_path_group_and_spread():
    # Groups 0, 1, 2; splits test (0, 1), (0, 2), (1, 2); roles 2 to 4 take no part.
    roles = [[1, 1, 3]] * 2 + [[1, 2, 1]] * 2 + [[4, 1, 1]] * 2
    data = hand_made(roles, [0, 0, 1, 1, 2, 2])
    table = paths_of(data, [constant(2, 100.0), constant(0, 1.0), constant(1, 10.0)])
    assert table.dtypes.astype(str).to_dict() == {
        "instrument": "str",
        "datetime": "datetime64[us]",
        "split_id": "int16",
        "path_id": "int16",
        "group_id": "int16",
        "prediction": "float64",
        "prediction_std": "float64",
    }
    assert table.index.equals(pd.RangeIndex(12))
    # The sample standard deviation of two values is their distance over the root of 2.
    spreads = [9 / 2**0.5, 99 / 2**0.5, 90 / 2**0.5]
    expected = [
        (instrument, day, split_id, path_id, group_id, prediction, pytest.approx(spreads[group_id]))
        for instrument in ("S00", "S01")
        for day, split_id, path_id, group_id, prediction in [
            ("01", 0, 0, 0, 1.0),
            ("01", 1, 1, 0, 10.0),
            ("02", 0, 0, 1, 1.0),
            ("02", 2, 1, 1, 100.0),
            ("03", 1, 0, 2, 10.0),
            ("03", 2, 1, 2, 100.0),
        ]
    ]
    found = [
        (row.instrument, f"{row.datetime:%d}", *row[2:]) for row in table.itertuples(index=False)
    ]
    assert found == expected


def test_one_prediction_a_row_is_path_0_without_a_spread():
    data = hand_made([[1, 0], [1, 0], [0, 1], [0, 1]], [0, 0, 1, 1])
    table = paths_of(data, [constant(0, 10.0), constant(1, 20.0)])
    assert table["path_id"].tolist() == [0, 0, 0, 0]
    assert table["prediction_std"].isna().all()


@pytest.mark.parametrize("first_group", [0, -1])
def test_groups_that_no_split_tests_have_no_lines_and_no_mean(first_group):
    # A walk-forward over three groups: the first is never tested, or is no group at all.
    roles = [[0, 0]] * 2 + [[1, 0]] * 2 + [[5, 1]] * 2
    data = hand_made(roles, [first_group, first_group, 1, 1, 2, 2])
    predictions = predict_splits([constant(0, 1.0), constant(1, 2.0)], data)
    table, mean = recombine_predictions(predictions, data), average_splits(predictions, data)
    assert table["group_id"].tolist() == [1, 2, 1, 2]
    assert table["path_id"].tolist() == [0, 0, 0, 0]
    assert mean["fold_id"].tolist() == [1, 2, 1, 2]
    assert mean["prediction"].tolist() == [1.0, 2.0, 1.0, 2.0]


@pytest.mark.parametrize(("n_groups", "n_test_groups"), [(5, 1), (4, 2), (6, 2), (6, 3), (5, 4)])
def test_paths_are_those_of_the_splitter_and_complete(n_groups, n_test_groups):
    data = make_data(n_groups=n_groups, n_test_groups=n_test_groups, n_instruments=3)
    table = paths_of(data, [constant(s, float(s)) for s in range(data.n_splits)])
    splitter = PurgedEmbargoedTimeSeriesSplit(n_groups, n_test_groups=n_test_groups)
    plan = {
        (split_id, group_id): path_id
        for split_id, (groups, paths) in enumerate(
            zip(splitter.test_groups.tolist(), splitter.path_ids().tolist(), strict=True)
        )
        for group_id, path_id in zip(groups, paths, strict=True)
    }
    found = zip(table["split_id"], table["group_id"], table["path_id"], strict=True)
    assert all(plan[split_id, group_id] == path_id for split_id, group_id, path_id in found)
    for path_id in range(splitter.n_paths):
        path = table[table["path_id"] == path_id].set_index(["instrument", "datetime"])
        assert path.index.is_unique
        assert set(path.index) == set(data.index)
    assert len(table) == splitter.n_paths * data.n_rows


def test_the_mean_over_the_lines_of_a_row_is_the_out_of_fold_prediction_to_the_bit():
    data = make_data(n_groups=6, n_test_groups=3)
    predictions = predict_splits(cross_validate(make_ridge, data), data)
    table, oof = recombine_predictions(predictions, data), average_splits(predictions, data)
    row = oof.index.get_indexer(pd.MultiIndex.from_frame(table[["instrument", "datetime"]]))
    mean = mean_by_row(row, table["prediction"].to_numpy(), len(oof))
    np.testing.assert_array_equal(mean, oof["prediction"])
    spread = table.groupby(["instrument", "datetime"])["prediction"].std()
    lines = table.drop_duplicates(["instrument", "datetime"]).set_index(spread.index.names)
    np.testing.assert_allclose(lines["prediction_std"].reindex(spread.index), spread, rtol=1e-9)


def test_sums_of_a_row_do_not_depend_on_the_lines_of_other_rows():
    values = np.array([1e16, 1.0, -1e16, 3.0])
    assert mean_by_row(np.array([0, 0, 0, 1]), values, 3)[:2].tolist() == [0.0, 3.0]
    assert mean_by_row(np.array([1, 0, 0, 0]), values[[3, 0, 1, 2]], 3)[:2].tolist() == [0.0, 3.0]
    assert np.isnan(mean_by_row(np.array([0, 0, 0, 1]), values, 3)[2])


def test_the_plan_follows_the_configuration():
    plan = PathPlan.of(CrossValidationConfig(n_groups=4, n_test_groups=2))
    assert plan.n_paths == 3
    # Splits (0,1), (0,2), (0,3), (1,2), (1,3), (2,3).
    assert plan.path_of.tolist() == [
        [0, 0, -1, -1],
        [1, -1, 0, -1],
        [2, -1, -1, 0],
        [-1, 1, 1, -1],
        [-1, 2, -1, 1],
        [-1, -1, 2, 2],
    ]
    assert PathPlan.of(CrossValidationConfig(splitter="some.module:Splitter")) is None


def test_splits_of_our_own_splitter_recombine_as_planned():
    features, labels, _ = make_tables(n_dates=120, n_instruments=4)
    labels["label_end_21d"] = labels.index.get_level_values("datetime") + pd.Timedelta(days=3)
    config = CrossValidationConfig(n_groups=6, n_test_groups=2)
    splits = build_cv_splits(features.index, labels, config)
    data = assemble_training_data(features, labels, splits, horizon="21d")
    table = paths_of(data, cross_validate(make_ridge, data))
    planned = PathPlan.of(config).path_of[table["split_id"], table["group_id"]]
    np.testing.assert_array_equal(table["path_id"], planned)
