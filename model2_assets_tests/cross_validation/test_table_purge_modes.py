"""Purged with the longest label of a row, or per horizon: what each gives, and what not."""

import numpy as np
import pandas as pd
import pytest

from model2_assets.config import CrossValidationConfig
from model2_assets.cross_validation import (
    PurgedEmbargoedTimeSeriesSplit,
    build_cv_splits,
    prove_no_overlap,
)
from model2_assets.cross_validation.intervals import longest_label_end
from model2_assets.cross_validation.table import (
    check_min_samples,
    count_samples,
    coverage_text,
    split_summary,
)
from model2_assets.errors import CrossValidationError
from model2_assets.panel import panel_index
from model2_assets.training import TrainingData, assemble_training_data
from model2_assets_tests.checks.builders import check_minimum_samples, check_no_label_overlap
from model2_assets_tests.cross_validation.panels import (
    dates_of,
    full_panel,
    labels_table,
    two_horizons,
)

PER_HORIZON = {"purge": "per_horizon", "embargo_days": 0}


def made(n_instruments=1, n_dates=20, **settings):
    labels = two_horizons(n_instruments, n_dates)
    config = CrossValidationConfig(**{"n_groups": 2} | PER_HORIZON | settings)
    return build_cv_splits(labels.index, labels, config), labels


def test_each_horizon_is_purged_with_its_own_label_end():
    splits, _ = made()
    assert list(splits.columns) == [
        "group_id",
        "split_0_1d",
        "split_1_1d",
        "split_0_3d",
        "split_1_3d",
    ]
    assert splits.dtypes.astype(str).tolist() == ["int16"] + ["int8"] * 4
    assert splits["group_id"].tolist() == [0] * 10 + [1] * 9
    assert splits["split_0_1d"].tolist() == [1] * 10 + [3] + [0] * 8
    assert splits["split_1_1d"].tolist() == [0] * 9 + [2] + [1] * 9
    assert splits["split_0_3d"].tolist() == [1] * 10 + [3] * 3 + [0] * 4 + [5] * 2
    assert splits["split_1_3d"].tolist() == [0] * 7 + [2] * 3 + [1] * 7 + [5] * 2


def test_walking_forward_each_horizon_is_purged_with_its_own_label_end():
    splits, _ = made(scheme="walk_forward")
    assert list(splits.columns) == ["group_id", "split_0_1d", "split_0_3d"]
    assert splits["split_0_1d"].tolist() == [0] * 9 + [2] + [1] * 9
    assert splits["split_0_3d"].tolist() == [0] * 7 + [2] * 3 + [1] * 7 + [5] * 2


def test_rows_without_a_label_purge_nothing_but_their_dates_count():
    # One series; the label of days 4, 5 and 8 is missing. Groups are days 0-3, 4-7, 8-11.
    dates = pd.date_range("2024-01-01", periods=16)
    index = panel_index(["A"] * 12, dates[:12])
    ends = dates[2:14].to_numpy().copy()
    ends[[4, 5, 8]] = np.datetime64("NaT")
    cv = PurgedEmbargoedTimeSeriesSplit(3, embargo_days=1)
    with pytest.raises(CrossValidationError, match=r"row 4 .* has no label end"):
        cv.roles(index, label_end=ends)
    roles = cv.roles(index, label_end=ends, unlabelled="leave_out")
    # Split 1 is the case in point: days 2 and 3 look at days 4 and 5, where nothing is tested.
    assert roles.T.tolist() == [
        [1, 1, 1, 1, 5, 5, 4, 0, 5, 0, 0, 0],
        [0, 0, 0, 0, 5, 5, 1, 1, 5, 3, 4, 0],
        [0, 0, 0, 0, 5, 5, 0, 2, 5, 1, 1, 1],
    ]


def test_a_test_block_without_any_label_purges_and_embargoes_nothing():
    dates = pd.date_range("2024-01-01", periods=8)
    ends = (dates + pd.Timedelta(days=1)).to_numpy().copy()
    ends[2:4] = np.datetime64("NaT")
    roles = PurgedEmbargoedTimeSeriesSplit(4, embargo_days=1).roles(
        panel_index(["A"] * 8, dates), label_end=ends, unlabelled="leave_out"
    )
    assert roles[:, 1].tolist() == [0, 0, 5, 5, 0, 0, 0, 0]


def seen_labels(data: TrainingData, labels: pd.DataFrame, horizon: str) -> int:
    """Count train rows, over splits, whose label overlaps a test row's longest window."""
    start = dates_of(data.index)
    label_end = labels.loc[data.index, f"label_end_{horizon}"].to_numpy()
    longest = longest_label_end(labels).loc[data.index].to_numpy()
    count = 0
    for split_id in range(data.n_splits):
        train, test = data.train_rows(split_id), data.test_rows(split_id)
        overlap = (start[train][:, None] <= longest[test]) & (
            start[test] <= label_end[train][:, None]
        )
        count += int(overlap.any(axis=1).sum())
    return count


def panel_of_two_horizons():
    """Return 3 instruments on 60 dates with labels of 2 and 7 days; 58 dates have one."""
    index, _ = full_panel(3, 60, window=0)
    days = index.get_level_values("datetime").unique().to_numpy()
    ends = {
        h: np.repeat(np.append(days[h:], [np.datetime64("NaT")] * h), 3).astype("datetime64[us]")
        for h in (2, 7)
    }
    return labels_table(index, end_2d=ends[2], end_7d=ends[7])


