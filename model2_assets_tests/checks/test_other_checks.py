# ruff: noqa: PD011 -- an outcome's values are a mapping

import numpy as np
import pandas as pd
import pytest

from model2_assets.checks import (
    CheckOutcome,
    check_every_feature,
    check_features_consistent,
    check_labels_consistent,
    check_minimum_samples,
    check_models_complete,
    check_no_label_overlap,
    check_same_inputs,
    check_scores_complete,
    failed_errors,
)
from model2_assets.cross_validation import prove_no_overlap
from model2_assets.panel import panel_index
from model2_assets.storage.models import Provenance
from model2_assets.storage.provenance import with_provenance
from model2_assets.training import FittedModels, FoldModel, RidgeTrainer
from model2_assets_tests.sample_tables import cv_scores, feature_importance, oof_predictions

DAYS = pd.bdate_range("2024-01-01", periods=8).as_unit("us")
MEMBERS = ("A", "B")


def panel() -> pd.DataFrame:
    """Three instruments, the last outside the universe."""
    names = ("A", "B", "C")
    index = panel_index(list(names) * len(DAYS), DAYS.repeat(3))
    inside = index.get_level_values("instrument").isin(MEMBERS)
    return pd.DataFrame({"close": 1.0, "in_universe": inside}, index=index)


def labels(lag: int = 1, horizon: int = 2) -> pd.DataFrame:
    """Labels that end on the exit bar, missing for the last rows."""
    index = panel()[panel()["in_universe"]].index
    reach = horizon + lag
    day = np.arange(len(index)) // 2
    has_label = day < len(DAYS) - reach
    ends = pd.Series(DAYS[np.minimum(day + reach, len(DAYS) - 1)]).where(has_label).to_numpy()
    values = np.where(has_label, 5.0, np.nan)
    columns = {
        f"forward_return_{horizon}d": values,
        f"label_{horizon}d": values,
        f"label_end_{horizon}d": ends.astype("datetime64[us]"),
    }
    return pd.DataFrame(columns, index=index)


def consistent(frame: pd.DataFrame, horizons=("2d",)) -> CheckOutcome:
    return check_labels_consistent(frame, panel(), horizons=horizons, execution_lag_days=1)


def put(frame: pd.DataFrame, column: str, row: int, value: object) -> pd.DataFrame:
    changed = frame.copy()
    changed.iloc[row, changed.columns.get_loc(column)] = value
    return changed


def test_labels_of_the_panel_are_consistent():
    outcome = consistent(labels())
    assert (outcome.name, outcome.passed, outcome.severity) == ("consistent", True, "error")
    assert outcome.description == "1 horizons, 16 rows"
    assert outcome.values == {"labelled_2d": 10}


def test_labels_may_look_further_than_the_exit():
    assert consistent(put(labels(), "label_end_2d", 0, DAYS[7])).passed


@pytest.mark.parametrize(
    ("frame", "problem"),
    [
        (
            put(labels(), "label_end_2d", 2, DAYS[3]),
            "label_end_2d is before the own bar at which the position ends: 1 rows, "
            "first A 2024-01-02",
        ),
        (
            put(labels(), "label_2d", 3, np.nan),
            "label_2d and label_end_2d are not missing together: 1 rows, first B 2024-01-02",
        ),
        (
            put(labels(), "label_end_2d", 3, pd.NaT),
            "label_2d and label_end_2d are not missing together: 1 rows, first B 2024-01-02",
        ),
        (put(labels(), "label_2d", 1, np.inf), "label_2d is infinite: 1 rows, first B 2024-01-01"),
        (put(labels(), "label_2d", 1, -np.inf), "label_2d is infinite: 1 rows, first B 2024-01-01"),
        (labels().drop(columns="label_end_2d"), "column 'label_end_2d' is missing"),
        (labels().drop(columns="forward_return_2d"), "column 'forward_return_2d' is missing"),
        (
            labels().assign(label_end_2d="2024-01-10"),
            "label_end_2d is str, not a date without time zone",
        ),
        (
            labels().rename(index={"B": "C"}, level="instrument"),
            "not a row of the universe: 8 rows, first C 2024-01-01",
        ),
        (
            labels().rename(index={"B": "Z"}, level="instrument"),
            "not a row of the universe: 8 rows, first Z 2024-01-01",
        ),
    ],
    ids=[
        "too early an end", "end without label", "label without end", "infinity",
        "minus infinity", "no end", "no return", "text as end", "outsider", "stranger",
    ],
)  # fmt: skip
def test_planted_fault_in_labels_is_named(frame, problem):
    outcome = consistent(frame)
    assert not outcome.passed
    assert problem in outcome.description


