import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LinearRegression

from model2_assets.contracts import load_contract
from model2_assets.errors import StoreError, TrainingError
from model2_assets.stacking import make_stacking_frame, nonnegative_weights, stackable_columns
from model2_assets.storage.conformity import require_conformity
from model2_assets.storage.data_version import data_version_of, facts_of, table_digest
from model2_assets_tests.sample_stacking import (
    PARTITIONS,
    VERSIONS,
    all_predictions,
    cv_splits,
    index_of,
    labels,
)

NAN = np.nan


def frame_of(oof, splits=None, *, excess=True):
    return make_stacking_frame(
        oof,
        labels=labels(),
        cv_splits=cv_splits() if splits is None else splits,
        partitions=PARTITIONS,
        excess=excess,
        region="us",
    )


def test_every_column_and_label_is_in_the_row_it_belongs_to():
    frame = frame_of(all_predictions())
    ends = {
        "label_end_21d": ["2024-01-03", "2024-01-04", "2024-01-05"] * 2,
        "label_end_63d": ["2024-01-04", "2024-01-05", None] * 2,
    }
    expected = pd.DataFrame(
        {
            "fold_id": np.array([0, 0, 1, 0, 0, 1], dtype=np.int16),
            "oof_21d_ridge": [1.0, 1.125, 1.25, 1.375, 1.5, 1.625],
            "oof_21d_xgboost": [2.0, 2.125, 2.25, 2.375, 2.5, 2.625],
            "oof_63d_ridge": [10.0, 10.125, NAN, 10.25, 10.375, NAN],
            "oof_63d_xgboost": [20.0, 20.125, NAN, 20.25, 20.375, NAN],
            "label_21d": [10.0, 20.0, 30.0, -10.0, -20.0, -30.0],
            "realized_21d": [-0.5, -0.5, -0.5, 0.5, 0.5, 0.5],
            "label_end_21d": pd.to_datetime(ends["label_end_21d"]).as_unit("us"),
            "label_63d": [100.0, 200.0, NAN, -100.0, -200.0, NAN],
            "realized_63d": [-0.5, -0.5, NAN, 0.5, 0.5, NAN],
            "label_end_63d": pd.to_datetime(ends["label_end_63d"]).as_unit("us"),
        },
        index=index_of("A0", "A1", "A2", "B0", "B1", "B2"),
    )
    pd.testing.assert_frame_equal(frame, expected, check_exact=True)
    require_conformity(frame, load_contract("StackingFrame"), origin="frame")


def test_the_order_in_which_partitions_arrive_changes_nothing():
    oof = all_predictions()
    turned = dict(reversed(oof.items()))
    frame = frame_of(oof)
    pd.testing.assert_frame_equal(frame_of(turned), frame, check_exact=True)
    assert facts_of(frame_of(turned)) == facts_of(frame)


def test_rows_are_those_of_the_horizon_that_is_there_but_all_labels_come_along():
    oof = all_predictions()
    frame = frame_of({"63d|ridge": oof["63d|ridge"]})
    assert list(frame.index) == list(index_of("A0", "A1", "B0", "B1"))
    assert list(frame.columns) == [
        *("fold_id", "oof_63d_ridge"),
        *("label_21d", "realized_21d", "label_end_21d"),
        *("label_63d", "realized_63d", "label_end_63d"),
    ]


def test_without_excess_realized_returns_are_the_forward_returns():
    frame = frame_of(all_predictions(), excess=False)
    assert frame["realized_21d"].tolist() == [1.0, 3.0, 5.0, 2.0, 4.0, 6.0]
    assert frame["realized_63d"].tolist()[:2] == [1.5, 3.5]


def test_rows_that_only_one_model_predicts_are_kept():
    oof = all_predictions()
    oof["21d|ridge"] = oof["21d|ridge"].iloc[1:]
    frame = frame_of(oof)
    assert np.isnan(frame["oof_21d_ridge"].iloc[0])
    assert frame["oof_21d_xgboost"].notna().all()
    assert (frame["fold_id"] >= 0).all()


def test_the_file_states_purge_mode_versions_and_what_is_missing():
    oof = all_predictions()
    del oof["63d|xgboost"]
    frame = frame_of(oof)
    facts = facts_of(frame)
    assert facts["purge"] == "longest_horizon"
    assert "columns of all horizons may be stacked side by side" in facts["guarantee"]
    assert "not unbiased" in facts["not_guaranteed"]
    assert facts["missing_columns"] == ["oof_63d_xgboost"]
    assert facts["columns"] == {
        f"oof_{key.replace('|', '_')}": data_version_of(table) for key, table in oof.items()
    }
    assert facts["inputs"] == {name: VERSIONS[name] for name in ("labels", "cv_splits")}
    assert facts["data_version"] == table_digest(frame)


def test_purged_per_horizon_only_columns_of_one_horizon_are_stackable():
    frame = frame_of(all_predictions(), cv_splits(suffixes=("_21d", "_63d")))
    assert facts_of(frame)["purge"] == "per_horizon"
    assert "stack columns of one horizon only" in facts_of(frame)["guarantee"]
    assert stackable_columns(frame, "63d") == ("oof_63d_ridge", "oof_63d_xgboost")
    every = ("oof_21d_ridge", "oof_21d_xgboost", "oof_63d_ridge", "oof_63d_xgboost")
    assert stackable_columns(frame_of(all_predictions()), "63d") == every


def test_walk_forward_is_told_by_the_splits_themselves():
    splits = cv_splits()
    assert not facts_of(frame_of(all_predictions(), splits))["trained_on_past_only"]
    past = splits.drop(columns="split_0").rename(columns={"split_1": "split_0"})
    assert facts_of(frame_of(all_predictions(), past))["trained_on_past_only"]


def test_nothing_to_stack_is_one_sentence():
    with pytest.raises(StoreError, match="region us has no out-of-fold predictions to stack; mat"):
        frame_of({})


def planted(seed=0, n_rows=4000):
    """Return a label, and columns that know it well, a little, and not at all."""
    rng = np.random.default_rng(seed)
    signal = rng.normal(size=n_rows)
    label = 100 * (signal + 2 * rng.normal(size=n_rows)) + 7
    good = 50 * (signal + 0.5 * rng.normal(size=n_rows))
    weak = 50 * (signal + 4 * rng.normal(size=n_rows))
    noise = 50 * rng.normal(size=n_rows)
    return np.column_stack([weak, good, noise]), label


def test_the_better_model_gets_most_of_the_weight():
    weak, good, noise = nonnegative_weights(*planted())
    assert good > 10 * weak > 0
    assert good > 10 * noise


def test_weights_are_the_best_of_all_that_are_not_negative():
    columns, label = planted(seed=3)
    columns[:, 2] -= columns[:, 1]
    found = nonnegative_weights(columns, label)
    expected = LinearRegression(positive=True).fit(columns, label).coef_
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-12)


def test_a_column_that_is_only_wrong_gets_nothing():
    columns, label = planted()
    assert nonnegative_weights(-columns[:, [1]], label).tolist() == [0.0]


@pytest.mark.parametrize("label", [[], [1.0, np.nan, 2.0]])
def test_missing_values_are_refused(label):
    with pytest.raises(TrainingError, match="drop those with a missing value"):
        nonnegative_weights(np.ones((len(label), 2)), label)