@pytest.mark.parametrize("n_test_groups", [1, 2])
def test_by_default_no_model_saw_a_label_overlapping_the_longest_window_that_it_predicts(
    n_test_groups,
):
    labels = panel_of_two_horizons()
    features = pd.DataFrame({"f": np.float32(0)}, index=labels.index)
    settings = {"n_groups": 4, "n_test_groups": n_test_groups, "embargo_days": 0}
    splits = build_cv_splits(labels.index, labels, CrossValidationConfig(**settings))
    for horizon in ("2d", "7d"):
        data = assemble_training_data(features, labels, splits, horizon=horizon)
        assert seen_labels(data, labels, horizon) == 0
    assert prove_no_overlap(splits, labels).n_overlaps_longest == 0


def test_purged_per_horizon_models_of_the_shorter_one_did_see_such_labels():
    labels = panel_of_two_horizons()
    features = pd.DataFrame({"f": np.float32(0)}, index=labels.index)
    config = CrossValidationConfig(n_groups=4, **PER_HORIZON)
    splits = build_cv_splits(labels.index, labels, config)
    found = {
        horizon: seen_labels(
            assemble_training_data(features, labels, splits, horizon=horizon), labels, horizon
        )
        for horizon in ("2d", "7d")
    }
    # After each of the first 3 blocks, the 2 dates inside its 2d labels are purged; the
    # following 5, inside its 7d labels, train: 3 blocks x 5 dates x 3 instruments.
    assert found == {"2d": 45, "7d": 0}
    proof = prove_no_overlap(splits, labels)
    assert (proof.n_overlaps, proof.first_overlap, proof.n_overlaps_longest) == (0, None, 45)
    assert proof.per_split["overlaps_longest"].tolist() == [15, 15, 15, 0, 0, 0, 0, 0]


def test_the_proof_is_by_the_horizons_own_labels_and_catches_a_planted_row():
    splits, labels = made(2, 20, n_groups=4)
    proof = prove_no_overlap(splits, labels)
    assert proof.per_split["horizon"].tolist() == ["1d"] * 4 + ["3d"] * 4
    assert proof.per_split["split_id"].tolist() == [0, 1, 2, 3] * 2
    assert proof.n_overlaps == 0
    rows = np.flatnonzero(splits["split_1_3d"] == 2)
    faulty = splits.copy()
    faulty.iloc[rows[0], faulty.columns.get_loc("split_1_3d")] = 0
    found = prove_no_overlap(faulty, labels)
    assert found.per_split["overlaps"].tolist() == [0, 0, 0, 0, 0, 1, 0, 0]
    assert found.first_overlap.startswith("horizon 3d, split 1: train row S0 2020-01-03")
    # The same row trains in the columns of the shorter horizon, where its label is clear.
    assert faulty["split_1_1d"].iloc[rows[0]] == 0


def test_a_row_without_the_label_of_a_column_may_not_play_a_role_in_it():
    splits, labels = made()
    splits.iloc[-1, splits.columns.get_loc("split_0_3d")] = 0
    with pytest.raises(CrossValidationError, match="instrument S0 on 2020-01-27, which has no"):
        prove_no_overlap(splits, labels)


def test_labels_that_lack_a_horizon_of_the_table_are_refused():
    splits, labels = made()
    with pytest.raises(CrossValidationError, match="no horizon 3d, only 1d"):
        prove_no_overlap(splits, labels.drop(columns=["label_3d", "label_end_3d"]))


def test_samples_summary_and_coverage_are_told_per_horizon():
    splits, labels = made(2, 20)
    expected = pd.DataFrame(
        [("1d", 0, 16, 20), ("1d", 1, 18, 18), ("3d", 0, 8, 20), ("3d", 1, 14, 14)],
        columns=["horizon", "split_id", "train", "test"],
    )
    pd.testing.assert_frame_equal(count_samples(splits, labels), expected)
    with pytest.raises(
        CrossValidationError, match="horizon 3d, split 0 testing fold 0: 8 labelled"
    ):
        check_min_samples(splits, labels, min_samples=9)
    summary = split_summary(splits)
    assert summary["horizon"].tolist() == ["1d", "1d", "3d", "3d"]
    assert summary["train_dates"].tolist() == [8, 9, 4, 7]
    assert summary["unused"].tolist() == [0, 0, 4, 4]
    assert coverage_text(splits) == (
        "1d: all 38 rows are tested, each in 1 split; 3d: all 34 rows are tested, each in 1 split"
    )


def test_the_checks_say_what_per_horizon_purging_does_not_give_and_how_much_is_tested():
    labels = panel_of_two_horizons()
    config = CrossValidationConfig(n_groups=4, scheme="walk_forward", **PER_HORIZON)
    forward = build_cv_splits(labels.index, labels, config)
    outcome = check_minimum_samples(forward, labels, min_samples=24)
    assert outcome.passed
    assert outcome.description == (
        "the smallest fold has 24 rows, needed 24; 2d: 129 of 174 rows (74.1%) are tested, each "
        "in 1 split, from 2020-01-22 on; 45 are never tested, and scores and coverage do not "
        "speak of them; 7d: 114 of 159 rows (71.7%) are tested, each in 1 split, from 2020-01-22 "
        "on; 45 are never tested, and scores and coverage do not speak of them"
    )
    cpcv = build_cv_splits(labels.index, labels, CrossValidationConfig(n_groups=4, **PER_HORIZON))
    found = check_no_label_overlap(cpcv, labels)
    assert found.passed
    assert found.description == (
        "0 overlapping rows in 8 splits; purged per horizon, 45 train rows overlap the longest "
        "window of a test row: do not put predictions of different horizons side by side"
    )
    expected = {"overlaps": 0, "overlaps_of_longest_window": 45, "splits": 8}
    assert {name: found.values[name] for name in expected} == expected  # noqa: PD011