def test_labels_that_ignore_the_execution_lag_end_too_early():
    outcome = consistent(labels(lag=0))
    assert not outcome.passed
    assert "label_end_2d is before the own bar" in outcome.description


def test_exit_is_counted_in_the_instruments_own_bars():
    gone = panel().drop([("B", DAYS[1]), ("B", DAYS[2])])
    frame = labels().reindex(gone[gone["in_universe"]].index)
    outcome = check_labels_consistent(frame, gone, horizons=["2d"], execution_lag_days=1)
    assert not outcome.passed
    assert "first B 2024-01-01" in outcome.description


def test_horizon_without_any_label_is_named():
    empty = labels().assign(label_2d=np.nan)
    empty["label_end_2d"] = pd.Series(pd.NaT, index=empty.index).astype("datetime64[us]")
    outcome = consistent(empty)
    assert outcome.description == "label_2d has no value at all; shorten the horizon"
    assert outcome.values == {"labelled_2d": 0}


def test_absent_horizon_is_named_beside_those_that_are_there():
    outcome = consistent(labels(), horizons=("2d", "5d"))
    assert outcome.description == "column 'forward_return_5d' is missing"
    assert outcome.values == {"labelled_2d": 10}


def test_labels_that_are_no_numbers_do_not_break_the_check():
    outcome = consistent(labels().assign(label_2d="high"))
    assert not outcome.passed
    assert "not missing together" in outcome.description


def features() -> pd.DataFrame:
    index = panel()[panel()["in_universe"]].index
    values = np.linspace(-1, 1, 2 * len(index), dtype=np.float32).reshape(-1, 2)
    frame = pd.DataFrame(values, index=index, columns=["KMID", "ROC5"])
    return put(frame, "ROC5", 3, np.nan)


def test_features_of_the_panel_are_consistent():
    outcome = check_features_consistent(features(), panel())
    assert (outcome.name, outcome.passed, outcome.severity) == ("consistent", True, "error")
    assert outcome.description == "2 features, 16 rows, 3.12% missing"
    assert outcome.values == {"features": 2, "rows": 16, "missing_share": 1 / 32}


@pytest.mark.parametrize(
    ("frame", "description"),
    [
        (
            put(features(), "ROC5", 5, np.inf),
            "feature 'ROC5' is infinite: 1 rows, first B 2024-01-03",
        ),
        (
            features().rename(index={"A": "C"}, level="instrument"),
            "not a row of the universe: 8 rows, first C 2024-01-01",
        ),
        (features().iloc[:0], "there are 0 rows and 2 features"),
        (features()[[]], "there are 16 rows and 0 features"),
    ],
)
def test_planted_fault_in_features_is_named(frame, description):
    outcome = check_features_consistent(frame, panel())
    assert not outcome.passed
    assert outcome.description == description
    assert 0 <= outcome.values["missing_share"] <= 1


def test_features_that_are_no_numbers_are_left_to_the_contract():
    assert check_features_consistent(features().assign(ROC5="high"), panel()).passed


def fitted(split_ids, n_splits: int) -> FittedModels:
    trainer = RidgeTrainer(params={}, seed=7)
    models = tuple(
        FoldModel(split_id=split_id, trainer=trainer, n_train=1, n_test=1, seconds=0.0)
        for split_id in split_ids
    )
    provenance = Provenance(
        region="us",
        horizon="21d",
        model="ridge",
        trainer="model2_assets.training:RidgeTrainer",
        params={},
        seed=7,
        feature_names=(),
        data_versions={},
        row_order_hash="",
        seconds=0.0,
        peak_rss_bytes=0,
    )
    return FittedModels(models=models, n_splits=n_splits, provenance=provenance)


@pytest.mark.parametrize("split_ids", [(0, 1, 2), (2, 0, 1)])
def test_one_model_a_split_is_complete(split_ids):
    outcome = check_models_complete(fitted(split_ids, 3))
    assert (outcome.name, outcome.passed, outcome.severity) == ("complete", True, "error")
    assert outcome.values == {"models": 3, "splits": 3}


