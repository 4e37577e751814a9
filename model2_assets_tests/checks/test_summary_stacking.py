"""Checks of the stacking frame: every planted fault is named."""

import numpy as np
import pytest

from model2_assets.stacking import make_stacking_frame
from model2_assets.storage.data_version import data_version_of, facts_of
from model2_assets_tests.checks.builders import check_stacking_frame
from model2_assets_tests.sample_stacking import (
    PARTITIONS,
    all_predictions,
    cv_splits,
    labels,
    predictions,
)


def outcomes(oof=None, spoil=lambda frame: frame, splits=None):
    oof = all_predictions() if oof is None else oof
    tables = {"labels": labels(), "cv_splits": cv_splits() if splits is None else splits}
    frame = make_stacking_frame(oof, **tables, partitions=PARTITIONS, excess=True, region="us")
    attrs = frame.attrs
    spoiled = spoil(frame)
    spoiled.attrs = attrs
    found = check_stacking_frame(spoiled, oof, **tables, partitions=PARTITIONS)
    return {outcome.name: outcome for outcome in found}


def test_a_whole_frame_passes_and_is_counted():
    found = outcomes()
    assert list(found) == ["contract", "complete", "same_inputs", "columns", "side_by_side"]
    assert all(outcome.passed for outcome in found.values())
    assert found["complete"].description == (
        "6 rows, each once, with all 4 columns of predictions; 0 without label_21d, "
        "2 without label_63d"
    )
    assert found["complete"].values == {
        "rows": 6,
        "columns": 4,
        "rows_without_label_21d": 0,
        "rows_without_label_63d": 2,
    }
    assert found["columns"].description == "all 4 models and horizons have their column"


def with_values(column, values):
    return lambda frame: frame.assign(**{column: values})


def swapped(column):
    def spoil(frame):
        order = [1, 0, *range(2, len(frame))]
        return frame.assign(**{column: frame[column].to_numpy()[order]})

    return spoil


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (swapped("oof_21d_ridge"), "2 values of oof_21d_ridge are not its predictions"),
        (swapped("label_21d"), "2 values of label_21d are not those of labels"),
        (
            with_values("realized_21d", [1.0, 3.0, 5.0, 2.0, 4.0, 6.0]),
            "6 values of realized_21d are not those of labels",
        ),
        (swapped("label_end_63d"), "2 values of label_end_63d are not those of labels"),
        (with_values("oof_63d_ridge", np.nan), "oof_63d_ridge has 0 values for 4 predictions"),
        (
            lambda frame: frame.assign(oof_63d_ridge=frame["oof_63d_ridge"].to_numpy()[::-1]),
            "oof_63d_ridge has its values in other rows than its predictions",
        ),
        (
            with_values("fold_id", np.zeros(6, dtype=np.int16)),
            "2 rows have another fold_id than oof_21d_ridge was predicted in",
        ),
        (lambda frame: frame.drop(columns="label_63d"), "6 values of label_63d are not those of"),
        (lambda frame: frame.drop(columns="oof_21d_ridge"), "column oof_21d_ridge is missing"),
        (lambda frame: frame.iloc[1:], "5 rows for 6 distinct rows that are predicted"),
    ],
)
def test_what_the_join_lost_or_moved_is_named(spoil, message):
    complete = outcomes(spoil=spoil)["complete"]
    assert not complete.passed
    assert complete.severity == "error"
    assert message in complete.description


def test_partitions_of_other_inputs_are_refused_by_name():
    oof = all_predictions()
    oof["21d|xgboost"] = predictions("21d|xgboost", features="x" * 32, cv_splits="y" * 32)
    same_inputs = outcomes(oof)["same_inputs"]
    assert not same_inputs.passed
    assert same_inputs.severity == "error"
    assert same_inputs.description == (
        "21d|xgboost was made from other features and cv_splits than those at hand; materialize "
        "oof_predictions of 21d|xgboost again, with fitted_models"
    )


def test_partitions_that_agree_but_are_older_than_the_labels_are_refused_too():
    oof = {key: predictions(key, labels="x" * 32) for key in PARTITIONS}
    same_inputs = outcomes(oof)["same_inputs"]
    assert not same_inputs.passed
    assert same_inputs.values == {"partitions": 4, "of_other_inputs": 4}
    assert "21d|ridge was made from other labels than those at hand" in same_inputs.description


def test_a_missing_column_warns_and_names_what_to_materialize():
    oof = all_predictions()
    del oof["21d|xgboost"], oof["63d|ridge"]
    found = outcomes(oof)
    assert found["complete"].passed
    assert found["columns"].severity == "warn"
    assert not found["columns"].passed
    assert found["columns"].description == (
        "2 of 4 columns are missing: oof_21d_xgboost, oof_63d_ridge; materialize oof_predictions "
        "of 21d|xgboost, 63d|ridge, then stacking_frame"
    )
    assert found["columns"].values == {"columns": 2, "missing_columns": 2}


def test_columns_of_horizons_purged_apart_warn_unless_there_is_only_one():
    apart = cv_splits(suffixes=("_21d", "_63d"))
    warned = outcomes(splits=apart)["side_by_side"]
    assert not warned.passed
    assert warned.severity == "warn"
    assert "models of a shorter horizon did see labels overlapping" in warned.description
    assert warned.description.endswith(
        "stack columns of one horizon only, or set cross_validation.purge to longest_horizon and "
        "retrain"
    )
    one = {key: predictions(key) for key in PARTITIONS[:2]}
    assert outcomes(one, splits=apart)["side_by_side"].passed


def test_the_version_of_every_column_is_that_of_its_predictions():
    oof = all_predictions()
    tables = {"labels": labels(), "cv_splits": cv_splits()}
    frame = make_stacking_frame(oof, **tables, partitions=PARTITIONS, excess=True, region="us")
    assert set(facts_of(frame)["columns"].values()) == {data_version_of(t) for t in oof.values()}