@pytest.mark.parametrize("split_ids", [(), (0, 2), (0, 1, 2, 2), (0, 1, 3), (0, 1, 1)])
def test_missing_or_surplus_models_are_named(split_ids):
    outcome = check_models_complete(fitted(split_ids, 3))
    assert not outcome.passed
    expected = f"models of splits {sorted(split_ids)}, expected [0, 1, 2]"
    assert outcome.description == expected


def test_importance_of_every_feature_passes():
    outcome = check_every_feature(feature_importance(), ["ROC5", "KMID"])
    assert (outcome.name, outcome.passed, outcome.severity) == ("every_feature", True, "error")
    assert outcome.description == "2 rows for 2 features"
    assert outcome.values == {"features": 2, "missing": 0}


@pytest.mark.parametrize(
    ("rows", "names", "description"),
    [
        ([0], ["KMID", "ROC5"], "features without a row: ROC5"),
        ([0, 1], ["KMID", "ROC5", "B", "A"], "features without a row: A, B"),
        ([0, 1, 1], ["KMID", "ROC5"], "3 rows for 2 features"),
        ([0, 1], ["KMID"], "2 rows for 1 features"),
    ],
)
def test_features_without_importance_are_named(rows, names, description):
    outcome = check_every_feature(feature_importance().iloc[rows], names)
    assert not outcome.passed
    assert outcome.description == description


PARTITIONS = ("21d|ridge", "21d|xgboost", "63d|ridge", "63d|xgboost")


def completeness(folds: dict[str, int], partitions=PARTITIONS, n_folds: int = 5) -> CheckOutcome:
    return check_scores_complete(
        {key: cv_scores(range(count)) for key, count in folds.items()},
        partitions=partitions,
        n_folds=dict.fromkeys(folds, n_folds),
    )


def test_twenty_fold_scores_are_complete():
    outcome = completeness(dict.fromkeys(PARTITIONS, 5))
    assert (outcome.name, outcome.passed) == ("scores_complete", True)
    assert outcome.description == "20 of 20 fold scores"
    assert outcome.values == {"fold_scores": 20, "expected": 20, "missing_partitions": 0}


def test_missing_partition_is_counted():
    outcome = completeness(dict.fromkeys(PARTITIONS[:3], 5))
    assert outcome.passed
    assert outcome.description == "15 of 20 fold scores; partitions missing: 1"
    assert outcome.values == {"fold_scores": 15, "expected": 20, "missing_partitions": 1}


def test_missing_fold_is_an_error_even_beside_a_missing_partition():
    outcome = completeness({"21d|ridge": 5, "21d|xgboost": 4, "63d|ridge": 5})
    assert not outcome.passed
    assert outcome.severity == "error"
    assert outcome.description == "partition 21d|xgboost has 4 of 5 folds"


def test_surplus_fold_is_an_error():
    outcome = completeness(dict.fromkeys(PARTITIONS, 5) | {"63d|ridge": 6})
    assert outcome.severity == "error"
    assert "partition 63d|ridge has 6 of 5 folds" in outcome.description


def test_partition_without_known_folds_is_an_error():
    scores = {key: cv_scores(range(5)) for key in PARTITIONS}
    outcome = check_scores_complete(
        scores, partitions=PARTITIONS, n_folds=dict.fromkeys(PARTITIONS[1:], 5)
    )
    assert outcome.severity == "error"
    assert outcome.description == "partition 21d|ridge has 5 of 0 folds"


def test_score_over_all_rows_is_no_fold():
    outcome = check_scores_complete(
        {"21d|ridge": cv_scores(())}, partitions=["21d|ridge"], n_folds={"21d|ridge": 5}
    )
    assert outcome.severity == "error"
    assert outcome.values["fold_scores"] == 0


def test_no_partition_at_all_is_counted():
    outcome = completeness({})
    assert outcome.passed
    assert outcome.values["missing_partitions"] == 4


def made_from(**versions: str) -> pd.DataFrame:
    inputs = {"labels": "L", "features": "F", "cv_splits": "S", "fitted_models": "M"} | versions
    return with_provenance(oof_predictions(), data_version="v", inputs=inputs)


def same_inputs(oof, **models: str) -> CheckOutcome:
    return check_same_inputs(oof, models=dict.fromkeys(oof, "M") | models)


def test_partitions_of_the_same_inputs_compare():
    outcome = same_inputs({key: made_from() for key in PARTITIONS})
    assert (outcome.name, outcome.passed, outcome.severity) == ("same_inputs", True, "warn")
    assert outcome.description.startswith("4 partitions share labels, features and splits")
    assert outcome.values == {"vintages": 1, "replaced_models": 0}


@pytest.mark.parametrize("table", ["labels", "features", "cv_splits"])
def test_partitions_of_other_inputs_warn_with_their_groups(table):
    oof = {key: made_from() for key in PARTITIONS} | {"63d|ridge": made_from(**{table: "other"})}
    outcome = same_inputs(oof)
    assert not outcome.passed
    assert outcome.severity == "warn"
    assert "(21d|ridge, 21d|xgboost, 63d|xgboost) and (63d|ridge)" in outcome.description
    assert outcome.values == {"vintages": 2, "replaced_models": 0}


def test_predictions_of_models_that_were_replaced_warn():
    outcome = same_inputs({key: made_from() for key in PARTITIONS}, **{"63d|xgboost": "newer"})
    assert not outcome.passed
    assert outcome.severity == "warn"
    assert outcome.description.startswith("63d|xgboost: its models were replaced")
    assert outcome.values == {"vintages": 1, "replaced_models": 1}


def test_nothing_to_compare_is_no_difference():
    assert same_inputs({}).passed


def splits(roles_by_day: list[str]) -> pd.DataFrame:
    """One split over the labelled days of `labels`, a letter a day: t(e)st or t(r)ain."""
    index = labels().dropna().index
    role = {"r": 0, "e": 1, "b": 2}
    columns = {
        f"split_{split_id}": np.repeat([role[letter] for letter in days], 2).astype(np.int8)
        for split_id, days in enumerate(roles_by_day)
    }
    frame = pd.DataFrame(columns, index=index)
    frame.insert(0, "group_id", np.repeat([0, 0, 0, 0, 1], 2).astype(np.int16))
    return frame


def test_splits_without_overlap_pass():
    outcome = check_no_label_overlap(prove_no_overlap(splits(["rbbbe", "ebbbr"]), labels()))
    assert (outcome.name, outcome.passed, outcome.severity) == ("no_label_overlap", True, "error")
    assert outcome.description == "0 overlapping rows in 2 splits"
    assert outcome.values == {
        "overlaps": 0,
        "overlaps_of_longest_window": 0,
        "splits": 2,
    }


def test_overlapping_train_row_is_named():
    outcome = check_no_label_overlap(prove_no_overlap(splits(["rbbbe", "erbbb"]), labels()))
    assert not outcome.passed
    assert outcome.description.startswith("split 1: train row A 2024-01-02 (label to 2024-01-05)")
    assert outcome.values == {
        "overlaps": 2,
        "overlaps_of_longest_window": 2,
        "splits": 2,
    }


@pytest.mark.parametrize(("needed", "passed"), [(1, True), (2, True), (3, False)])
def test_folds_need_enough_samples(needed, passed):
    outcome = check_minimum_samples(splits(["rbbbe"]), labels(), min_samples=needed)
    assert (outcome.name, outcome.passed) == ("minimum_samples", passed)
    assert outcome.severity == "error"
    assert outcome.values == {"smallest": 2, "needed": needed}
    if passed:
        assert outcome.description.startswith(f"the smallest fold has 2 rows, needed {needed};")
        assert "8 are never tested" in outcome.description
    else:
        assert "horizon 2d, split 0 testing fold 1: 2 labelled train rows" in outcome.description


def test_fold_without_train_rows_is_too_small():
    outcome = check_minimum_samples(splits(["bbbbe"]), labels(), min_samples=1)
    assert not outcome.passed
    assert outcome.values["smallest"] == 0


def test_failed_errors_are_those_that_forbid_publication():
    outcomes = [
        CheckOutcome("a", passed=True, description=""),
        CheckOutcome("b", passed=False, description=""),
        CheckOutcome("c", passed=False, description="", severity="warn"),
        CheckOutcome("d", passed=True, description="", severity="warn"),
        CheckOutcome("e", passed=False, description="", severity="error"),
    ]
    assert [outcome.name for outcome in failed_errors(outcomes)] == ["b", "e"]
    assert failed_errors([]) == ()
